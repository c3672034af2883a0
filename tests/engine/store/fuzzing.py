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
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from engine.store import TraceStore
from tests.engine.store.fuzz_files import Files

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
    for name in found:
        wanted, got = Counter(expected.get(name, [])), Counter(found[name])
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
        if kill and self._doomed:
            self._doomed.answer()  # it is open, and has refreshed ever since
            self._kill()
        if kill:
            self._doomed = Other("refresh", self.files.layers, self._cache, self._quiet)
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
        cut = self._cut_short()
        cache = self._folder / f"fresh{self._comparisons}"
        with TraceStore.open(list(self.files.layers), cache=cache) as fresh:
            expected = answers(fresh)
            self._rows = (len(expected["traces"]), len(expected["problems"]))
            if fresh.notices or store.notices:
                wrong.append(f"notices: {fresh.notices} {store.notices}")
        wrong += [f"here: {line}" for line in differences(expected, here)]
        wrong += [f"there: {line}" for line in differences(expected, there)]
        wrong += [f"cut short: {line}" for line in differences(expected, cut)]
        wrong += damage(self._cache) + damage(cache)
        shutil.rmtree(cache)
        return wrong

    def _cut_short(self) -> Answers:
        """The answers on an index whose first process was killed while it made it."""
        cache = self._folder / f"cut{self._comparisons}"
        doomed = Other("refresh", self.files.layers, cache, self._quiet)
        deadline = time.monotonic() + 20
        while not list(cache.glob("*.db")) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(self._random.random() * 0.06)
        doomed.kill()
        self._kills += 1
        with TraceStore.open(list(self.files.layers), cache=cache) as store:
            found = answers(store)
            found["damage"] = damage(cache)
        shutil.rmtree(cache)
        return found


if __name__ == "__main__":
    _other(*sys.argv[1:])
