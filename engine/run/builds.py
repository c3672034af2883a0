"""Everything that is made of a solution before a device is needed for it."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from engine.build.compiler import COMPILED
from engine.build.layout import CannotBuild, check_buildable
from engine.build.pool import BuildPool, Built
from engine.run import ahead
from engine.run.active import ActiveRun
from engine.run.ahead import Ahead
from engine.run.devices import Device
from engine.run.process import Cancelled
from engine.run.schedule import Unit
from engine.schema.names import Language
from engine.schema.run import Kind

AHEAD_LIMIT_S = 60.0
"""Seconds for compiling a Triton solution ahead; what is missing is compiled at its first call."""


class Builds:
    """Compiles for all runs, in the background; any thread may ask.

    Args:
        scratch: Folder for private folders of children.
    """

    def __init__(self, scratch: Path) -> None:
        self._pool = BuildPool()
        self._ahead = Ahead(scratch)
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "ahead of a device")

    def start(self, run: ActiveRun, unit: Unit, device: Device) -> None:
        """Begin with what a unit will need on a device.

        Raises:
            NotKept: The run's events cannot be written.
        """
        try:
            check_buildable(unit.solution, device.name)
        except CannotBuild:
            return  # said when its turn comes
        log = self.log_file(run, unit)
        if unit.solution.spec.language in COMPILED:
            where = str(log.relative_to(run.folder.path))
            evaluation = unit.cells[0].evaluation
            run.reporter.event(Kind.BUILDING, evaluation, message="compiling", log=where)
        self._pool.start(
            unit.solution,
            device.capability,
            limit_s=run.request.settings.build_limit_s,
            stop=run.stop,
            log=log,
        )
        capability = device.capability
        triton = unit.solution.spec.language is Language.TRITON
        if triton and capability and capability not in unit.ahead:
            unit.ahead[capability] = self._threads.submit(
                self._ahead.compile,
                unit.solution,
                unit.part.definition,
                [cell.workload for cell in unit.cells],
                capability,
                limit_s=AHEAD_LIMIT_S,
                stop=run.stop,
            )

    def log_file(self, run: ActiveRun, unit: Unit) -> Path:
        """What compilers say about a unit, as they speak."""
        return run.folder.logs / f"build-{unit.solution.content_hash()}.txt"

    def ready(self, unit: Unit, device: Device) -> bool:
        """True if a unit need not wait any more for what was begun."""
        future: Future[ahead.Compiled] | None = unit.ahead.get(device.capability)
        built = self._pool.ready(unit.solution, device.capability)
        return built and (future is None or future.done())

    def take(self, run: ActiveRun, unit: Unit, device: Device, folder: Path) -> Built:
        """What the unit is to be loaded from; its compiled kernels are put where they are found.

        Args:
            run: Of the unit.
            unit: With its solution.
            device: Where it will run.
            folder: Private folder of the child that will run it.

        Raises:
            CannotBuild: As ``BuildPool.result``; likewise the other exceptions of that.
            Cancelled: The run was.
            OSError: The folder cannot be written.
        """
        future: Future[ahead.Compiled] | None = unit.ahead.get(device.capability)
        if future is not None:
            ahead.install(future.result(), folder)
        built = self._pool.result(
            unit.solution,
            device.capability,
            limit_s=run.request.settings.build_limit_s,
            stop=run.stop,
            log=self.log_file(run, unit),
        )
        if run.stop():
            raise Cancelled
        return built

    def close(self) -> None:
        """Give up what has not begun, and wait for the rest."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._ahead.close()
        self._pool.close()
