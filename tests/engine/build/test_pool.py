"""One pool for many runs: a build is made once, and given up only when nobody wants it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.build import pool as module
from engine.build.build_log import BuildLog
from engine.build.compiler import (
    Compiled,
    CompileFailed,
    CompileKilled,
    CompileStopped,
    CompileTimedOut,
    DependencyMissing,
)
from engine.build.layout import CannotBuild
from engine.build.pool import BuildPool
from engine.schema import BuildSpec, Language, Solution, SourceFile

SECONDS = 10.0


def solution(name: str = "a", language: Language = Language.CPP, *needs: str) -> Solution:
    return Solution(
        name=name,
        definition="d",
        author="a",
        spec=BuildSpec(
            language=language,
            target_hardware=["cpu"],
            entry_point="a.cc::run",
            dependencies=list(needs),
        ),
        sources=[SourceFile(path="a.cc", content=name)],
    )


class Run:
    """Somebody who wants builds, until it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    def stop(self) -> bool:
        return self.cancelled


class Compilers:
    """Stands in for ``compile_solution``: builds until a test says how it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun: list[str] = []
        self.stopped: list[str] = []
        self.go = threading.Event()
        self.ends: dict[str, Callable[[], Exception]] = {}

    def __call__(
        self,
        solution: Solution,
        *,
        architecture: str,
        limit_s: float,
        stop: Callable[[], bool],
        cache: Path | None,
        log: BuildLog,
    ) -> Compiled:
        self.begun.append(solution.name)
        log.write("a.cc", f"building {solution.name}\n")
        deadline = time.monotonic() + limit_s
        while not self.go.wait(0.01):
            if stop():
                self.stopped.append(solution.name)
                raise CompileStopped("stopped", "")
            if time.monotonic() > deadline:
                raise CompileTimedOut("late", "")
        if solution.name in self.ends:
            raise self.ends[solution.name]()
        library = self.folder / f"{solution.name}.so"
        library.touch()
        return Compiled(library=library, cached=False, seconds=0.1, log=log.text())

    def wait(self, count: int) -> None:
        """Until so many builds have begun."""
        deadline = time.monotonic() + SECONDS
        while len(self.begun) < count and time.monotonic() < deadline:
            time.sleep(0.005)
        assert len(self.begun) == count


@pytest.fixture
def compilers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compilers:
    made = Compilers(tmp_path)
    monkeypatch.setattr(module, "compile_solution", made)
    return made


@pytest.fixture
def pool(compilers: Compilers, tmp_path: Path) -> Iterator[BuildPool]:
    made = BuildPool(2, tmp_path / "cache")
    yield made
    made.close()


@pytest.fixture
def asking() -> Iterator[Callable[..., Any]]:
    """Ask in a thread of its own."""
    with ThreadPoolExecutor(16) as threads:
        yield threads.submit


def ask(pool: BuildPool, what: Solution, run: Run, limit_s: float = SECONDS) -> module.Built:
    return pool.result(what, "90", limit_s=limit_s, stop=run.stop)


def test_a_build_begins_ahead_and_is_ready_when_it_is_there(
    pool: BuildPool, compilers: Compilers, tmp_path: Path
) -> None:
    run = Run()
    assert pool.ready(solution(), "90")  # nobody builds it: there is nothing to wait for
    pool.start(solution(), "90", limit_s=SECONDS, stop=run.stop)
    compilers.wait(1)
    assert not pool.ready(solution(), "90")
    assert pool.ready(solution(), "80")
    compilers.go.set()
    built = ask(pool, solution(), run)
    assert built.library == tmp_path / "a.so"
    assert built.log == "== a.cc\nbuilding a\n"
    assert pool.ready(solution(), "90")
    assert compilers.begun == ["a"]


def test_many_threads_and_runs_get_one_build(
    pool: BuildPool, compilers: Compilers, asking: Callable[..., Any]
) -> None:
    answers = [asking(ask, pool, solution(), Run()) for _ in range(12)]
    compilers.wait(1)
    compilers.go.set()
    assert len({answer.result(SECONDS).library for answer in answers}) == 1
    assert compilers.begun == ["a"]


def test_a_cancelled_run_is_released_and_the_other_gets_its_build(
    pool: BuildPool, compilers: Compilers, asking: Callable[..., Any]
) -> None:
    first, second = Run(), Run()
    one, two = (asking(ask, pool, solution(), run) for run in (first, second))
    compilers.wait(1)
    first.cancelled = True
    with pytest.raises(CompileStopped):
        one.result(SECONDS)
    time.sleep(0.1)
    assert compilers.stopped == []
    compilers.go.set()
    assert two.result(SECONDS).library is not None
    assert compilers.begun == ["a"]


def test_it_is_given_up_when_nobody_wants_it_and_built_again_for_the_next(
    pool: BuildPool, compilers: Compilers, asking: Callable[..., Any]
) -> None:
    runs = [Run(), Run()]
    for run in runs:
        pool.start(solution(), "90", limit_s=SECONDS, stop=run.stop)
    compilers.wait(1)
    for run in runs:
        run.cancelled = True
    deadline = time.monotonic() + SECONDS
    while not pool.ready(solution(), "90") and time.monotonic() < deadline:
        time.sleep(0.005)
    assert compilers.stopped == ["a"]
    third = asking(ask, pool, solution(), Run())
    compilers.wait(2)
    compilers.go.set()
    assert third.result(SECONDS).library is not None


def test_who_joins_too_late_to_save_a_build_has_it_built_again(
    pool: BuildPool, compilers: Compilers, asking: Callable[..., Any]
) -> None:
    compilers.ends["a"] = lambda: CompileStopped("stopped", "")
    answer = asking(ask, pool, solution(), Run())
    compilers.wait(1)
    compilers.go.set()
    deadline = time.monotonic() + SECONDS
    while len(compilers.begun) < 2 and time.monotonic() < deadline:
        time.sleep(0.001)
    del compilers.ends["a"]
    assert answer.result(SECONDS).library is not None


def test_an_error_in_the_sources_is_kept(pool: BuildPool, compilers: Compilers) -> None:
    compilers.go.set()
    compilers.ends["a"] = lambda: CompileFailed("a.cc:1: error: no", "all of it")
    for _ in range(3):
        with pytest.raises(CompileFailed) as caught:
            ask(pool, solution(), Run())
        assert (caught.value.reason, caught.value.log) == ("a.cc:1: error: no", "all of it")
    assert compilers.begun == ["a"]


@pytest.mark.parametrize(
    "problem",
    [
        CompileKilled("killed", ""),
        CompileTimedOut("late", ""),
        DependencyMissing("gone", ""),
        CannotBuild("no compiler"),
        OSError("disk"),
        ZeroDivisionError("a bug"),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_other_failures_are_one_runs_answer_but_not_the_next_ones(
    pool: BuildPool, compilers: Compilers, problem: Exception
) -> None:
    compilers.go.set()
    compilers.ends["a"] = lambda: problem
    run = Run()
    for _ in range(2):
        with pytest.raises(type(problem), match=str(problem)):
            ask(pool, solution(), run)
    assert compilers.begun == ["a"]
    del compilers.ends["a"]
    assert ask(pool, solution(), Run()).library is not None


def test_who_has_more_time_is_not_failed_by_who_had_less(
    pool: BuildPool, compilers: Compilers, asking: Callable[..., Any]
) -> None:
    hasty = asking(ask, pool, solution(), Run(), 0.3)
    compilers.wait(1)
    patient = asking(ask, pool, solution(), Run())
    with pytest.raises(CompileTimedOut):
        hasty.result(SECONDS)
    compilers.wait(2)
    compilers.go.set()
    assert patient.result(SECONDS).library is not None


def test_what_is_waited_for_goes_first(
    compilers: Compilers, asking: Callable[..., Any], tmp_path: Path
) -> None:
    pool = BuildPool(1, tmp_path)
    run = Run()
    for name in "abcdefgh":
        pool.start(solution(name), "90", limit_s=SECONDS, stop=run.stop)
    compilers.wait(1)
    answer = asking(ask, pool, solution("g"), Run())
    time.sleep(0.1)
    compilers.go.set()
    answer.result(SECONDS)
    compilers.wait(8)
    assert compilers.begun[:2] == ["a", "g"]
    pool.close()


def test_the_logs_of_all_who_ask_grow(
    pool: BuildPool, compilers: Compilers, tmp_path: Path
) -> None:
    logs = [tmp_path / f"log{number}" for number in range(3)]
    run = Run()
    for log in (logs[0], logs[1], logs[1]):
        pool.start(solution(), "90", limit_s=SECONDS, stop=run.stop, log=log)
        compilers.wait(1)
    assert logs[0].read_text() == logs[1].read_text() == "== a.cc\nbuilding a\n"
    compilers.go.set()
    for log in logs:
        for _ in range(2):
            pool.result(solution(), "90", limit_s=SECONDS, stop=run.stop, log=log)
        assert log.read_text() == "== a.cc\nbuilding a\n"


def test_a_library_that_was_removed_is_built_again(pool: BuildPool, compilers: Compilers) -> None:
    compilers.go.set()
    library = ask(pool, solution(), Run()).library
    assert library is not None
    library.unlink()
    assert ask(pool, solution(), Run()).library == library
    assert library.exists()


def test_old_results_are_forgotten_and_new_ones_kept(pool: BuildPool, compilers: Compilers) -> None:
    compilers.go.set()
    for name in "abcd":
        ask(pool, solution(name), Run())
    ask(pool, solution("a"), Run())
    pool.forget(2)
    for name in "ad":
        ask(pool, solution(name), Run())
    assert compilers.begun == ["a", "b", "c", "d"]
    ask(pool, solution("b"), Run())
    assert compilers.begun[-1] == "b"


def test_much_text_is_forgotten_before_its_time(
    pool: BuildPool, compilers: Compilers, monkeypatch: pytest.MonkeyPatch
) -> None:
    compilers.go.set()
    monkeypatch.setattr(module, "_MOST_TEXT", 100)
    for name in "abcd":
        compilers.ends[name] = lambda: CompileFailed("no", "x" * 60)
        with pytest.raises(CompileFailed):
            ask(pool, solution(name), Run())
    assert len(pool._builds) == 1


def test_closing_ends_what_is_built_and_what_is_waited_for(
    compilers: Compilers, asking: Callable[..., Any], tmp_path: Path
) -> None:
    pool = BuildPool(1, tmp_path)
    answers = [asking(ask, pool, solution(name), Run()) for name in "abc"]
    compilers.wait(1)
    pool.close()
    for answer in answers:
        with pytest.raises(CompileStopped):
            answer.result(SECONDS)
    pool.start(solution("d"), "90", limit_s=SECONDS, stop=Run().stop)
    with pytest.raises(CompileStopped):
        ask(pool, solution("d"), Run())
    assert len(compilers.begun) == 1


@pytest.mark.parametrize("language", [Language.PYTHON, Language.TRITON, Language.TILELANG])
def test_what_is_not_compiled_has_its_dependencies_checked(
    pool: BuildPool, compilers: Compilers, language: Language
) -> None:
    fine = solution("a", language, "numpy")
    pool.start(fine, "90", limit_s=SECONDS, stop=Run().stop)
    assert pool.ready(fine, "90")
    assert ask(pool, fine, Run()).library is None
    with pytest.raises(DependencyMissing, match="no-such-package is not installed"):
        ask(pool, solution("b", language, "no-such-package"), Run())
    assert compilers.begun == []


def test_the_cache_is_trimmed_now_and_then(
    pool: BuildPool, compilers: Compilers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trimmed: list[Path | None] = []
    monkeypatch.setattr(module, "trim", trimmed.append)
    monkeypatch.setattr(module, "_TRIM_S", 0.0)
    compilers.go.set()
    ask(pool, solution(), Run())
    pool.close()
    assert trimmed == [tmp_path / "cache"]
