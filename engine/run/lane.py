"""A lane: one device, its fork server, and the evaluations made on it one after another."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from engine.build.pool import BuildPool
from engine.run.devices import Device, DeviceLock
from engine.run.estimate import CallTimes
from engine.run.plan import Job, Task
from engine.run.process import Cancelled, Server
from engine.run.reference import Reference
from engine.run.report import Reporter
from engine.run.solution_run import Bench, SolutionRun
from engine.schema.run import Kind, Request


class Lane:
    """Runs jobs on one device.

    Args:
        device: Where.
        request: Of the run.
        scratch: Folder for private folders of children.
        reporter: Takes events, traces, samples and logs.
        blobs: Finds the real file of a workload's blob path.
        stop: True once the run is cancelled.
        builds: Compiles what has to be compiled.
        spawn: Start fresh interpreters instead of forking.
    """

    def __init__(
        self,
        device: Device,
        request: Request,
        scratch: Path,
        reporter: Reporter,
        blobs: Callable[[str], Path],
        stop: Callable[[], bool],
        builds: BuildPool,
        spawn: bool = False,
    ) -> None:
        self._scratch = scratch
        self._blobs = blobs
        self._lock = DeviceLock(device)
        scratch.mkdir(parents=True, exist_ok=True)
        server = Server(device, scratch, spawn=spawn)
        self._bench = Bench(
            device=device,
            server=server,
            settings=request.settings,
            reporter=reporter,
            builds=builds,
            stop=stop,
        )
        if not server.ready.clean:
            reporter.notice(
                f"{device.name}: forking is not safe here ({server.ready.reason}); "
                "a fresh interpreter is started for every solution"
            )

    def close(self) -> None:
        """End the fork server and remove the scratch folder."""
        self._bench.server.close()
        self._lock.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def run(self, job: Job) -> None:
        """Make every evaluation of a job.

        Raises:
            Cancelled: The run was.
            ServerFailed: The device's fork server died.
        """
        bench = self._bench
        bench.reference_times = CallTimes()
        reference = Reference(
            bench.server,
            self._scratch / "reference",
            job.definition,
            bench.settings,
            self._blobs,
            bench.stop,
        )
        try:
            for number, cells in enumerate(job.cells.values()):
                folder = self._scratch / f"solution-{number}"
                solution_run = SolutionRun(bench, job, cells, reference, folder)
                if not solution_run.build():
                    continue
                self._take_lock(cells[0])
                try:
                    solution_run.run()
                finally:
                    self._lock.release()
        finally:
            reference.close()

    def _take_lock(self, first: Task) -> None:
        told = False
        while not self._lock.acquire():
            if self._bench.stop():
                raise Cancelled
            if not told:
                message = f"waiting for {self._bench.device.name}: another run is using it"
                self._bench.reporter.event(Kind.WAITING, first.evaluation, message=message)
                told = True
            time.sleep(0.1)
