"""Builds ahead of their evaluations: on the CPU, in parallel, holding no device.

One pool serves all the runs of a runner. A build that several of them ask for is made once, and
given up only when all of them have been cancelled.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from engine.build.build_log import BuildLog
from engine.build.cache import trim
from engine.build.compiler import (
    COMPILED,
    Compiled,
    CompileFailed,
    CompileStopped,
    CompileTimedOut,
    check_dependencies,
    compile_solution,
)
from engine.schema import Solution

MOST_RESULTS = 4096
_MOST_TEXT = 64 << 20
_LOOK_S = 0.05
_TRIM_S = 3600.0

Stop = Callable[[], bool]


class Built(Struct, kw_only=True, frozen=True):
    """A solution that is ready to be loaded.

    Args:
        library: Its library, never to be changed; None where there is nothing to compile.
        cached: It was there already.
        seconds: That it took to build or find.
        log: What the compilers said.
    """

    library: Path | None
    cached: bool
    seconds: float
    log: str


class _Build:
    """One build, wanted by one or more."""

    def __init__(self, solution: Solution, architecture: str, limit_s: float) -> None:
        self.solution: Solution | None = solution
        self.architecture = architecture
        self.limit_s = limit_s
        self.stops: list[Stop] = []
        self.log = BuildLog()
        self.begun = False
        self.waiting = 0
        self.done = threading.Event()
        self.outcome: Compiled | Exception | None = None

    def answers(self, stop: Stop, limit_s: float) -> bool:
        """Whether its outcome is one for somebody who asks now."""
        outcome = self.outcome
        if isinstance(outcome, Compiled):
            return outcome.library.is_file()
        if isinstance(outcome, CompileStopped):
            return False
        if isinstance(outcome, CompileTimedOut) and self.limit_s < limit_s:
            return False
        # Errors in the sources stay; others may be gone the next time, but not for the same run.
        return type(outcome) is CompileFailed or stop in self.stops


class BuildPool:
    """Compiles solutions for all who ask; may be called from any thread.

    Args:
        workers: How many builds at once; by the number of processors where None.
        cache: Folder of libraries; the user's where None.
    """

    def __init__(self, workers: int | None = None, cache: Path | None = None) -> None:
        # A build uses a compiler per source file; half the processors keep it from thrashing.
        workers = workers or max(1, len(os.sched_getaffinity(0)) // 2)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="build")
        self._cache = cache
        self._lock = threading.Lock()
        self._builds: OrderedDict[tuple[str, str], _Build] = OrderedDict()
        self._queue: list[_Build] = []
        self._closed = False
        self._trimmed = time.monotonic()

    def start(
        self,
        solution: Solution,
        architecture: str,
        *,
        limit_s: float,
        stop: Stop,
        log: Path | None = None,
    ) -> None:
        """Begin to build a solution, if it has to be.

        Args:
            solution: Of any language.
            architecture: Compute capability without the dot ("90"), or "" without a GPU.
            limit_s: Seconds for the build, from when it has its turn.
            stop: True once the caller does not want it any more. The same callable stands for the
                same run: a run gets one answer about a solution, also where the next run would
                have it built again.
            log: Grows while the compilers speak.
        """
        if solution.spec.language in COMPILED:
            with suppress(CompileStopped):  # the pool is closed; who waits will be told
                self._join(solution, architecture, limit_s, stop, log)

    def ready(self, solution: Solution, architecture: str) -> bool:
        """False while a build that was started is under way, or waits for its turn."""
        with self._lock:
            build = self._builds.get((solution.content_hash(), architecture))
        return build is None or build.done.is_set()

    def result(
        self,
        solution: Solution,
        architecture: str,
        *,
        limit_s: float,
        stop: Stop,
        log: Path | None = None,
    ) -> Built:
        """A solution that is built; waits for it, and begins it where nobody has.

        Args:
            solution: Of any language.
            architecture: As for ``start``; so are the others.

        Raises:
            CannotBuild: A compiler or package is missing.
            CompileFailed: The sources are wrong, or need too much memory.
            DependencyMissing: Something that the solution says it needs is not here.
            CompileTimedOut: It took too long.
            CompileStopped: The caller's ``stop`` said so, or the pool is closed.
            CompileKilled: Somebody killed the compilers.
            OSError: The cache cannot be written, or no compiler can be started.
        """
        if solution.spec.language not in COMPILED:
            began = time.monotonic()
            check_dependencies(solution)
            return Built(library=None, cached=True, seconds=time.monotonic() - began, log="")
        while True:
            if stop():
                raise CompileStopped("the build was stopped", "")
            build = self._join(solution, architecture, limit_s, stop, log)
            with self._wanted(build):
                while not build.done.wait(_LOOK_S):
                    if stop():
                        raise CompileStopped("the build was stopped", "")
            if isinstance(build.outcome, Compiled):
                return Built(
                    library=build.outcome.library,
                    cached=build.outcome.cached,
                    seconds=build.outcome.seconds,
                    log=build.outcome.log,
                )
            if build.answers(stop, limit_s):
                raise _again(build.outcome)
            # Others had given it up, or had less time for it than we have.

    @contextmanager
    def _wanted(self, build: _Build) -> Iterator[None]:
        """While somebody waits for a build, it goes before those that nobody waits for."""
        with self._lock:
            build.waiting += 1
        try:
            yield
        finally:
            with self._lock:
                build.waiting -= 1

    def _join(
        self,
        solution: Solution,
        architecture: str,
        limit_s: float,
        stop: Stop,
        log: Path | None,
    ) -> _Build:
        key = (solution.content_hash(), architecture)
        with self._lock:
            if self._closed:
                raise CompileStopped("the build was stopped", "")
            build = self._builds.get(key)
            if build is None or (build.done.is_set() and not build.answers(stop, limit_s)):
                build = self._builds[key] = _Build(solution, architecture, limit_s)
                self._queue.append(build)
                self._threads.submit(self._work)
            self._builds.move_to_end(key)
            if not build.begun:
                build.limit_s = max(build.limit_s, limit_s)
            if not build.done.is_set() and stop not in build.stops:
                build.stops.append(stop)
            if log is not None:
                build.log.attach(log)
            return build

    def _work(self) -> None:
        """Make the build that is wanted most; there is one call of this for each that is queued."""
        with self._lock:
            if self._closed:
                return
            build = next((item for item in self._queue if item.waiting), self._queue[0])
            self._queue.remove(build)
            build.begun = True
        assert build.solution is not None
        outcome: Compiled | Exception
        try:
            outcome = compile_solution(
                build.solution,
                architecture=build.architecture,
                limit_s=build.limit_s,
                stop=lambda: self._closed or all(stop() for stop in tuple(build.stops)),
                cache=self._cache,
                log=build.log,
            )
        except Exception as error:
            outcome = error
        with self._lock:
            self._finish(build, outcome)
            due = time.monotonic() - self._trimmed > _TRIM_S
            if due:
                self._trimmed = time.monotonic()
        self.forget()
        if due:
            trim(self._cache)

    def _finish(self, build: _Build, outcome: Compiled | Exception) -> None:
        build.outcome = outcome
        build.solution = None
        if isinstance(outcome, Exception):
            outcome.__traceback__ = outcome.__context__ = None
        if isinstance(outcome, Compiled) or type(outcome) is CompileFailed:
            build.stops.clear()  # it is the answer for everybody
        build.log.close(_text(outcome))
        build.done.set()

    def forget(self, most: int = MOST_RESULTS) -> None:
        """Forget the results that nobody has asked for for longest, but ``most`` of them."""
        with self._lock:
            done = [(key, item) for key, item in self._builds.items() if item.done.is_set()]
            text = sum(len(_text(item.outcome)) for _, item in done)
            extra = len(done) - most
            for number, (key, item) in enumerate(done):
                if number >= extra and text <= _MOST_TEXT:
                    break
                text -= len(_text(item.outcome))
                del self._builds[key]

    def close(self) -> None:
        """Give up what is not built; who waits for it is told that it was stopped."""
        with self._lock:
            self._closed = True
            for build in self._queue:
                self._finish(build, CompileStopped("the build was stopped", ""))
            self._queue.clear()
        self._threads.shutdown(wait=True, cancel_futures=True)


def _text(outcome: Compiled | Exception | None) -> str:
    return outcome.log if isinstance(outcome, (Compiled, CompileFailed)) else ""


def _again(outcome: Exception | Compiled | None) -> Exception:
    """An exception that many may raise, without the traces of those who did before."""
    if isinstance(outcome, CompileFailed):
        return type(outcome)(outcome.reason, outcome.log)
    assert isinstance(outcome, Exception)
    return outcome.with_traceback(None)
