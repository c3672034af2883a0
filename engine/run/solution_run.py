"""One solution on one device: built, then evaluated workload by workload."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct, structs

from engine.build.cache import LIBRARY
from engine.build.compiler import (
    COMPILED,
    CompileFailed,
    CompileKilled,
    CompileStopped,
    CompileTimedOut,
    binding_of,
)
from engine.build.layout import CannotBuild, check_buildable, lay_out
from engine.evaluate.registry import Plan, plan_for
from engine.measure.calibration import Calibration
from engine.run import protocol
from engine.run.active import ActiveRun
from engine.run.builds import Builds
from engine.run.conditions import conditions_of
from engine.run.devices import Device
from engine.run.estimate import reference_seconds, solution_seconds
from engine.run.evaluation import SURVIVES, Ended, Evaluator, NoVerdict, Result, ask_child
from engine.run.incumbents import Confirmation, agree
from engine.run.judge_times import judge_times
from engine.run.occupancy import Occupancy, words
from engine.run.plan import Task
from engine.run.process import (
    Cancelled,
    Child,
    ChildBrokeProtocol,
    ChildGone,
    ChildTimedOut,
    Server,
    ServerFailed,
    SickDevice,
)
from engine.run.record import Subject, tidy
from engine.run.reference import Reference, ReferenceFailed
from engine.run.report import NotKept, require_room
from engine.run.schedule import Unit
from engine.run.timing import Timing
from engine.schema.definition import Definition
from engine.schema.endings import STATUS_OF, Ending
from engine.schema.names import Status
from engine.schema.run import Busy, Kind
from engine.schema.solution import Solution

MOST_TIMEOUTS = 2
"""Timeouts of a solution after which it is not tried on further workloads of the run."""
MOST_TRIES = 4
"""How often an evaluation is tried that others disturb."""
MOST_KILLS = 2
"""The same where its process got a SIGKILL from who knows whom, perhaps from itself."""
_UNEXPLAINED = 2 << 30
"""More bytes than a driver takes for itself: somebody whom we cannot see is there."""


class Bench(Struct, kw_only=True):
    """What every solution on one device shares.

    Args:
        device: Where.
        server: Forks the children.
        builds: Compiles what has to be compiled.
        look: Who else is on the device now.
        others_memory: Bytes in use on the device before anything of ours was there.
        should_yield: True if something goes before a run's evaluations.
        make_room: Gives up what is kept on the device beside one reference, and by that.
        calibration: What the device was seen to do, where that is known.
        confirm_free: Told of every child that is gone, so that the device is known to be free.
    """

    device: Device
    server: Server
    builds: Builds
    look: Callable[[], Occupancy]
    others_memory: int
    should_yield: Callable[[ActiveRun], bool]
    make_room: Callable[[Reference], None]
    calibration: Calibration | None
    confirm_free: Callable[[Child, protocol.Ended], None]


class SolutionRun:
    """One unit on one device, workload by workload, in children that die on every failure.

    What it does not come to, since something else goes first or the device is not its own, stays
    in the unit's ``cells``.
    """

    def __init__(
        self, bench: Bench, run: ActiveRun, unit: Unit, reference: Reference, folder: Path
    ) -> None:
        self._bench = bench
        self._run = run
        self._settings = run.request.settings
        self._unit = unit
        self._definition = unit.part.definition
        self._reference = reference
        self._folder = folder
        self._child: Child | None = None
        self._startup_s: float | None = None
        self._build_failure: Ended | None = None

    def build(self) -> bool:
        """Lay the sources out and take what was compiled, while no device is held.

        Returns:
            False where nothing can be run; the reason has been reported.

        Raises:
            Cancelled: The run was.
            NotKept: There is no room for files.
        """
        device, solution = self._bench.device, self._unit.solution
        try:
            check_buildable(solution, device.name)
            self._sources = lay_out(solution, self._folder / "src")
            built = self._bench.builds.take(self._run, self._unit, device, self._folder)
            if built.library is not None:
                # A copy: the child may do with it what it likes.
                shutil.copy(built.library, self._folder / LIBRARY)
        except CompileStopped:
            raise Cancelled from None
        except (CannotBuild, CompileKilled, OSError) as error:
            require_room(error)
            self._run.not_run(self._unit, str(error))
            shutil.rmtree(self._folder, ignore_errors=True)
            return False
        except CompileFailed as error:
            late = isinstance(error, CompileTimedOut)
            ending = Ending.BUILD_TIMED_OUT if late else Ending.BUILD_FAILED
            self._build_failure = Ended(ending, error.reason, error.log)
        return True

    def run(self) -> None:
        """Evaluate cell by cell until all have ended or something else goes first.

        Raises:
            Cancelled: The run was.
            ServerFailed: The device's fork server died.
            NotKept: Results cannot be written.
        """
        cells = self._unit.cells
        try:
            while cells and not self._bench.should_yield(self._run):
                cell = cells[0]
                reason = self._reason_not_to_run(cell) or self._try(cell)
                if reason:
                    self._run.reporter.event(Kind.NOT_RUN, cell.evaluation, message=reason)
                cells.remove(cell)
        except PutBack as again:
            self._run.reporter.event(Kind.REQUEUED, cells[0].evaluation, message=str(again))
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
            if error.died:
                self._put_back(cell, f"the reference's process is gone: {error}")
            problem = str(error)
        except NoVerdict as error:
            problem = str(error)
        except (ChildGone, ChildTimedOut, ChildBrokeProtocol) as error:
            self._put_back(cell, f"a process for the solution could not be started: {error}")
            problem = str(error)
        except SickDevice as error:
            # Not on the next device too: one solution could make all of them sick.
            message = f"no verdict: {error}"
            self._run.reporter.event(Kind.NOT_RUN, cell.evaluation, message=message)
            self._unit.cells.remove(cell)
            raise
        except (Cancelled, ServerFailed, NotKept, PutBack):
            raise
        except Exception as error:
            require_room(error)
            # Whatever it is, it costs this evaluation and no other.
            traceback.print_exc()
            problem = f"{type(error).__name__}: {error}"
        # It may hold inputs and output that belong to no further evaluation.
        self._drop_child()
        return f"no verdict: {problem}"

    def _put_back(self, cell: Task, reason: str, most: int = MOST_TRIES) -> None:
        """Have an evaluation made again later, unless that has been tried often enough.

        Raises:
            PutBack: It is.
        """
        tries = self._unit.tries
        tries[cell.evaluation] = tries.get(cell.evaluation, 0) + 1
        if tries[cell.evaluation] < most:
            raise PutBack(reason)

    def _reason_not_to_run(self, cell: Task) -> str:
        if self._run.stop():
            raise Cancelled
        if cell.known_problem:
            # A file that was not pulled along with its dataset, perhaps.
            problem = self._run.missing_blobs.fetch(cell.workload, self._definition.name)
            if problem:
                return f"no verdict: {problem}"
        missing = set(self._definition.var_axes) - set(cell.workload.axes)
        if missing:
            return f"no verdict: the workload gives no length for axis {', '.join(sorted(missing))}"
        if self._unit.timeouts >= MOST_TIMEOUTS:
            number = self._unit.timeouts
            return f"not tried: {number} evaluations of this solution timed out before"
        if self._bench.device.name == "cpu":
            return self._too_slow(cell)
        return ""

    def _too_slow(self, cell: Task) -> str:
        """On the CPU device large workloads can take hours; say so instead of timing out."""
        plan = plan_for(self._definition, cell.workload, self._settings)
        limit = self._settings.cpu_estimate_limit_s
        for who, times, cost in (
            ("the reference", self._unit.part.reference_times, reference_seconds),
            ("it", self._unit.times, solution_seconds),
        ):
            call = times.predict(cell.workload.axes)
            if call is not None and (total := cost(call, plan, self._settings)) > limit:
                return f"not run on cpu: {who} would take about {total:.0f} s (limit {limit:g} s)"
        return ""

    def _evaluate(self, cell: Task) -> None:
        bench, reference_times = self._bench, self._unit.part.reference_times
        started = time.monotonic()

        def report(kind: Kind, **fields: object) -> None:
            self._run.reporter.event(kind, cell.evaluation, device=bench.device.name, **fields)

        plan = plan_for(self._definition, cell.workload, self._settings)
        report(Kind.BUILDING)
        before = bench.look()
        if self._build_failure is None:
            prepared = self._reference.prepare(cell.workload, plan)
            reference_times.add(cell.workload.axes, prepared.call_s)
        self._startup_s, printed = None, ""
        try:
            child = self._loaded_child()
        except Ended as end:
            result = Result(ending=end.ending)
            result.fail(end)
        else:
            result = self._evaluator(child, report).evaluate(cell.workload, plan, prepared)
            if result.timing is not None:
                result.limit = judge_times(result.timing, prepared.work, bench.calibration)
            if self._is_new_best(cell, result):
                printed = self._take_output()
                self._confirm_if_possible(cell, plan, result, report)
        self._mark_contention(cell, result, before, bench.look())
        alive = self._child is not None and self._child.ended is None
        if result.ending is Ending.OUT_OF_MEMORY and alive:
            # What is kept for further solutions may have been in its way.
            self._drop_child()
            bench.make_room(self._reference)
            self._put_back(cell, "out of memory; once more with nothing else of ours there", 2)
        if result.killed:
            # Ours are sent by the guardian, who says so.
            self._drop_child()
            self._put_back(cell, "its process was killed from outside", MOST_KILLS)
        printed += self._take_output()
        result.reason, result.detail, printed = (
            tidy(text, self._sources) for text in (result.reason, result.detail, printed)
        )
        if STATUS_OF[result.ending] is Status.TIMEOUT:
            self._unit.timeouts += 1
        if result.timing is not None:
            self._unit.times.add(cell.workload.axes, result.timing.summary.median / 1e9)
        elif result.first_call_s is not None:
            self._unit.times.add(cell.workload.axes, result.first_call_s)
        if result.reference is not None:
            reference_s = result.reference.summary.median / 1e9
            reference_times.add(cell.workload.axes, reference_s)
        if result.ending not in SURVIVES:
            self._drop_child()
        if result.ending is Ending.PASSED and result.timing is not None:
            contest, timing = self._contest(cell, result.timing), result.timing
            self._run.incumbents.offer(contest, timing.latency_ms, cell.solution.name)
        elapsed = time.monotonic() - started
        self._run.reporter.done(self._subject(cell), result, printed, elapsed, self._startup_s)

    def _evaluator(self, child: Child, report: Callable[..., None]) -> Evaluator:
        device = self._bench.device
        return Evaluator(
            child,
            self._reference,
            self._definition,
            self._settings,
            report,
            self._run.stop,
            conditions_of(device, [child.pid, self._reference.pid]),
            warm=device.name != "cpu" and not self._settings.quick,
        )

    def _is_new_best(self, cell: Task, result: Result) -> bool:
        if result.ending is not Ending.PASSED or result.timing is None:
            return False
        return self._settings.confirm and self._run.incumbents.beaten(
            self._contest(cell, result.timing), result.timing.summary, cell.solution.name
        )

    def _contest(self, cell: Task, timing: Timing) -> tuple[str, str, str, str]:
        """Results of the same one may be ranked against each other."""
        hardware = self._bench.device.hardware
        return self._definition.name, cell.workload.uuid, hardware, timing.timer

    def _confirm_if_possible(
        self, cell: Task, plan: Plan, result: Result, report: Callable[..., None]
    ) -> None:
        """Confirm a new best; what was measured stands where the reference has no room for that."""
        assert result.timing is not None
        try:
            self._confirm(cell, plan, result, report)
        except ReferenceFailed as error:
            if error.died:
                raise
            result.timing.flag("not confirmed")

    def _confirm(self, cell: Task, plan: Plan, result: Result, report: Callable[..., None]) -> None:
        """Evaluate a new best once more, in a fresh process and with another seed.

        What goes wrong then is the verdict.
        """
        assert result.timing is not None
        self._drop_child()
        once = structs.replace(plan, sets=1)
        with self._reference.prepared_afresh(cell.workload, once, result.reference) as prepared:
            result.confirmation = Confirmation(seed=prepared.seed)
            try:
                child = self._loaded_child()
            except Ended as end:
                result.fail(end)
                return
            again = self._evaluator(child, report).evaluate(cell.workload, once, prepared)
        result.checks += again.checks
        if again.ending is not Ending.PASSED or again.timing is None:
            result.ending, result.reason = again.ending, f"{again.reason} (when run again)"
            result.detail, result.killed = again.detail, again.killed
            return
        result.confirmation.median_us = again.timing.summary.median / 1e3
        result.confirmation.agrees = agree(result.timing.summary, again.timing.summary)
        if not result.confirmation.agrees:
            result.timing.flag("not confirmed")

    def _mark_contention(
        self, cell: Task, result: Result, before: Occupancy, after: Occupancy
    ) -> None:
        """Say whether the device was this evaluation's own; if not, it may have to be made again.

        What is wrong stays wrong beside others; only times, timeouts and a lack of memory may be
        their fault.

        Raises:
            PutBack: It is made again.
            NoVerdict: There was no memory for it in any try.
        """
        if self._bench.device.name == "cpu":
            return
        others = before if before.foreign else after
        known = before.known and after.known
        result.contention = "contended" if others.foreign else "none" if known else "unknown"
        starved = result.ending is Ending.OUT_OF_MEMORY
        disturbed = starved or result.ending in (Ending.PASSED, Ending.TIMED_OUT)
        if result.contention == "unknown":
            disturbed = starved and self._bench.others_memory > _UNEXPLAINED
        minded = starved or self._run.busy is not Busy.FLAG
        if disturbed and minded and result.contention != "none":
            self._drop_child()
            self._put_back(cell, f"{self._bench.device.name} is shared: {words(others)}")
            if starved:
                raise NoVerdict(f"out of memory beside others: {words(others)}")
        if result.timing is not None and result.contention != "none":
            flag = "contended" if others.foreign else "contention unknown"
            result.timing.flags = sorted({*result.timing.flags, flag})

    def _subject(self, cell: Task) -> Subject:
        return Subject(
            evaluation=cell.evaluation,
            definition=self._definition,
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
            self._drop_child()
        if self._child is None:
            begun = time.monotonic()
            memory = int((self._settings.memory_limit_gib or 0) * (1 << 30))
            self._child = self._bench.server.child(self._folder, memory=memory)
            try:
                ask_child(
                    self._child,
                    _load_order(self._unit.solution, self._definition, self._sources, self._folder),
                    limit=self._settings.build_limit_s,
                    phase="the build",
                    stop=self._run.stop,
                )
            except Ended as end:
                if end.ending is Ending.BUILD_FAILED:
                    self._build_failure = end
                raise
            self._startup_s = time.monotonic() - begun
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
        child, self._child = self._child, None
        ended = child.kill()
        self._bench.confirm_free(child, ended)


class PutBack(Exception):
    """An evaluation is to be made again later; says why."""


def _load_order(
    solution: Solution, definition: Definition, sources: Path, folder: Path
) -> protocol.Load:
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
        inputs=list(definition.inputs),
        outputs=list(definition.outputs),
    )
