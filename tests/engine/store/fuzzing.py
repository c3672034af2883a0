"""Differential fuzz of the store: after any sequence of changes it equals one built afresh.

A small dataset in two layers is changed at random, while a store in this process, one in another
process and now and then a third that is killed are kept in step with it. Whatever they answer is
compared with what a store answers that has never seen the dataset. Only public names of
``engine.store`` are used, so that nothing here knows how the index works.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from engine.store import TraceStore
from tests.engine.store.store_samples import Json, definition, solution, trace, workload

ROOT = Path(__file__).resolve().parents[3]
QUICK = 0.06
"""Seconds that a file must have been quiet in most runs; long enough for a clock of 4 ms ticks."""
USUAL = 2.0
"""The same as the store has it outside of tests."""

Answers = dict[str, list[str]]

_FACETS = {
    "traces": "status hardware author language op_type definition solution workload layer version",
    "solutions": "author language definition version layer op_type",
    "workloads": "definition problem op_type",
    "definitions": "op_type layer",
}
_FILTERS = {
    "traces": [
        "status:failed",
        "lat<0.02ms",
        "author:ada",
        "op:gemm !tag:model",
        "axis.M>=32",
        "is:latest status:PASSED",
        "run:last",
        "(sol:s1 | sol:s2) -hw:B200",
        "layer=1 lang:triton",
        '"RUNTIME"',
    ],
    "solutions": ["is:latest", "author:bob", "passed>0", "definition:d0 | layer=1"],
    "definitions": ["traces>3", "best:s1", "op:moe"],
    "workloads": ["axis.M>16", "problem:missing"],
    "problems": ["field:evaluation", "line>2", "message:JSON"],
}


# -- what a store answers


def answers(store: TraceStore) -> Answers:
    """Everything a store answers, without numbers of rows, in an order that has no ties."""
    lists: dict[str, list[Any]] = {
        "definitions": list(store.definitions()),
        "solutions": list(store.solutions()),
        "workloads": list(store.workloads()),
        "traces": list(store.traces()),
        "problems": list(store.problems()),
        "latest": list(store.traces("is:latest")),
    }
    found = {name: _plain(rows) for name, rows in lists.items()}
    names = sorted({row.definition for row in lists["traces"]})
    found["matrix"] = [line for name in names for line in _plain(store.matrix(name))]
    pairs = sorted({(row.solution, row.workload) for row in lists["traces"]})[:8]
    found["history"] = [line for pair in pairs for line in _plain(store.history(*pair))]
    found["facets"] = [
        f"{kind} {column} {sorted(store.facet(kind, column).items())}"
        for kind, columns in _FACETS.items()
        for column in columns.split()
    ]
    found["counts"] = [
        f"{kind} {where}: {store.count(kind, where)}"
        for kind, filters in _FILTERS.items()
        for where in ["", *filters]
    ]
    found["sorted"] = [
        f"{field} {[getattr(row, field) for row in store.traces(sort=sort)]}"
        for sort, field in [
            ("-latency", "latency_ms"),
            ("speedup", "speedup"),
            ("time", "time"),
            ("definition,-status", "definition"),
        ]
    ]
    return found


def _plain(rows: Iterable[Any]) -> list[str]:
    result = []
    for row in rows:
        fields = msgspec.structs.asdict(row)
        fields.pop("id", None)
        result.append(repr(sorted(fields.items())))
    return sorted(result)


def differences(expected: Answers, found: Answers) -> list[str]:
    """One line per row that only one of two stores has."""
    result = []
    for name in expected:
        wanted, got = Counter(expected[name]), Counter(found[name])
        result += [f"{name}: missing {row}" for row in wanted - got]
        result += [f"{name}: too much {row}" for row in got - wanted]
    return result


def contradictions(store: TraceStore) -> list[str]:
    """Where the answers of one store do not agree with each other or with the files."""
    rows = store.traces()
    wrong = []
    for column in ("status", "definition", "solution", "workload", "hardware"):
        counted = Counter(getattr(row, column) for row in rows)
        if dict(counted) != store.facet("traces", column):
            wrong.append(f"the facet of {column} is not that of the rows")
    if store.count("traces") != len(rows):
        wrong.append("the count of traces is not that of the rows")
    pages = [row.id for start in range(0, len(rows), 7) for row in store.traces("", "", 7, start)]
    if pages != [row.id for row in rows]:
        wrong.append("pages side by side are not the list")
    latest = {row.id for row in store.traces("is:latest")}
    matrix = [row for name in {row.definition for row in rows} for row in store.matrix(name)]
    if {row.id for row in matrix} != latest:
        wrong.append("the matrices together are not the latest traces")
    pairs = [(row.definition, row.solution, row.workload) for row in matrix]
    if len(pairs) != len(set(pairs)):
        wrong.append("a cell of a matrix has two traces")
    by_definition = Counter(row.definition for row in rows)
    for known in store.definitions():
        if known.n_traces != by_definition[known.name]:
            wrong.append(f"{known.name} has {by_definition[known.name]} traces: {known.n_traces}")
    for row in rows[:5]:
        document = store.trace(row.id)
        assert document.evaluation is not None
        told = (document.solution, document.evaluation.status, document.evaluation.timestamp)
        if told != (row.solution, row.status, row.timestamp):
            wrong.append(f"the document of a row is another one: {row}")
    return wrong


def damage(cache: Path) -> list[str]:
    """What SQLite finds wrong with the indexes of a cache folder."""
    wrong = []
    for path in cache.glob("*.db"):
        connection = sqlite3.connect(path)
        try:
            for (message,) in connection.execute("PRAGMA integrity_check"):
                if message != "ok":
                    wrong.append(f"{path.name}: {message}")
        finally:
            connection.close()
    return wrong


def set_quiet(seconds: float) -> None:
    """Let files count as quiet after ``seconds``, wherever the store keeps that number."""
    for name, module in list(sys.modules.items()):
        if name.startswith("engine.store") and hasattr(module, "QUIET_SECONDS"):
            vars(module)["QUIET_SECONDS"] = seconds


# -- other processes


class Other:
    """A store in another process.

    Args:
        role: "serve" to answer, "refresh" to refresh without end.
        layers: The dataset.
        cache: Where its index is.
        quiet: As for :func:`set_quiet`.
    """

    def __init__(self, role: str, layers: list[Path], cache: Path, quiet: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, role, str(quiet), str(cache), *map(str, layers)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.asked = False

    def ask(self, word: str) -> None:
        """Send a command without waiting for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")
        self._process.stdin.flush()
        self.asked = True

    def answer(self) -> Any:
        """The answer to the last command."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the other process ended with {self._process.wait()}")
        self.asked = False
        return json.loads(line)

    def kill(self) -> None:
        """kill -9, of it and of all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            _close(stream)


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()


