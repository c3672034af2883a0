"""One solution on one device: built, then evaluated workload by workload."""

from __future__ import annotations

import re
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, field

from engine.build.compiler import (
    COMPILED,
    LIBRARY,
    CompileFailed,
    CompileTimedOut,
    binding_of,
)
from engine.build.layout import CannotBuild, check_buildable, lay_out
from engine.build.pool import BuildPool
from engine.evaluate.registry import plan_for
from engine.run import protocol
from engine.run.devices import Device
from engine.run.estimate import CallTimes, reference_seconds, solution_seconds
from engine.run.evaluation import SURVIVES, Ended, Evaluator, Result, ask_child
from engine.run.plan import Job, Task
from engine.run.process import (
    Cancelled,
    Child,
    ChildBrokeProtocol,
    ChildGone,
    ChildTimedOut,
    Server,
    ServerFailed,
)
from engine.run.record import Subject
from engine.run.reference import Reference, ReferenceFailed
from engine.run.report import NotKept, Reporter
from engine.schema.endings import STATUS_OF, Ending
from engine.schema.names import Status
from engine.schema.run import Kind, Settings
from engine.schema.solution import Solution

MOST_TIMEOUTS = 2
"""Timeouts of a solution after which it is not tried on further workloads of the run."""


class Bench(Struct, kw_only=True):
    """What every solution on one device shares.

    Args:
        device: Where.
        server: Forks the children.
        settings: Of the run.
        reporter: Takes events and results.
        builds: Compiles what has to be compiled.
        stop: True once the run is cancelled.
        reference_times: How long the reference of the definition at work takes.
    """

    device: Device
    server: Server
    settings: Settings
    reporter: Reporter
    builds: BuildPool
    stop: Callable[[], bool]
    reference_times: CallTimes = field(default_factory=CallTimes)


