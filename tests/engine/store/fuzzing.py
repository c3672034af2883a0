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
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from engine.store import TraceStore
from tests.engine.store.fuzz_answers import Answers, answers, contradictions, damage, differences
from tests.engine.store.fuzz_files import Files

ROOT = Path(__file__).resolve().parents[3]
QUICK = 0.06
"""Seconds that a file must have been quiet in most runs; long enough for a clock of 4 ms ticks."""
USUAL = 2.0
"""The same as the store has it outside of tests."""
ONE_BY_ONE = {"BULK_FILES": 1_000_000}
"""No large loads."""
LARGE = {"BULK_FILES": 1}
"""Every load into an empty index is a large one."""
BESIDE = {"BULK_FILES": 1, "WORTH_WORKERS": 0, "INDEXER_BYTES": 1}
"""All that is read is read by an indexer with processes of its own."""

# -- numbers of the store


def set_quiet(seconds: float) -> None:
    """Let files count as quiet after ``seconds``, in this process."""
    _set({"QUIET_SECONDS": seconds})


@contextlib.contextmanager
def limits(values: Mapping[str, float]) -> Iterator[None]:
    """Give numbers of the store other values, so that small datasets take the ways of large ones.

    A number that the store does not have (any more) is passed over.
    """
    former = _set(values)
    try:
        yield
    finally:
        _set(former)


def _set(values: Mapping[str, float]) -> dict[str, float]:
    former = {}
    for name, module in list(sys.modules.items()):
        for key in values:
            if name.startswith("engine.store") and hasattr(module, key):
                former[key] = getattr(module, key)
                vars(module)[key] = values[key]
    return former


# -- other processes


class Other:
    """A store in another process.

    Args:
        role: "serve" to answer, "refresh" to refresh without end.
        layers: The dataset.
        cache: Where its index is.
        values: As for :func:`limits`.
    """

    def __init__(
        self, role: str, layers: list[Path], cache: Path, values: Mapping[str, float]
    ) -> None:
        texts = [role, json.dumps(values), str(cache), *map(str, layers)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *texts],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
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
        for process in [self._process.pid, *_descendants(self._process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            _close(stream)


def _descendants(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
        for child in map(int, text.split()):
            found += [child, *_descendants(child)]
    return found


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()


def _other(role: str, values: str, cache: str, *layers: str) -> None:
    _set(json.loads(values))
    # The one that serves is kept in step as a screen is, which never waits for an indexer.
    with TraceStore.open(list(layers), cache=cache, wait=role == "refresh") as store:
        print(json.dumps("open"), flush=True)
        while role == "refresh":
            store.refresh()
        for line in sys.stdin:
            store.refresh()
            while store.indexing:
                time.sleep(0.005)
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
        # Processes of the store's own know only the usual seconds.
        self._ways = [ONE_BY_ONE, LARGE] if quiet < USUAL else [ONE_BY_ONE, BESIDE]
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
        other = self._start("serve", self._cache, self._ways[-1])
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
            self._doomed = self._start("refresh", self._cache, self._random.choice(self._ways))
        if chance < 0.15:
            if other.asked:
                other.answer()
            other.ask("refresh")
        if chance < 0.20:  # often while the other one still refreshes
            store.refresh()
        elif chance < 0.32:
            store.refresh(self.files.some())
        elif chance < 0.37:
            time.sleep(self._random.random() * 0.02)

    def _start(self, role: str, cache: Path, values: Mapping[str, float]) -> Other:
        return Other(role, self.files.layers, cache, {"QUIET_SECONDS": self._quiet, **values})

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
        expected = self._fresh(ONE_BY_ONE)
        self._rows = (len(expected["traces"]), len(expected["problems"]))
        for name, found in [
            ("here", here),
            ("there", there),
            ("made at once", self._fresh(self._ways[-1])),
            ("cut short", self._cut_short()),
        ]:
            wrong += [f"{name}: {line}" for line in differences(expected, found)]
        return wrong + store.notices + damage(self._cache)

    def _fresh(self, values: Mapping[str, float]) -> Answers:
        """The answers on an index that did not exist before."""
        cache = self._folder / "fresh"
        with limits(values), TraceStore.open(list(self.files.layers), cache=cache) as store:
            found = answers(store)
            found["notices"] = store.notices
        found["damage"] = damage(cache)
        shutil.rmtree(cache, ignore_errors=True)  # an indexer that lost its parent may end later
        return found

    def _cut_short(self) -> Answers:
        """The answers on an index whose first process was killed while it made it."""
        cache = self._folder / f"cut{self._comparisons}"
        doomed = self._start("refresh", cache, self._random.choice(self._ways))
        deadline = time.monotonic() + 20
        while not list(cache.glob("*.db")) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(self._random.random() * 0.06)
        doomed.kill()
        self._kills += 1
        with TraceStore.open(list(self.files.layers), cache=cache) as store:
            found = answers(store)
        found["damage"] = damage(cache)
        shutil.rmtree(cache, ignore_errors=True)
        return found


if __name__ == "__main__":
    _other(*sys.argv[1:])
