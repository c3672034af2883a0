"""Everything that is made of a solution before a device is needed for it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from engine.build.compiler import COMPILED
from engine.build.layout import CannotBuild, check_buildable
from engine.build.pool import BuildPool, Built
from engine.run import ahead
from engine.run.active import ActiveRun
from engine.run.ahead import Ahead
from engine.run.devices import Device
from engine.run.process import Cancelled
from engine.run.report import NotKept
from engine.run.schedule import Unit
from engine.schema.names import Language
from engine.schema.run import Kind

AHEAD_LIMIT_S = 60.0
"""Seconds for compiling a Triton solution ahead; what is missing is compiled at its first call."""


class _Build(Struct, kw_only=True, eq=False):
    """What is made of one unit for one kind of device; ``future`` once it has begun."""

    run: ActiveRun
    unit: Unit
    device: Device
    future: Future[ahead.Compiled | None] | None = None


class Builds:
    """Compiles for all runs, in the background; any thread may ask.

    Only as many builds are begun as can be at work, so that those of a run that goes first do too.

    Args:
        scratch: Folder for private folders of children.
    """

    def __init__(self, scratch: Path) -> None:
        self._pool = BuildPool()
        self._ahead = Ahead(scratch)
        self._most = len(os.sched_getaffinity(0))
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="ahead of a device")
        self._builds: dict[tuple[int, str], _Build] = {}
        self._lock = threading.Lock()

    def want(self, run: ActiveRun, unit: Unit, device: Device) -> None:
        """Have what a unit needs on a device made, in the order of the runs."""
        language = unit.solution.spec.language
        ahead_too = language is Language.TRITON and bool(device.capability)
        if language not in COMPILED and not ahead_too:
            return
        with suppress(CannotBuild):  # said when its turn comes
            check_buildable(unit.solution, device.name)
            with self._lock:
                build = _Build(run=run, unit=unit, device=device)
                self._builds.setdefault((id(unit), device.capability), build)

    def pump(self) -> None:
        """Begin what there is room for; to be called all the time."""
        with self._lock:
            begun = [one.future for one in self._builds.values() if one.future is not None]
            room = self._most - sum(not future.done() for future in begun)
            if room <= 0 or len(begun) == len(self._builds):
                return
            # A run is asked once, not for each of its builds: its answers are in files.
            waiting: dict[ActiveRun, list[_Build]] = {}
            for build in self._builds.values():
                if build.future is None:
                    waiting.setdefault(build.run, []).append(build)
            runs = [run for run in waiting if not (run.stop() or run.paused())]
            runs.sort(key=lambda run: run.order)
            for build in [build for run in runs for build in waiting[run]][:room]:
                build.future = self._threads.submit(self._make, build)

    def _make(self, build: _Build) -> ahead.Compiled | None:
        """Compile; what goes wrong with that is found again when the unit is taken."""
        run, unit, device = build.run, build.unit, build.device
        if unit.solution.spec.language in COMPILED:
            with suppress(NotKept):
                where = str(self._log_file(run, unit).relative_to(run.folder.path))
                evaluation = unit.cells[0].evaluation
                run.reporter.event(Kind.NOTICE, evaluation, message="compiling", log=where)
            with suppress(Exception):
                self._result(run, unit, device)
            return None
        try:
            return self._ahead.compile(
                unit.solution,
                unit.part.definition,
                [cell.workload for cell in unit.cells],
                device.capability,
                limit_s=AHEAD_LIMIT_S,
                stop=run.stop,
            )
        except Cancelled:
            return None

    def _result(self, run: ActiveRun, unit: Unit, device: Device) -> Built:
        return self._pool.result(
            unit.solution,
            device.capability,
            limit_s=run.request.settings.build_limit_s,
            stop=run.stop,
            log=self._log_file(run, unit),
        )

    def _log_file(self, run: ActiveRun, unit: Unit) -> Path:
        """What compilers say about a unit, as they speak."""
        return run.folder.logs / f"build-{unit.solution.content_hash()}.txt"

    def ready(self, unit: Unit, device: Device) -> bool:
        """True if a unit need not wait for anything that is made of it."""
        build = self._builds.get((id(unit), device.capability))
        return build is None or (build.future is not None and build.future.done())

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
        build = self._builds.get((id(unit), device.capability))
        if build is not None and build.future is not None:
            compiled = build.future.result()
            if compiled is not None:
                ahead.install(compiled, folder)
        built = self._result(run, unit, device)
        if run.stop():
            raise Cancelled
        return built

    def forget(self, run: ActiveRun) -> None:
        """The run has ended."""
        with self._lock:
            kept = {key: one for key, one in self._builds.items() if one.run is not run}
            self._builds = kept

    def close(self) -> None:
        """Give up what has not begun, and wait for the rest."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._ahead.close()
        self._pool.close()