class SolutionRun:
    """One solution of a job, workload by workload, in children that die on every failure."""

    def __init__(
        self, bench: Bench, job: Job, cells: list[Task], reference: Reference, folder: Path
    ) -> None:
        self._bench = bench
        self._job = job
        self._cells = cells
        self._reference = reference
        self._folder = folder
        self._child: Child | None = None
        self._times = CallTimes()
        self._timeouts = 0
        self._build_failure: Ended | None = None

    def build(self) -> bool:
        """Lay the sources out and compile what has to be, while no device is held.

        Returns:
            False where nothing can be run; the reason has been reported.
        """
        reporter, device = self._bench.reporter, self._bench.device
        solution = self._cells[0].solution
        try:
            check_buildable(solution, device.name)
            self._sources = lay_out(solution, self._folder / "src")
            if solution.spec.language in COMPILED:
                reporter.event(Kind.BUILDING, self._cells[0].evaluation, device=device.name)
                built = self._bench.builds.result(solution, device.capability)
                # A copy: the child may do with it what it likes.
                shutil.copy(built.library, self._folder / LIBRARY)
        except (CannotBuild, OSError) as error:
            for cell in self._cells:
                reporter.event(Kind.NOT_RUN, cell.evaluation, message=str(error))
            shutil.rmtree(self._folder, ignore_errors=True)
            return False
        except CompileFailed as error:
            if self._bench.stop():
                raise Cancelled from None
            late = isinstance(error, CompileTimedOut)
            ending = Ending.BUILD_TIMED_OUT if late else Ending.BUILD_FAILED
            self._build_failure = Ended(ending, error.reason, error.log)
        return True

    def run(self) -> None:
        """Evaluate every cell."""
        reporter = self._bench.reporter
        try:
            for cell in self._cells:
                reason = self._reason_not_to_run(cell)
                if reason:
                    reporter.event(Kind.NOT_RUN, cell.evaluation, message=reason)
                    continue
                problem = self._try(cell)
                if problem:
                    message = f"no verdict: {problem}"
                    reporter.event(Kind.NOT_RUN, cell.evaluation, message=message)
        finally:
            self._drop_child()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _try(self, cell: Task) -> str:
        """Evaluate a cell.

        Returns:
            Why there is no verdict, or "" where there is one.
        """
        try:
            self._evaluate(cell)
            return ""
        except ReferenceFailed as error:
            problem = str(error)
        except (ChildGone, ChildTimedOut, ChildBrokeProtocol) as error:
            problem = f"a process for the solution could not be started: {error}"
        except (Cancelled, ServerFailed, NotKept):
            raise
        except Exception as error:
            # Whatever it is, it costs this evaluation and no other.
            traceback.print_exc()
            problem = f"{type(error).__name__}: {error}"
        # It may hold inputs and output that belong to no further evaluation.
        self._drop_child()
        return problem

    def _reason_not_to_run(self, cell: Task) -> str:
        if self._bench.stop():
            raise Cancelled
        if cell.known_problem:
            return f"no verdict: {cell.known_problem}"
        missing = set(self._job.definition.var_axes) - set(cell.workload.axes)
        if missing:
            return f"no verdict: the workload gives no length for axis {', '.join(sorted(missing))}"
        if self._timeouts >= MOST_TIMEOUTS:
            return f"not tried: {self._timeouts} evaluations of this solution timed out before"
        if self._bench.device.name == "cpu":
            return self._too_slow(cell)
        return ""

    def _too_slow(self, cell: Task) -> str:
        """On the CPU device large workloads can take hours; say so instead of timing out."""
        settings = self._bench.settings
        plan = plan_for(self._job.definition, cell.workload, settings)
        limit = settings.cpu_estimate_limit_s
        for who, times, cost in (
            ("the reference", self._bench.reference_times, reference_seconds),
            ("it", self._times, solution_seconds),
        ):
            call = times.predict(cell.workload.axes)
            if call is not None and (total := cost(call, plan, settings)) > limit:
                return f"not run on cpu: {who} would take about {total:.0f} s (limit {limit:g} s)"
        return ""

    def _evaluate(self, cell: Task) -> None:
        bench, reporter = self._bench, self._bench.reporter
        subject = self._subject(cell)
        started = time.monotonic()

        def report(kind: Kind, **fields: object) -> None:
            reporter.event(kind, cell.evaluation, device=bench.device.name, **fields)

        plan = plan_for(self._job.definition, cell.workload, bench.settings)
        report(Kind.BUILDING)
        if self._build_failure is None:
            prepared = self._reference.prepare(cell.workload, plan)
            bench.reference_times.add(cell.workload.axes, prepared.call_s)
        try:
            child = self._loaded_child()
        except Ended as end:
            result = Result(ending=end.ending, reason=end.reason, detail=end.detail)
        else:
            evaluator = Evaluator(
                child, self._reference, self._job.definition, bench.settings, report, bench.stop
            )
            result = evaluator.evaluate(cell.workload, plan, prepared)
        printed = self._take_output()
        result.reason, result.detail, printed = (
            tidy(text, self._sources) for text in (result.reason, result.detail, printed)
        )
        if STATUS_OF[result.ending] is Status.TIMEOUT:
            self._timeouts += 1
        if result.timing is not None:
            self._times.add(cell.workload.axes, result.timing.summary.median / 1e9)
        elif result.first_call_s is not None:
            self._times.add(cell.workload.axes, result.first_call_s)
        if result.reference is not None:
            reference_s = result.reference.summary.median / 1e9
            bench.reference_times.add(cell.workload.axes, reference_s)
        if result.ending not in SURVIVES:
            self._drop_child()
        reporter.done(subject, result, printed, time.monotonic() - started)

    def _subject(self, cell: Task) -> Subject:
        return Subject(
            evaluation=cell.evaluation,
            definition=self._job.definition,
            solution=cell.solution,
            workload=cell.workload,
            device=self._bench.device,
            versions=self._bench.server.ready.versions,
        )

    def _loaded_child(self) -> Child:
        """The child with the solution loaded; a failed build is a fact for every workload.

        Raises:
            Ended: It cannot be built.
            ChildGone: No process could be prepared for it. Likewise ChildTimedOut.
        """
        if self._build_failure is not None:
            raise self._build_failure
        if self._child is not None and self._child.ended is not None:
            self._child = None
        if self._child is None:
            self._child = self._bench.server.child(self._folder)
            try:
                ask_child(
                    self._child,
                    _load_order(self._cells[0].solution, self._job, self._sources, self._folder),
                    limit=self._bench.settings.build_limit_s,
                    phase="the build",
                    stop=self._bench.stop,
                )
            except Ended as end:
                if end.ending is Ending.BUILD_FAILED:
                    self._build_failure = end
                raise
        return self._child

    def _take_output(self) -> str:
        if self._child is None:
            return ""
        text = self._child.capture.text()
        self._child.capture.clear()
        return text

    def _drop_child(self) -> None:
        if self._child is None:
            return
        ended = self._child.kill()
        self._child = None
        if ended.stuck:
            solution = self._cells[0].solution.name
            self._bench.reporter.notice(
                f"{ended.stuck} processes of {solution} on {self._bench.device.name} cannot be "
                "killed yet; they may slow down what follows"
            )


_OWN_FRAME = re.compile(
    rf'^  File "(?:{re.escape(str(Path(__file__).resolve().parents[1]))}|<frozen runpy>).*\n?',
    re.MULTILINE,
)


def tidy(text: str, sources: Path) -> str:
    """A log without this program's stack frames, with files named as in the solution."""
    return _OWN_FRAME.sub("", text.replace(f"{sources}/", ""))


def _load_order(solution: Solution, job: Job, sources: Path, folder: Path) -> protocol.Load:
    spec = solution.spec
    compiled = spec.language in COMPILED
    return protocol.Load(
        folder=str(sources),
        language=spec.language,
        library=str(folder / LIBRARY) if compiled else "",
        binding=binding_of(solution) if compiled else "",
        entry_file=spec.entry_file,
        entry_function=spec.entry_function,
        destination_passing=spec.destination_passing_style,
        inputs=list(job.definition.inputs),
        outputs=list(job.definition.outputs),
    )