def _other(role: str, quiet: str, cache: str, *layers: str) -> None:
    set_quiet(float(quiet))
    with TraceStore.open(list(layers), cache=cache) as store:
        print(json.dumps("open"), flush=True)
        while role == "refresh":
            store.refresh()
        for line in sys.stdin:
            store.refresh()
            print(json.dumps(answers(store) if line.strip() == "answers" else 0), flush=True)


# -- changes to the files

_BAD = [
    b"<<<<<<< HEAD\n",
    b"=======\n",
    b'{"definition": \n',
    b"\xff\xfe\x00\n",
    b"[]\n",
    b"\n",
    b"   \r\n",
    b"null\n",
    b'{"definition":"d0"}{}\n',
    b"\x00" * 100 + b"\n",
    b"[" * 3000 + b"\n",
    b'{"a": 1' + b"0" * 5000 + b"}\n",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
]


class Files:
    """A dataset in two layers, and ways to change it.

    Args:
        root: Folder of both layers.
        seed: Of everything that happens.
    """

    def __init__(self, root: Path, seed: int) -> None:
        self.layers = [root / "low", root / "high"]
        self.happened: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._number = 0
        self._torn: dict[Path, bytes] = {}
        self._locked: list[Path] = []
        self._stash: dict[Path, dict[str, bytes]] = {}
        for layer in self.layers:
            for name in ("definitions", "solutions", "workloads", "traces", "blob"):
                (layer / name).mkdir(parents=True)
        low = self.layers[0]
        for number in range(3):
            self._document(low / f"definitions/d{number}.json", self._definition(number))
            for part in range(2):
                self._document(low / f"solutions/s{number}{part}.json", self._solution())
            lines = b"".join(self._workload() for _ in range(3))
            (low / f"workloads/w{number}.jsonl").write_bytes(lines)
        self._actions: list[tuple[int, Callable[[], object]]] = [
            (22, self.append),
            (6, self.torn_append),
            (6, self.completion),
            (6, self.bad_lines),
            (7, self.same_size_and_time),
            (5, self.truncate),
            (5, self.middle_insert),
            (6, self.edit_and_append),
            (4, self.shuffle_by_rename),
            (4, self.copy),
            (4, self.rename),
            (3, self.delete),
            (3, self.touch),
            (2, self.lock),
            (2, self.empty),
            (4, self.new_author),
            (2, self.folder_moved),
            (5, self.solution_edited),
            (3, self.document_deleted),
            (4, self.document_restored),
            (2, self.document_spoilt),
            (2, self.definition_edited),
            (3, self.workloads_changed),
            (2, self.blob_changed),
            (4, self.duplicate_lines),
            (1, self.swap),
            (1, self.odd_file),
        ]

    def change(self) -> None:
        """One change, picked at random."""
        self._number += 1
        weights = [weight for weight, _ in self._actions]
        action = self._random.choices(self._actions, weights)[0][1]
        self.happened[action.__name__] += 1
        action()
        if self._locked and self._random.random() < 0.3:
            self.unlock()

    def unlock(self) -> None:
        """Make every file readable again."""
        for path in self._locked:
            with contextlib.suppress(FileNotFoundError):
                path.chmod(0o644)
        self._locked = []

    # -- lines of trace files

    def append(self) -> None:
        path = self._file()
        with path.open("ab") as stream:
            stream.write(b"".join(self._trace() for _ in range(self._random.randint(1, 4))))
        if path.stat().st_size > 60_000:
            os.truncate(path, 5_000)

    def torn_append(self) -> None:
        path, line = self._file(), self._trace()
        cut = self._random.randint(1, len(line) - 1)
        with path.open("ab") as stream:
            stream.write(line[:cut])
        self._torn[path] = line[cut:]

    def completion(self) -> None:
        if not self._torn:
            return self.torn_append()
        path = self._random.choice(sorted(self._torn))
        rest = self._torn.pop(path)
        if path.is_file() and path not in self._locked:
            with path.open("ab") as stream:
                stream.write(rest)

    def bad_lines(self) -> None:
        with self._file().open("ab") as stream:
            stream.write(b"".join(self._random.choices(_BAD, k=2)))

    def same_size_and_time(self) -> None:
        path = self._file()
        before, data = path.stat(), bytearray(path.read_bytes())
        for old, new in [(b"2026-03-1", b"2026-03-0"), (b"PASSED", b"passed"), (b'"s1', b'"s2')]:
            place = data.find(old, self._random.randrange(len(data) + 1))
            if place >= 0:
                data[place : place + len(old)] = new
                break
        with path.open("r+b") as stream:
            stream.write(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def truncate(self) -> None:
        path = self._file()
        os.truncate(path, self._random.randint(0, path.stat().st_size))

    def middle_insert(self) -> None:
        path = self._file()
        lines = path.read_bytes().split(b"\n")
        lines.insert(len(lines) // 2, self._trace().rstrip(b"\n"))
        self._write(path, b"\n".join(lines))

    def edit_and_append(self) -> None:
        path = self._file()
        data = path.read_bytes()
        place = data.find(b'"latency_ms": 0.01', len(data) // 3)
        if place >= 0:
            data = data[: place + 14] + b"0.03" + data[place + 18 :]
        self._write(path, data + self._trace())

    def shuffle_by_rename(self) -> None:
        path = self._file()
        lines = path.read_bytes().split(b"\n")
        self._random.shuffle(lines)
        self._replace(path, b"\n".join(lines))

    # -- trace files

    def copy(self) -> None:
        shutil.copyfile(self._file(), self._new_file())

    def rename(self) -> None:
        self._file().rename(self._new_file())

    def delete(self) -> None:
        self._file().unlink()

    def touch(self) -> None:
        stamp = time.time() + self._random.choice([0, 0, -1e9, 3600])
        os.utime(self._file(), (stamp, stamp))

    def lock(self) -> None:
        path = self._file()
        path.chmod(0)
        self._locked.append(path)

    def empty(self) -> None:
        self._file().write_bytes(b"")

    def new_author(self) -> None:
        path = self._layer() / f"traces/author{self._number}/moe/d0.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(self._trace())

    def folder_moved(self) -> None:
        folder = self._file().parent
        if folder.name == "traces":
            return
        if self._random.random() < 0.5:
            folder.rename(folder.with_name(f"moved{self._number}"))
        else:
            shutil.rmtree(folder)

    def duplicate_lines(self) -> None:
        lines = self._file().read_bytes().splitlines(keepends=True)
        chosen = self._random.sample(lines, min(len(lines), 3))
        with self._file().open("ab") as stream:
            stream.write(b"".join(chosen))

    def odd_file(self) -> None:
        path = self._new_file()
        match self._random.randrange(6):
            case 0:
                path.symlink_to(self._file())
            case 1:
                path.symlink_to(path)
            case 2:
                path.mkdir()
                (path / "inner.jsonl").write_bytes(self._trace())
            case 3:
                os.mkfifo(path)
            case 4:
                name = os.fsencode(path.parent) + b"/\xff\xfe%d.jsonl" % self._number
                Path(os.fsdecode(name)).write_bytes(self._trace())
            case 5:
                taken = self._file()
                taken.unlink()
                taken.mkdir()
                (taken / "x.jsonl").write_bytes(self._trace())

    def swap(self) -> None:
        """As a checkout of another branch: files change, come and go at once."""
        layer = self._layer()
        self.unlock()
        now = {}
        for path in sorted(layer.rglob("*.json*")):
            if path.is_file():
                now[os.fspath(path.relative_to(layer))] = path.read_bytes()
        wanted = self._stash.get(layer)
        self._stash[layer] = now
        if wanted is None:
            return
        for name in now.keys() - wanted.keys():
            (layer / name).unlink(missing_ok=True)
        for name, data in wanted.items():
            with contextlib.suppress(FileExistsError, NotADirectoryError, IsADirectoryError):
                (layer / name).parent.mkdir(parents=True, exist_ok=True)
                self._replace(layer / name, data)

    # -- documents

    def solution_edited(self) -> None:
        path = self._layer() / f"solutions/s{self._random.randrange(4)}.json"
        self._document(path, self._solution())

    def definition_edited(self) -> None:
        number = self._random.randrange(4)
        self._document(self._layer() / f"definitions/d{number}.json", self._definition(number))

    def document_deleted(self) -> None:
        for path in self._documents():
            self._stash.setdefault(Path(), {})[os.fspath(path)] = path.read_bytes()
            path.unlink()

    def document_restored(self) -> None:
        gone = self._stash.get(Path(), {})
        if gone:
            name = self._random.choice(sorted(gone))
            self._replace(Path(name), gone.pop(name))

    def document_spoilt(self) -> None:
        for path in self._documents():
            data = path.read_bytes()
            self._write(path, data[: self._random.randrange(len(data) + 1)])

    def workloads_changed(self) -> None:
        path = self._layer() / f"workloads/w{self._random.randrange(3)}.jsonl"
        if self._random.random() < 0.5:
            with path.open("ab") as stream:
                stream.write(self._workload())
        else:
            lines = [self._workload(), self._random.choice(_BAD), self._workload()]
            self._write(path, b"".join(lines))

    def blob_changed(self) -> None:
        path = self.layers[0] / "blob/x.safetensors"
        if path.exists():
            path.unlink()
        else:
            path.write_bytes(self._random.choice([b"tensor", _BAD[-1]]))

    # -- parts

    def _layer(self) -> Path:
        return self._random.choice(self.layers)

    def _file(self) -> Path:
        """A trace file that can be changed, new where there is none."""
        known = [
            path
            for layer in self.layers
            for path in sorted((layer / "traces").rglob("*.jsonl"))
            if path.is_file() and path not in self._locked
        ]
        if len(known) > 24:
            known.pop(self._random.randrange(len(known))).unlink()
        if len(known) > 2:
            return self._random.choice(known)
        path = self._new_file()
        path.write_bytes(self._trace())
        return path

    def _new_file(self) -> Path:
        author = self._random.choice(["ada", "bob", "eve"])
        path = self._layer() / f"traces/{author}/gemm/{self._random.choice('abc')}{self._number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_suffix(".jsonl")

    def _documents(self) -> list[Path]:
        """One document that is there, or none."""
        known = [
            path
            for layer in self.layers
            for kind in ("definitions", "solutions", "workloads")
            for path in sorted((layer / kind).rglob("*.json*"))
        ]
        return [self._random.choice(known)] if known else []

    def _document(self, path: Path, item: Json) -> None:
        self._random.choice([self._write, self._replace])(path, json.dumps(item).encode())

    def _write(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def _replace(self, path: Path, data: bytes) -> None:
        other = path.with_name(f".{path.name}.new")
        other.write_bytes(data)
        other.replace(path)

    def _definition(self, number: int) -> Json:
        op_type = self._random.choice(["gemm", "moe"])
        tags = self._random.sample(["model:x", "quick", "old"], 2)
        return definition(f"d{number}", op_type, tags=tags)

    def _solution(self) -> Json:
        pick = self._random.choice
        return solution(
            pick(["s0", "s1", "s2", "s3"]),
            pick(["d0", "d1", "d2"]),
            pick(["ada", "bob"]),
            pick(["pass", "return", "x = 1"]),
        )

    def _workload(self) -> bytes:
        pick = self._random.choice
        blob = pick(["", "", "blob/x.safetensors"])
        item = workload(pick(["w0", "w1", "w2"]), pick(["d0", "d1", "d2"]), pick([16, 32]), blob)
        return json.dumps(item).encode() + b"\n"

    def _trace(self) -> bytes:
        pick = self._random.choice
        libs = {}
        if self._random.random() < 0.4:
            libs["solution"] = pick(["v1", "v2"])
        if self._random.random() < 0.4:
            libs.update(run=pick(["r1", "r2"]), evaluation=f"e{self._random.randrange(30)}")
        item = trace(
            pick(["s0", "s1", "s2", "s3", "none"]),
            pick(["w0", "w1", "w2"]),
            pick(["PASSED", "PASSED", "INCORRECT_NUMERICAL", "RUNTIME_ERROR", "TIMEOUT"]),
            pick([0.01, 0.02, 0.03]),
            self._random.randint(1, 19),
            definition=pick(["d0", "d0", "d1", "d2", "d9"]),
            m=pick([16, 32]),
            log=pick(["", "x\n", "out of memory " * 300]),
            hardware=pick(["NVIDIA H200", "NVIDIA B200"]),
            **libs,
        )
        self._age(item)
        return json.dumps(item).encode() + b"\n"

    def _age(self, item: Json) -> None:
        """Now and then, write a line as older or newer programs do."""
        chance = self._random.random()
        evaluation = item["evaluation"]
        if chance < 0.03:
            del item["workload"]["uuid"]
        elif chance < 0.06:
            evaluation["environment"]["device"] = evaluation["environment"].pop("hardware")
        elif chance < 0.08:
            item["evaluation"] = {}
        elif chance < 0.10:
            evaluation["status"] = "SKIPPED"
        elif chance < 0.12:
            evaluation["timestamp"] = self._random.choice(["yesterday", "2026-03-01 10:00:00"])
        elif chance < 0.14 and "performance" in evaluation:
            evaluation["performance"]["latency_ms"] = self._random.choice([float("inf"), 0, 1e300])


# -- one run


class Ending(NamedTuple):
    """How one seed ended.

    Args:
        seed: Its number.
        comparisons: How often stores were compared with a fresh one.
        kills: Processes killed while they refreshed.
        traces: Rows at the end.
        problems: The same.
        wrong: What differed; empty where all was equal.
    """

    seed: int
    comparisons: int
    kills: int
    traces: int
    problems: int
    wrong: list[str]


class Trial:
    """One seed: changes, stores that follow them, and comparisons.

    Args:
        folder: Empty, for the dataset and the indexes.
        seed: Of what happens.
        quiet: As for :func:`set_quiet`.
    """

    def __init__(self, folder: Path, seed: int, quiet: float = QUICK) -> None:
        self.files = Files(folder / "data", seed)
        self._seed = seed
        self._folder = folder
        self._quiet = quiet
        self._random = random.Random(f"{seed} processes")
        self._cache = folder / "cache"
        self._doomed: Other | None = None
        self._comparisons = self._kills = 0
        self._rows = (0, 0)

    def run(self, operations: int, comparisons: int = 5, kills: int = 8) -> Ending:
        """Change, follow and compare, until something differs or all is done."""
        set_quiet(self._quiet)
        wrong: list[str] = []
        compare_at = {self._random.randrange(operations) for _ in range(comparisons)}
        kill_at = {self._random.randrange(operations) for _ in range(kills)}
        other = Other("serve", self.files.layers, self._cache, self._quiet)
        try:
            with TraceStore.open(list(self.files.layers), cache=self._cache) as store:
                other.answer()
                for number in range(operations):
                    self.files.change()
                    self._follow(store, other, number in kill_at)
                    if number in compare_at:
                        wrong = self._compare(store, other)
                    if wrong:
                        break
                wrong = wrong or self._compare(store, other)
        finally:
            other.kill()
            self._kill()
        return Ending(self._seed, self._comparisons, self._kills, *self._rows, wrong)

    def _follow(self, store: TraceStore, other: Other, kill: bool) -> None:
        chance = self._random.random()
        if kill:
            self._kill()
            self._doomed = Other("refresh", self.files.layers, self._cache, self._quiet)
        elif self._doomed and chance < 0.04:
            self._kill()
        if chance < 0.15:
            if other.asked:
                other.answer()
            other.ask("refresh")
        if chance < 0.30:  # often while the other one still refreshes
            store.refresh()
        elif chance < 0.35:
            time.sleep(self._random.random() * 0.02)

    def _kill(self) -> None:
        if self._doomed is not None:
            self._doomed.kill()
            self._doomed = None
            self._kills += 1

    def _compare(self, store: TraceStore, other: Other) -> list[str]:
        self._kill()
        self.files.unlock()
        time.sleep(self._quiet + 0.02)
        self._comparisons += 1
        if other.asked:
            other.answer()
        store.refresh()
        wrong = [f"itself: {line}" for line in contradictions(store)]
        here = answers(store)
        other.ask("answers")
        there = other.answer()
        cache = self._folder / f"fresh{self._comparisons}"
        with TraceStore.open(list(self.files.layers), cache=cache) as fresh:
            expected = answers(fresh)
            self._rows = (len(expected["traces"]), len(expected["problems"]))
            if fresh.notices or store.notices:
                wrong.append(f"notices: {fresh.notices} {store.notices}")
        wrong += [f"here: {line}" for line in differences(expected, here)]
        wrong += [f"there: {line}" for line in differences(expected, there)]
        wrong += damage(self._cache) + damage(cache)
        shutil.rmtree(cache)
        return wrong


if __name__ == "__main__":
    _other(*sys.argv[1:])
