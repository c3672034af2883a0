"""Bad inputs, one by one: what is put into a small dataset, and what a store then shows of it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.engine.store.store_samples import Dataset, Json, definition, solution, trace, workload

TRACES = "traces/ada/gemm/gemm.jsonl"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("0" * 64)


class Case(NamedTuple):
    """One bad input.

    Args:
        name: As in the table of docs/store.md.
        put: Puts it into a dataset of five traces without problems.
        traces: How many traces there are then.
        problems: A part of each problem's message.
        rows: Filters of which each finds just one trace.
    """

    name: str
    put: Callable[[Dataset], object]
    traces: int = 5
    problems: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


def changed(change: Callable[[Json], object], **named: object) -> Json:
    """A valid line after a change to it."""
    line = trace("fast", "w1", day=9, **named)  # type: ignore[arg-type]
    change(line)
    return line


def _lines(*items: Json | str) -> Callable[[Dataset], object]:
    return lambda dataset: dataset.append(TRACES, *items)


def _bytes(path: str, data: bytes) -> Callable[[Dataset], object]:
    def put(dataset: Dataset) -> None:
        with Path(os.fsdecode(os.fsencode(dataset.root / path))).open("ab") as stream:
            stream.write(data)

    return put


def _both(*puts: Callable[[Dataset], object]) -> Callable[[Dataset], object]:
    return lambda dataset: [put(dataset) for put in puts]


def _encoded(line: Json) -> bytes:
    return json.dumps(line).encode() + b"\n"


def _swapped(old: bytes, new: bytes, line: Json) -> bytes:
    data = _encoded(line)
    assert old in data
    return data.replace(old, new)


def _long_line(dataset: Dataset) -> None:
    """65 MiB without a newline, and a good line after it."""
    with (dataset.root / TRACES).open("r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        stream.truncate(end + (65 << 20))
        stream.seek(0, os.SEEK_END)
        stream.write(b"\n" + _encoded(trace("fast", "w1", day=9)))


def _large_document(dataset: Dataset) -> None:
    with (dataset.root / "solutions/large.json").open("wb") as stream:
        stream.truncate(65 << 20)


def _odd_files(dataset: Dataset) -> None:
    folder = dataset.root / "traces"
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "folder.jsonl").mkdir()
    (folder / "gone.jsonl").symlink_to(folder / "nothing")
    (folder / "self.jsonl").symlink_to(folder / "self.jsonl")
    (folder / "loop").symlink_to(folder)
    listener = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(folder)  # the path of a socket has at most 108 bytes
    try:
        listener.bind("socket.jsonl")
    finally:
        os.chdir(here)
        listener.close()


def _names_of_bytes(dataset: Dataset) -> None:
    root = os.fsencode(dataset.root)
    for path, text in [
        (b"/traces/\xff.jsonl", json.dumps(trace("fast", "w1", day=9))),
        (b"/traces/\xfe.jsonl", POINTER),
        (b"/definitions/\xff.json", json.dumps(definition())),
        (b"/definitions/\xff\xff.json", json.dumps(definition())),
    ]:
        Path(os.fsdecode(root + path)).write_text(text)


def _same_names(dataset: Dataset) -> None:
    dataset.put("definitions/zz.json", definition(op_type="other"))
    dataset.put("solutions/zz.json", solution("fast", body="return"))
    dataset.append("workloads/gemm/gemm.jsonl", workload("w1", m=99))


def _documents(dataset: Dataset) -> None:
    dataset.put("definitions/a.json", definition("a", reference="nothing"))
    (dataset.root / "solutions/a.json").write_bytes(b"")
    (dataset.root / "solutions/b.json").write_text('{"name": "b",\n<<<<<<< HEAD\n')


_OLD = "older schema"
_DEEP = "[" * 100_000 + "]" * 100_000

CASES = [
    Case("a line that is not JSON", _lines("{oops"), 5, ("not JSON",)),
    Case("two documents on one line", _lines("{}{}"), 5, ("not JSON",)),
    Case(
        "conflict markers of Git",
        _lines("<<<<<<< HEAD", changed(lambda line: None), "=======", ">>>>>>> theirs"),
        6,
        ("conflict marker",) * 3,
    ),
    Case("a block of NUL bytes", _bytes(TRACES, b"\0" * 4096 + b"\n"), 5, ("not JSON",)),
    Case(
        "a field that breaks a rule",
        _lines(changed(lambda line: line["evaluation"]["performance"].update(latency_ms=-1))),
        5,
        ("must be at least 0",),
    ),
    Case(
        "a line in the wrong folder",
        _both(
            _lines(workload("w7"), changed(lambda line: line.update(solution=None))),
            lambda dataset: dataset.append("workloads/gemm/gemm.jsonl", trace("fast", "w8")),
        ),
        5,
        ("belongs under workloads/", "needs a solution", "belongs under traces/"),
    ),
    Case(
        "no workload.uuid",
        _both(
            _lines(
                changed(lambda line: line["workload"].pop("uuid")),
                changed(lambda line: line["workload"].pop("uuid"), hardware="B200"),
            ),
            lambda dataset: dataset.append(
                "workloads/gemm/gemm.jsonl",
                {"definition": "gemm", "workload": {"axes": {"M": 1}, "inputs": {}}},
            ),
        ),
        7,
        (_OLD, _OLD),
    ),
    Case(
        "environment.device",
        _lines(changed(lambda line: line["evaluation"].update(environment={"device": "H100"}))),
        6,
        (_OLD,),
        ("hw:H100", "status:PASSED hw=H100 lat=0.01"),
    ),
    Case(
        "an empty evaluation",
        _lines(changed(lambda line: line.update(evaluation={}))),
        6,
        (_OLD,),
        ("status:UNKNOWN",),
    ),
    Case(
        "an unknown status",
        _lines(
            changed(lambda line: line["evaluation"].update(status="SKIPPED")),
            trace("fast", "w1", "ODD", day=11),
        ),
        7,
        ("'SKIPPED' is not one", "'ODD' is not one"),
        ("status:SKIPPED lat=0.01", "status=ODD"),
    ),
    Case(
        "a Git LFS pointer",
        _both(
            _bytes("traces/p.jsonl", POINTER.encode()),
            _bytes("solutions/p.json", POINTER.encode()),
        ),
        5,
        ("git lfs pull", "git lfs pull"),
    ),
    Case("a line over 64 MiB", _long_line, 6, ("longer than 64 MiB",)),
    Case("a document over 64 MiB", _large_document, 5, ("longer than 64 MiB",)),
    Case("a log of 5 MB", _lines(changed(lambda line: None, log="out of memory\n" * 360_000)), 6),
    Case(
        "a log that is not UTF-8",
        _bytes(TRACES, _swapped(b"QQ", b"\xff\xfe", changed(lambda line: None, log="QQ"))),
        6,
    ),
    Case(
        "a name that is not UTF-8",
        _bytes(TRACES, _swapped(b"gemm", b"ge\xffmm", changed(lambda line: None, log="x"))),
        5,
        ("not UTF-8 at byte",),
    ),
    Case(
        "NaN, Infinity and 1e999",
        _bytes(
            TRACES,
            _swapped(b"0.25", b"NaN", changed(lambda line: None))
            + _swapped(b"0.25", b"-NaN", changed(lambda line: None))
            + _swapped(b"0.25", b"1e999", trace("fast", "w1", day=10))
            + _swapped(b"0.25", b'"NaN"', trace("fast", "w1", day=11)),
        ),
        8,
        ("not JSON",),
    ),
    Case("100,000 nested brackets", _lines(_DEEP), 5, ("nested too deeply",)),
    Case(
        "nested brackets in a field that is kept",
        _bytes(
            TRACES,
            _swapped(b'"log": ""', f'"log": "", "x": {_DEEP}'.encode(), changed(lambda line: None)),
        ),
        5,
        ("nested too deeply",),
    ),
    Case(
        "BOM, CRLF, blank lines, no final newline",
        _bytes(
            "traces/w.jsonl",
            b"\xef\xbb\xbf"
            + _encoded(trace("fast", "w1", day=9)).replace(b"\n", b"\r\n")
            + b"\r\n   \n\n\xef\xbb\xbf"
            + _encoded(trace("fast", "w1", day=10)).rstrip(),
        ),
        7,
    ),
    Case(
        "half a last line",
        _bytes(TRACES, _encoded(trace("fast", "w1", day=9))[:90]),
        5,
        ("the last line breaks off",),
    ),
    Case(
        "the same key twice",
        _bytes(TRACES, b'{"definition": "other", ' + _encoded(trace("fast", "w1", day=9))[1:]),
        6,
        (),
        ("def=gemm lat=0.01 workload=w1 line=4",),
    ),
    Case(
        "huge integers",
        _bytes(
            TRACES,
            _swapped(b'"M": 16', b'"M": ' + b"9" * 40, trace("fast", "w1", day=9))
            + _swapped(b'"M": 16', b'"M": ' + b"9" * 5000, trace("fast", "w1", day=10))
            + _swapped(b'"latency_ms": 0.01', b'"latency_ms": 1' + b"0" * 400, trace(day=11)),
        ),
        6,
        ("too many digits", "out of range"),
        ("axis.M>1000000000000",),
    ),
    Case(
        "half of a surrogate pair",
        _lines(
            trace("fast\ud800", "w1", day=9),
            trace("fast", "w1", day=10, log="\ud800"),
            changed(lambda line: line["workload"].update(axes={"\ud800": -1})),
        ),
        6,
        ("surrogate", "at least 0 long"),
    ),
    Case(
        "a timestamp that is no time",
        _lines(changed(lambda line: line["evaluation"].update(timestamp="yesterday"))),
        6,
        (),
        ('"w1" line=4',),
    ),
    Case("links, pipes, sockets and folders named .jsonl", _odd_files),
    Case(
        "a file name that is not UTF-8",
        _names_of_bytes,
        6,
        ("git lfs pull", "is also in", "is also in"),
    ),
    Case("an empty file", _bytes("traces/empty.jsonl", b"")),
    Case(
        "a definition or solution that cannot be read",
        _documents,
        5,
        ("run", "not JSON", "not JSON"),
    ),
    Case(
        "the same name twice",
        _same_names,
        5,
        ("is also in", "has other content in", "is already in"),
    ),
    Case(
        "a tensor file that is missing, a pointer or outside",
        lambda dataset: dataset.lines(
            "workloads/b.jsonl",
            workload("b1", blob="blob/x.safetensors"),
            workload("b2", blob="../x.safetensors"),
        ),
        5,
        ("is missing", "leaves the dataset folder"),
    ),
]
