"""Appending: whole lines, in place, by many at once, and nothing lost when it fails."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from engine.schema import Trace, decode
from engine.store import AppendError, TraceStore, append_line
from tests.engine.store.store_samples import Dataset, trace


def test_a_line_is_appended_at_the_offset_that_is_returned(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/t.jsonl"
    assert append_line(path, b'{"a": 1}') == 0
    offset = append_line(path, b'{"b": 2}\n')
    assert path.read_bytes()[offset:] == b'{"b": 2}\n'
    assert path.read_bytes() == b'{"a": 1}\n{"b": 2}\n'


def test_half_a_line_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"torn')
    offset = append_line(path, b"{}\n")
    assert path.read_bytes() == b'{"torn\n{}\n' and offset == 7


def test_nothing_is_not_appended(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        append_line(tmp_path / "t.jsonl", b"\n")


def _append_many(path: Path, who: int) -> None:
    for number in range(50):
        append_line(path, json.dumps({"who": who, "n": number, "pad": "x" * 5000}).encode())


def test_many_processes_append_without_losing_or_mixing_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append_many, args=(path, who)) for who in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted((line["who"], line["n"]) for line in lines) == [
        (who, number) for who in range(4) for number in range(50)
    ]


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.jsonl"
    append_line(path, b"{}\n")
    real = os.write
    calls: list[int] = []

    def full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:5])

    monkeypatch.setattr("engine.store.append.os.write", full)
    with pytest.raises(AppendError, match="No space left") as caught:
        append_line(path, b'{"long": "line"}\n')
    assert caught.value.line == b'{"long": "line"}\n' and caught.value.path == path
    assert path.read_bytes() == b"{}\n"


def test_a_folder_that_cannot_be_made_is_an_append_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AppendError) as caught:
        append_line(tmp_path / "file/t.jsonl", b"{}")
    assert caught.value.line == b"{}\n"


def test_a_store_appends_by_author_op_and_definition_and_lists_the_line(dataset: Dataset) -> None:
    item = decode(json.dumps(trace("fast", "w2", m=4096, day=9, log="all well")), Trace)
    with TraceStore.open(dataset.root) as store:
        path, offset = store.append(item)
        assert path == dataset.root / "traces/ada/gemm/gemm.jsonl"
        assert json.loads(path.read_bytes()[offset:])["evaluation"]["log"] == "all well"
        newest = store.traces(limit=1)[0]
        assert store.trace(newest.id) == item
        with pytest.raises(ValueError):
            item.evaluation = None
            store.append(item)


@pytest.mark.parametrize("name", ["../../../out", "/etc/x", "..", ".", "a/b", "", "n" * 300, "\0"])
def test_no_name_leads_out_of_the_traces_folder(dataset: Dataset, name: str) -> None:
    with TraceStore.open(dataset.root) as store:
        item = decode(json.dumps(trace("who", definition=name or ".")), Trace)
        path, _ = store.append(item)
        assert path.resolve().is_relative_to(dataset.root / "traces/unknown/unknown")
        assert path.parent == dataset.root / "traces/unknown/unknown"
        assert store.count("traces") == 6
