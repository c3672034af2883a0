"""Builds ahead of their evaluations: on the CPU, in parallel, holding no device."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from engine.build.compiler import COMPILED, Compiled, compile_solution
from engine.schema import Solution


class BuildPool:
    """Compiles the solutions of a run.

    Args:
        limit_s: Seconds that one build may take.
        stop: True once the run is cancelled.
    """

    def __init__(self, limit_s: float, stop: Callable[[], bool]) -> None:
        self._limit_s = limit_s
        self._stop = stop
        # A build uses a compiler per source file; half the processors keep it from thrashing.
        workers = max(1, len(os.sched_getaffinity(0)) // 2)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="build")
        self._builds: dict[tuple[str, str], Future[Compiled]] = {}

    def start(self, solutions: Iterable[Solution], architecture: str) -> None:
        """Begin to build what has to be compiled, for a GPU's architecture."""
        for solution in solutions:
            if solution.spec.language in COMPILED:
                self._submit(solution, architecture)

    def result(self, solution: Solution, architecture: str) -> Compiled:
        """The library of a solution; waits for it.

        Raises:
            CannotBuild: A compiler or package is missing.
            CompileFailed: The sources are wrong.
            CompileTimedOut: It took too long, or the run was cancelled.
            OSError: The cache cannot be written.
        """
        return self._submit(solution, architecture).result()

    def _submit(self, solution: Solution, architecture: str) -> Future[Compiled]:
        key = (solution.content_hash(), architecture)
        if key not in self._builds:
            self._builds[key] = self._threads.submit(
                compile_solution,
                solution,
                architecture=architecture,
                limit_s=self._limit_s,
                stop=self._stop,
            )
        return self._builds[key]

    def close(self) -> None:
        """Give up what has not begun."""
        self._threads.shutdown(wait=True, cancel_futures=True)
