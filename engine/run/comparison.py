"""Two solutions on one device, measured in turns in pairs of fresh processes until it is clear.

It is the processes that take time to start, so in each round a fresh pair goes through all
workloads that are not clear yet (``turns`` measures one of them). For each workload, every pair is
one observation. Which of the two starts first changes from pair to pair.

Whether the outputs are right is checked as in an evaluation, but a comparison is none: it leaves no
trace in the dataset, only a line in the run's ``comparisons.jsonl``, with every timed call.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path
from statistics import median

from engine.evaluate.registry import plan_for
from engine.measure.verdicts import FEWEST_PROCESSES, MOST_PROCESSES, Judgement
from engine.run.active import ActiveRun
from engine.run.conditions import conditions_of
from engine.run.evaluation import NoVerdict, Result
from engine.run.occupancy import Occupancy
from engine.run.plan import Task
from engine.run.process import Child
from engine.run.record import tidy
from engine.run.reference import Reference
from engine.run.report import NotKept
from engine.run.rounds import Rounds
from engine.run.schedule import Unit
from engine.run.solution_run import MOST_KILLS, Bench, PutBack, SolutionRun
from engine.run.turns import FEWEST_CALLS, Case, Checked, Found, SideFailed, blame, measure_pair
from engine.schema.endings import STATUS_OF, Ending
from engine.schema.names import Status
from engine.schema.run import ComparisonRecord, Kind, Verdict


class ComparisonRun(SolutionRun):
    """A unit whose solution is measured in turns with another one, round by round.

    What disturbs it (others on the device, a reference that dies, a sick device) is dealt with as
    in a run of evaluations. Workloads that have begun by then begin again later.

    Args:
        bench: As for any solution.
        run: Likewise.
        unit: With a unit ``against``.
        reference: Of the definition.
        folder: Private folder for both.
    """

    def __init__(
        self, bench: Bench, run: ActiveRun, unit: Unit, reference: Reference, folder: Path
    ) -> None:
        assert unit.against is not None
        super().__init__(bench, run, unit, reference, folder / "a")
        self._other = SolutionRun(bench, run, unit.against, reference, folder / "b")
        self._rounds = Rounds(unit.cells, self._definition, self._settings.input_sets)
        self._pairs = 0
        self._fresh = True
        self._seen: Occupancy | None = None

    def build(self) -> bool:
        """See ``SolutionRun``; both of them."""
        if not super().build():
            return False
        if self._other.build():
            return True
        # What the other unit has said of them holds for the very same cells here.
        self._unit.cells = self._other._unit.cells
        return False

    def _too_slow(self, cell: Task) -> str:
        if reason := super()._too_slow(cell):
            return reason
        call = self._unit.times.predict(cell.workload.axes)
        limit = self._settings.cpu_estimate_limit_s
        total = (call or 0.0) * 2 * FEWEST_PROCESSES * FEWEST_CALLS
        if total <= limit:
            return ""
        return f"not run on cpu: comparing would take about {total:.0f} s (limit {limit:g} s)"

    def _drop_child(self) -> None:
        try:
            super()._drop_child()
        finally:
            self._other._drop_child()

    def run(self) -> None:
        """See ``SolutionRun``."""
        cells, begun = self._unit.cells, self._rounds.begun
        reason = "interrupted: it begins again later"
        try:
            while cells and not self._bench.should_yield(self._run):
                cell = self._rounds.next()
                try:
                    self._visit(cell)
                except PutBack as again:
                    reason = str(again)
                    # Next time the first in its processes, as if it were the only one.
                    cells.remove(cell)
                    cells.insert(0, cell)
                    break
            for cell in cells:
                if cell.evaluation in begun:
                    self._run.reporter.event(Kind.REQUEUED, cell.evaluation, message=reason)
        finally:
            self._drop_child()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _visit(self, cell: Task) -> None:
        """Let a cell have its turn in a round, after which it may have ended."""
        begun = self._rounds.begun
        reason = "" if cell.evaluation in begun else self._reason_not_to_run(cell)
        reason = reason or self._try(cell)
        if reason:
            self._run.reporter.event(Kind.NOT_RUN, cell.evaluation, message=reason)
            begun.pop(cell.evaluation, None)
        if cell.evaluation not in begun:
            self._unit.cells.remove(cell)

    def _evaluate(self, cell: Task) -> None:
        """Measure in one more pair of processes; if that is enough, the cell ends."""
        started = time.monotonic()
        if self._rounds.at_start:
            self._drop_child()
        found = self._rounds.visit(cell)
        if not found.blocks:
            self._report(Kind.BUILDING, cell)
        plan = plan_for(self._definition, cell.workload, self._settings)
        prepared = self._reference.prepare(cell.workload, plan)
        self._unit.part.reference_times.add(cell.workload.axes, prepared.call_s)
        found.seeds.add(prepared.seed)
        self._report(Kind.TIMING, cell, n=found.calls, message=_how_far(found))
        before = self._seen or self._bench.look()
        result, judgement = Result(ending=Ending.PASSED), None
        try:
            self._measure(Case(workload=cell.workload, plan=plan, prepared=prepared), found)
        except SideFailed as failed:
            end = failed.ended
            result = Result(ending=end.ending, reason=str(failed), detail=end.detail)
            result.killed = end.killed
            if STATUS_OF[result.ending] is Status.TIMEOUT:
                self._unit.timeouts += 1
        printed = self._take_output() + self._other._take_output()
        self._seen = self._bench.look()
        self._mark_contention(cell, result, before, self._seen)
        if result.contention not in ("", "none"):
            found.flags.add(f"contention {result.contention}")
        found.elapsed_s += time.monotonic() - started
        if result.ending is not Ending.PASSED:
            self._drop_child()
            self._try_again(cell, result)
        else:
            slower = max(*found.medians("A"), *found.medians("B"))
            self._unit.times.add(cell.workload.axes, slower / 1e9)
            judgement = self._judge(found)
            if judgement is None:
                return
        self._keep(self._record(cell, found, judgement, result), result, printed, found.calls)
        del self._rounds.begun[cell.evaluation]

    def _judge(self, found: Found) -> Judgement | None:
        """The verdict; None where another pair of processes has to be asked."""
        fewest = max(self._run.request.processes, FEWEST_PROCESSES)
        if found.processes < min(fewest, MOST_PROCESSES):
            return None
        judgement = found.judge()
        undecided = judgement.verdict is Verdict.UNCLEAR and len(found.timers) == 1
        return None if undecided and found.processes < MOST_PROCESSES else judgement

    def _try_again(self, cell: Task, result: Result) -> None:
        """Put back what may have been nobody's fault.

        Raises:
            NoVerdict: There is no room for both.
        """
        if result.killed:
            self._put_back(cell, "a process was killed from outside", MOST_KILLS)
        if result.ending is Ending.OUT_OF_MEMORY:
            self._bench.make_room(self._reference)
            self._put_back(cell, "out of memory; once more with nothing else of ours there", 2)
            raise NoVerdict(f"no room for both at a time: {result.reason}")

    def _measure(self, case: Case, found: Found) -> None:
        """Measure in the pair at hand.

        Raises:
            SideFailed: One of the two is not right.
        """
        try:
            found.add(self._measure_once(case, found.processes))
        except SideFailed as failed:
            if failed.ended.ending is not Ending.OUT_OF_MEMORY or self._fresh:
                raise
            # What both keep of former workloads may have been in the way.
            self._drop_child()
            found.add(self._measure_once(case, found.processes))

    def _measure_once(self, case: Case, process: int) -> Found:
        children = self._pair()
        pids = [child.pid for child in children.values()]
        conditions = conditions_of(self._bench.device, [*pids, self._reference.pid])
        checked = {
            name: Checked(
                child,
                self._reference,
                self._definition,
                self._settings,
                lambda *_, **__: None,
                self._run.stop,
                conditions,
                warm=False,
            )
            for name, child in children.items()
        }
        found = measure_pair(checked, case, process, conditions, fresh=self._fresh)
        self._fresh = False
        return found

    def _pair(self) -> dict[str, Child]:
        """Both processes, by side; both fresh where one is not there any more."""
        sides: list[tuple[str, SolutionRun]] = [("A", self), ("B", self._other)]
        if any(side._child is None or side._child.ended is not None for _, side in sides):
            self._drop_child()
            self._fresh = True
            self._pairs += 1
            if self._pairs % 2 == 0:
                sides.reverse()
            # What cannot be built says so before the other is started in vain.
            sides.sort(key=lambda item: item[1]._build_failure is None)
        children: dict[str, Child] = {}
        for name, side in sides:
            with blame(name):
                children[name] = side._loaded_child()
        return children

    def _record(
        self, cell: Task, found: Found, judgement: Judgement | None, result: Result
    ) -> ComparisonRecord:
        assert cell.against is not None
        device = self._bench.device
        libs = dict(self._bench.server.ready.versions)
        if device.driver:
            libs["driver"] = device.driver
        record = ComparisonRecord(
            evaluation=cell.evaluation,
            definition=self._definition.name,
            workload=cell.workload.uuid,
            axes=cell.workload.axes,
            a=cell.solution.name,
            b=cell.against.name,
            a_version=cell.solution.content_hash(),
            b_version=cell.against.content_hash(),
            device=device.name,
            hardware=device.hardware,
            libs=libs,
            timer=", ".join(sorted(found.timers)),
            verdict=Verdict.FAILED,
            reason=result.reason,
            blocks=found.blocks,
            flags=_each_once(found.flags),
            seed=", ".join(sorted(found.seeds)),
            t=time.time(),
            elapsed_s=round(found.elapsed_s, 3),
        )
        if judgement is not None:
            record.verdict, record.reason = judgement.verdict, judgement.reason
            record.time, record.cycles = judgement.time, judgement.cycles
            record.a_ns, record.b_ns = found.medians("A"), found.medians("B")
            record.a_cycles, record.b_cycles = found.median_cycles("A"), found.median_cycles("B")
        return record

    def _keep(self, record: ComparisonRecord, result: Result, printed: str, n: int) -> None:
        """Write the record, a log where something failed, and then the event."""
        fields: dict[str, object] = {}
        sources = self._sources, self._other._sources
        record.reason = tidy(tidy(record.reason, sources[0]), sources[1])
        if record.verdict is Verdict.FAILED:
            text = "\n".join(part for part in (result.reason, result.detail, printed) if part)
            log = self._run.folder.logs / f"{record.evaluation.rpartition('.')[2]}.txt"
            try:
                log.write_text(tidy(tidy(text, sources[0]), sources[1]), errors="replace")
            except OSError as error:
                raise NotKept(f"the run's log could not be written: {error}") from error
            fields["log"] = str(log.relative_to(self._run.folder.path))
        else:
            fields["latency_ms"] = median(record.a_ns) / 1e6
            fields["other_latency_ms"] = median(record.b_ns) / 1e6
        self._run.keep_comparison(record)
        self._run.reporter.event(
            Kind.COMPARED,
            record.evaluation,
            device=record.device,
            n=n,
            timer=record.timer,
            verdict=record.verdict,
            ratio=record.time,
            message=record.reason,
            elapsed_s=record.elapsed_s,
            **fields,
        )

    def _report(self, kind: Kind, cell: Task, **fields: object) -> None:
        self._run.reporter.event(kind, cell.evaluation, device=self._bench.device.name, **fields)


def _how_far(found: Found) -> str:
    """What is told before another process."""
    text = f"process {found.processes + 1} of each"
    if not found.processes:
        return text
    ratio = median(found.medians("B")) / median(found.medians("A"))
    return f"{text}: {ratio:.3f}x so far"


def _each_once(flags: set[str]) -> list[str]:
    """Flags without those that differ from another in a figure only; the largest of them stays."""
    return sorted({re.sub(r"\d", "", flag): flag for flag in sorted(flags)}.values())
