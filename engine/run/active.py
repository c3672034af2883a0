"""One run while a runner works on it: what is left of it, how it is steered, how it ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from engine.pull import MissingBlobs
from engine.run.devices import Device, UnknownDevice, find_devices
from engine.run.files import EventReader, RunFolder
from engine.run.incumbents import Incumbents
from engine.run.plan import Job, Planned, Task, find_solution, make_plan
from engine.run.preferences import take_notices
from engine.run.progress import ENDED, Progress
from engine.run.record import Subject
from engine.run.report import NotKept, Reporter
from engine.run.schedule import Part, Unit, make_parts
from engine.run.skip import done_before
from engine.schema.run import Busy, ComparisonRecord, Event, Kind, Request
from engine.store import TraceStore, blob_path, trace_path

MOST_LIVES = 10
"""Runners that may die over a run without one evaluation ended; then it is given up."""


class ActiveRun:
    """A run from the moment a runner takes it on until it has ended.

    Args:
        folder: The run's folder, with a request in it.

    Raises:
        OSError: There is no request, or the state folder cannot be written.
        msgspec.DecodeError: The request is none.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.request: Request = folder.read_request()
        self.parts: list[Part] = []
        self.devices: list[Device] = []
        self.reporter = Reporter(folder, self.request, self._trace_file)
        self._layers = [Path(part) for part in self.request.dataset]
        self.missing_blobs = MissingBlobs(self._layers)
        self._stopped = threading.Event()
        self._failures: list[str] = []
        self._leaving = False
        self._comparisons = threading.Lock()
        self.incumbents = Incumbents()
        """What new results are held against."""

    @property
    def run(self) -> str:
        """The run's id."""
        return self.folder.run

    @property
    def busy(self) -> Busy:
        """What to do beside somebody else's processes."""
        return self.request.busy

    @property
    def order(self) -> tuple[int, float]:
        """Smaller goes first."""
        changed = self.folder.priority
        return -(self.request.priority if changed is None else changed), self.request.created

    def stop(self) -> bool:
        """True once nothing more is to be done."""
        if not self._stopped.is_set() and self.folder.cancel_file.exists():
            self._stopped.set()
        return self._stopped.is_set()

    def paused(self) -> bool:
        """True while nothing is to be begun."""
        return self.folder.pause_file.exists()

    def fail(self, reason: str) -> None:
        """Give the run up."""
        if reason not in self._failures:
            self._failures.append(reason)
        self._stopped.set()

    def leave(self) -> None:
        """Stop work on it without ending it: the runner has to go."""
        self._leaving = True
        self._stopped.set()

    @property
    def ended(self) -> bool:
        """True if no lane is at it and nothing is left to be done."""
        if any(part.at_work for part in self.parts):
            return False
        return self.stop() or all(part.ended for part in self.parts)

    def find_blob(self, path: str) -> Path:
        """The real file of a workload's blob path."""
        return blob_path(self._layers, path)

    def _trace_file(self, subject: Subject) -> Path:
        definition, solution = subject.definition, subject.solution
        return trace_path(self._layers[-1], solution.author, definition.op_type, definition.name)

    def keep_comparison(self, record: ComparisonRecord) -> None:
        """Append to the run's comparisons, from any thread.

        Raises:
            NotKept: It could not be written.
        """
        try:
            with self._comparisons:
                self.folder.append_comparison(record)
        except OSError as error:
            raise NotKept(f"the run's comparisons could not be written: {error}") from error

    # The beginning

    def begin(self) -> None:
        """Find out what is left to be done, and announce it.

        Raises:
            NotKept: The run's files cannot be written.
            OSError: Likewise.
        """
        self.folder.repair()
        before, lives = self._look_back()
        self.reporter.event(Kind.RUNNER_STARTED, pid=os.getpid())
        self.reporter.recover({cell.evaluation for cell in before.cells.values() if cell.ended})
        # With what has just been recovered.
        before, _ = self._look_back()
        if lives >= MOST_LIVES:
            self.fail(f"{lives} runners ended over it without an evaluation done; see runner.log")
            return
        self._find_devices()
        with TraceStore.open(self._layers) as store:
            if before.started is None:
                jobs = self._plan(store)
            else:
                jobs = self._left(store, before)
            if self.request.settings.confirm:
                for job in jobs:
                    self.incumbents.learn(store.matrix(job.definition.name))
        placed = {
            (cell.definition, cell.workload): cell.device
            for cell in before.cells.values()
            if cell.device in [device.name for device in self.devices]
        }
        self.parts = make_parts(jobs, len(self.devices), placed)
        if self.parts and not self.devices:
            self.fail("; ".join(self._failures) or "there is no device to run on")

    def _look_back(self) -> tuple[Progress, int]:
        """What has happened, and how many runners died since an evaluation ended."""
        progress, lives, at_it = Progress(), 0, True
        for event in EventReader(self.folder.events_file).poll():
            progress.apply(event)
            if event.kind is Kind.RUNNER_STARTED:
                # One that died over another run says nothing about this one.
                lives, at_it = lives + at_it, True
            elif event.kind is Kind.RUN_STARTED:
                at_it = False
            elif event.device:
                at_it = True
            if event.kind in (*ENDED, Kind.REQUEUED):
                lives = 0
        return progress, lives

    def _find_devices(self) -> None:
        for text in self.request.devices:
            try:
                found = find_devices(text)
            except UnknownDevice as error:
                self._failures.append(str(error))
                continue
            self.devices += [device for device in found if device not in self.devices]
        for notice in take_notices():
            self.reporter.notice(notice)

    def _plan(self, store: TraceStore) -> list[Job]:
        """Everything that the request means, announced in one go: all of it or nothing."""
        planned = make_plan(self.request, store)
        events = [self._event(Kind.NOTICE, message=notice) for notice in planned.notices]
        for job in planned.jobs:
            for cells in job.cells.values():
                events += [self._queued(job, cell) for cell in cells]
        events += self._skips(store, planned)
        self.reporter.events(*events, self._event(Kind.RUN_STARTED, n=planned.count))
        return planned.jobs

    def _event(self, kind: Kind, evaluation: str = "", **fields: object) -> Event:
        return Event(kind=kind, t=time.time(), evaluation=evaluation, **fields)  # type: ignore[arg-type]

    def _queued(self, job: Job, cell: Task) -> Event:
        return self._event(
            Kind.QUEUED,
            cell.evaluation,
            definition=job.definition.name,
            solution=cell.solution.name,
            workload=cell.workload.uuid,
            axes=cell.workload.axes,
        )

    def _skips(self, store: TraceStore, planned: Planned) -> list[Event]:
        """Take out of a plan what ``--resume`` finds done."""
        if not self.request.resume or self.request.compare is not None:
            return []
        events = []
        for job in planned.jobs:
            known = done_before(store, job, self.request, self.devices)
            for name, cells in job.cells.items():
                for cell in cells:
                    if row := known.get(cell.evaluation):
                        events.append(
                            self._event(
                                Kind.SKIPPED,
                                cell.evaluation,
                                status=row.status,
                                latency_ms=row.latency_ms,
                                reference_latency_ms=row.reference_latency_ms,
                                speedup=row.speedup,
                                timer=row.timer,
                                roofline=row.roofline,
                                flags=row.flags,
                                message=f"evaluated before, as {row.evaluation}",
                            )
                        )
                job.cells[name] = [cell for cell in cells if cell.evaluation not in known]
        return events

    def _left(self, store: TraceStore, before: Progress) -> list[Job]:
        """What a former runner did not come to, with the dataset as it is now."""
        jobs: dict[str, Job] = {}
        problems = {(row.definition, row.uuid): row.problem for row in store.workloads()}
        solution, workload = cache(partial(find_solution, store)), cache(store.workload)
        compared = self.request.compare
        for cell in before.cells.values():
            if cell.ended:
                continue
            try:
                job = jobs.get(cell.definition) or Job(definition=store.definition(cell.definition))
                task = Task(
                    evaluation=cell.evaluation,
                    solution=solution(cell.solution if compared is None else compared[0]),
                    against=None if compared is None else solution(compared[1]),
                    workload=workload(cell.workload, cell.definition),
                    known_problem=problems.get((cell.definition, cell.workload), ""),
                )
            except (LookupError, ValueError, OSError) as error:
                self.reporter.event(Kind.NOT_RUN, cell.evaluation, message=str(error))
                continue
            jobs[cell.definition] = job
            job.cells.setdefault(cell.solution, []).append(task)
        self.reporter.event(Kind.RUN_STARTED, n=len(before.cells))
        return list(jobs.values())

    # The end

    def give_up_rest(self, reason: str) -> None:
        """Say of everything that no lane has that it is not run, and why."""
        for part in self.parts:
            units, part.units = part.units, []
            for unit in units:
                self.not_run(unit, reason)

    def not_run(self, unit: Unit, reason: str) -> None:
        """Say of what is left of a unit that it is not run, and why."""
        cells, unit.cells = unit.cells, []
        try:
            self.reporter.events(
                *(self._event(Kind.NOT_RUN, cell.evaluation, message=reason) for cell in cells)
            )
        except NotKept as error:
            unit.cells = cells
            self.fail(str(error))

    def finish(self, remove: Callable[[str], None]) -> None:
        """Say how it ended, unless it is only left alone.

        Args:
            remove: Takes the run out of the queue.

        Raises:
            NotKept: That cannot be written now.
        """
        if self._leaving and not self._failures and not self.folder.cancel_file.exists():
            return
        left = any(part.units for part in self.parts)
        if self._failures:
            state, message = "failed", "; ".join(self._failures)
        elif self.stop():
            if left and not self.folder.cancel_file.exists():
                return  # resumed meanwhile: taken on again by its ticket
            state, message = "cancelled", "cancelled by the user"
        else:
            state, message = "finished", ""
        self.reporter.event(Kind.RUN_FINISHED, state=state, message=message)
        remove(self.run)
