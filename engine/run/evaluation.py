"""One evaluation: a solution on a workload, from the first call to a verdict."""

from __future__ import annotations

import math
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct, field, structs

from engine.evaluate.facts import Check
from engine.evaluate.registry import Plan
from engine.evaluate.verdict import judge_form, judge_values
from engine.measure.roofline import Limit
from engine.measure.statistics import Summary
from engine.run import protocol
from engine.run.conditions import Conditions
from engine.run.incumbents import Confirmation
from engine.run.memory import UnsealedMemory, check_sealed
from engine.run.process import (
    Child,
    ChildBrokeProtocol,
    ChildGone,
    ChildTimedOut,
)
from engine.run.reference import InputSetFile, Prepared, Reference
from engine.run.timing import Series, Timing, take_turns
from engine.schema.definition import Definition
from engine.schema.endings import Ending
from engine.schema.run import Kind, Settings
from engine.schema.timers import FLASHINFER
from engine.schema.workload import Workload

SURVIVES = (Ending.PASSED, Ending.WRONG_SHAPE, Ending.WRONG_DTYPE, Ending.WRONG_VALUES)
"""Endings after which the child may go on: its process is as it was."""


class Ended(Exception):
    """The evaluation has its verdict.

    Attributes:
        ending: How it ended.
        reason: Why, in one line.
        detail: More lines, such as a traceback.
        killed: The process got a SIGKILL that was not ours.
    """

    def __init__(
        self, ending: Ending, reason: str, detail: str = "", *, killed: bool = False
    ) -> None:
        super().__init__(reason)
        self.ending = ending
        self.reason = reason
        self.detail = detail
        self.killed = killed


class NoVerdict(Exception):
    """What happened says nothing about the solution."""


class Result(Struct, kw_only=True):
    """Everything that one evaluation found.

    Args:
        checks: Of every comparison made.
        timing: The solution's, where it came to that.
        limit: The shortest time that the device allows for the workload, where known.
        confirmation: What a second process said, where this is a new best.
        phases_s: Seconds by phase.
        killed: The process got a SIGKILL that was not ours.
        contention: Of the GPU: "none", "contended", "unknown", or "" without one.
    """

    ending: Ending
    reason: str = ""
    detail: str = ""
    killed: bool = False
    contention: str = ""
    checks: list[Check] = field(default_factory=list)
    timing: Timing | None = None
    reference: Timing | None = None
    limit: Limit | None = None
    seed: str = ""
    confirmation: Confirmation | None = None
    first_call_s: float | None = None
    phases_s: dict[str, float] = field(default_factory=dict)

    def fail(self, end: Ended) -> None:
        """Take over how it has ended."""
        self.ending, self.reason, self.detail = end.ending, end.reason, end.detail
        self.killed = end.killed


class Evaluator:
    """Makes one evaluation with a child that has loaded the solution.

    Args:
        child: The solution's.
        reference: Of the same definition and device.
        report: Tells the world: kind of event and its fields.
        stop: True once the run is cancelled.
        conditions: Looks at the device while times are taken.
        warm: Take some times with the inputs in the L2 cache as well.
    """

    def __init__(
        self,
        child: Child,
        reference: Reference,
        definition: Definition,
        settings: Settings,
        report: Callable[..., None],
        stop: Callable[[], bool],
        conditions: Conditions,
        warm: bool,
    ) -> None:
        self._child = child
        self._reference = reference
        self._definition = definition
        self._settings = settings
        self._report = report
        self._stop = stop
        self._conditions = conditions
        self._warm = warm
        self._deadline = time.monotonic() + settings.total_limit_s
        self._phases: dict[str, float] = {}
        self._checks: list[Check] = []

    def evaluate(self, workload: Workload, plan: Plan, prepared: Prepared) -> Result:
        """Check, time and check again.

        Raises:
            ReferenceFailed: No verdict is possible.
            Cancelled: The run was.
        """
        result = Result(ending=Ending.PASSED, seed=prepared.seed)
        try:
            self._run(workload, plan, prepared, result)
        except Ended as end:
            result.fail(end)
        if result.ending in SURVIVES:
            self._close(prepared)
        result.checks = self._checks
        result.phases_s = self._phases
        return result

    def _run(self, workload: Workload, plan: Plan, prepared: Prepared, result: Result) -> None:
        with self._phase("open"):
            for item in prepared.sets:
                self._open(item, workload)
        first, *others = prepared.sets
        with self._phase("first_call"):
            self._report(Kind.FIRST_CALL)
            limit = self._settings.first_call_limit_s
            begun = time.monotonic()
            answer = self._call(first, 1, limit, "the first call")
            result.first_call_s = time.monotonic() - begun
            self._judge(first, workload, plan, 1, answer, "first call")
        with self._phase("checking"):
            self._report(Kind.CHECKING)
            self._check_further(first, others, workload, plan)
        with self._phase("timing"):
            self._time(prepared, result)
            if result.timing is not None and len(prepared.sets) < plan.sets:
                # There was no room for more on the device.
                result.timing.flag(f"fewer input sets: {len(prepared.sets)} of {plan.sets}")
        with self._phase("verifying"):
            self._report(Kind.VERIFYING)
            self._verify_timed(prepared, workload, plan)

    def _close(self, prepared: Prepared) -> None:
        """Have the child forget the inputs, so that those of all workloads do not add up."""
        keys = [item.key for item in prepared.sets]
        try:
            self._order(protocol.Close(keys=keys), self._settings.call_limit_s, "closing")
        except Ended:
            # The verdict was there before; the next workload needs another child.
            self._child.kill()

    def _open(self, item: InputSetFile, workload: Workload) -> None:
        outputs = [
            protocol.TensorMeta(
                name=name,
                dtype=spec.dtype,
                shape=list(self._definition.shape_of(name, workload.axes) or ()),
            )
            for name, spec in self._definition.outputs.items()
        ]
        order = protocol.Open(
            key=item.key,
            order=list(self._definition.inputs),
            tensors=item.tensors,
            scalars=item.scalars,
            outputs=outputs,
        )
        limit = self._settings.first_call_limit_s
        self._order(order, limit, "taking the inputs", (item.descriptor,))

    def _call(
        self, item: InputSetFile, repeat: int, limit: float, phase: str
    ) -> tuple[protocol.Outputs, int]:
        order = protocol.Call(key=item.key, repeat=repeat)
        answer, descriptors = self._order(order, limit, phase)
        return self._outputs(answer, descriptors)

    def _check_further(
        self, first: InputSetFile, others: list[InputSetFile], workload: Workload, plan: Plan
    ) -> None:
        """Judge many calls together, where one says nothing (sampling), and the other sets."""
        limit = self._settings.call_limit_s
        if plan.repeat > 1:
            answer = self._call(first, plan.repeat, limit * plan.repeat, f"{plan.repeat} calls")
            self._judge(first, workload, plan, plan.repeat, answer, f"{plan.repeat} calls")
        for number, item in enumerate(others, start=2):
            answer = self._call(item, 1, limit, "a call")
            self._judge(item, workload, plan, 1, answer, f"input set {number}")

    def _time(self, prepared: Prepared, result: Result) -> None:
        """Timed calls of the solution and, in turns with it, of the reference.

        They are reported as they come but not more than some times a second.
        """
        last = 0.0

        def report(summary: Summary) -> None:
            nonlocal last
            self._conditions.look()
            if time.monotonic() - last >= 0.2:
                last = time.monotonic()
                self._report(
                    Kind.TIMING,
                    n=summary.n,
                    latency_ms=summary.median / 1e6,
                    interval=summary.interval,
                )

        def ask(order: Any) -> Any:
            calls = (order.n + order.warmup) * (1 if order.cold else 2)
            limit = self._settings.call_limit_s * calls
            return self._order(order, limit, f"{calls} timed calls")[0]

        self._report(Kind.TIMING)
        own = Series(ask, [item.key for item in prepared.sets], self._settings)
        # In turns with every solution, but where it is timed as a whole: then once.
        again = prepared.timing is None or not own.whole
        reference = self._reference.series(prepared, self._not_counted) if again else None
        self._conditions.begin()
        try:
            take_turns([own] if reference is None else [own, reference], report)
            if self._warm:
                own.take_warm()
        except ChildBrokeProtocol as error:
            raise broke_protocol(error) from None
        result.timing = own.timing()
        result.timing.flag(*self._conditions.flags())
        if reference is not None:
            result.reference = reference.timing()
            result.reference.together = not own.whole
            prepared.timing = prepared.timing or result.reference
        else:
            known = prepared.timing
            result.reference = known and structs.replace(known, together=False)
        if result.reference is not None and result.reference.timer != result.timing.timer:
            result.timing.flag(f"reference by another timer: {result.reference.timer}")

    def _verify_timed(self, prepared: Prepared, workload: Workload, plan: Plan) -> None:
        """Check the outputs of a timed call: one more block, of which the last call is taken."""
        item = random.choice(prepared.sets)
        limit = self._settings.call_limit_s
        calls = random.randint(1, 3)
        # flashinfer's timer lets go of CUPTI behind the back of any other that uses it.
        wanted = self._settings.timer
        timer = "events" if wanted == FLASHINFER else wanted
        block = protocol.Block(keys=[item.key], n=calls, timer=timer)
        self._order(block, limit * calls, "a timed call")
        answer, descriptors = self._order(protocol.Export(), limit, "exporting")
        outputs = self._outputs(answer, descriptors)
        self._judge(item, workload, plan, 1, outputs, "a timed call")

    def _judge(
        self,
        item: InputSetFile,
        workload: Workload,
        plan: Plan,
        repeat: int,
        answer: tuple[protocol.Outputs, int],
        where: str,
    ) -> None:
        outputs, descriptor = answer
        try:
            per_call = len(outputs.tensors) // repeat
            for start in range(0, repeat * per_call or 1, max(per_call, 1)):
                part = outputs.tensors[start : start + per_call]
                wrong = judge_form(self._definition, workload.axes, part)
                if wrong:
                    raise Ended(*wrong)
                self._check_sizes(part)
            with self._not_counted():
                checks = self._reference.compare(item.key, plan, outputs, descriptor, repeat)
        finally:
            os.close(descriptor)
        self._checks += checks
        wrong = judge_values(checks, where)
        if wrong:
            raise Ended(*wrong)

    def _check_sizes(self, outputs: list[protocol.TensorMeta]) -> None:
        """Outputs of the right shape and dtype must also bring as many bytes as those mean."""
        for output, (name, spec) in zip(outputs, self._definition.outputs.items(), strict=True):
            due = math.prod(output.shape or ()) * spec.dtype.bits // 8
            if output.nbytes != due:
                text = f"{name} came with {output.nbytes} bytes instead of {due}"
                raise broke_protocol(ValueError(text))
            # The child's own name could be as long as a whole message.
            output.name = name

    def _outputs(self, answer: Any, descriptors: list[int]) -> tuple[protocol.Outputs, int]:
        if not isinstance(answer, protocol.Outputs) or len(descriptors) != 1:
            _close(descriptors)
            raise Ended(Ending.PROTOCOL_VIOLATION, "the process sent something else than outputs")
        try:
            check_sealed(descriptors[0], answer.tensors)
        except (UnsealedMemory, ValueError) as error:
            _close(descriptors)
            raise broke_protocol(error) from None
        return answer, descriptors[0]

    def _order(
        self, order: Any, limit: float, phase: str, descriptors: tuple[int, ...] = ()
    ) -> tuple[Any, list[int]]:
        """Ask the child; whatever goes wrong becomes the verdict."""
        return ask_child(
            self._child,
            order,
            limit=min(limit, max(self._deadline - time.monotonic(), 0.1)),
            phase=phase,
            descriptors=descriptors,
            stop=self._stop,
        )

    @contextmanager
    def _not_counted(self) -> Iterator[None]:
        """The reference's work: not the solution's time."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._deadline += time.monotonic() - begun

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self._phases[name] = round(time.monotonic() - begun, 6)


def ask_child(
    child: Child,
    order: Any,
    *,
    limit: float,
    phase: str,
    stop: Callable[[], bool],
    descriptors: tuple[int, ...] = (),
) -> tuple[Any, list[int]]:
    """Give an order to a solution's child.

    Raises:
        Ended: It timed out, raised, died or broke the protocol.
        Cancelled: The run was.
    """
    try:
        answer, received = child.ask(
            order, limit=limit, phase=phase, descriptors=descriptors, stop=stop
        )
    except ChildTimedOut as error:
        ending = Ending.BUILD_TIMED_OUT if phase == "the build" else Ending.TIMED_OUT
        raise Ended(ending, str(error)) from None
    except ChildGone as error:
        ended = error.ended
        if ended.over_limit:
            raise Ended(Ending.OUT_OF_MEMORY, f"{ended.over_limit} (in {phase})") from None
        ending = Ending.EXITED if ended.signal is None else Ending.KILLED_BY_SIGNAL
        killed = ended.signal == signal.SIGKILL
        raise Ended(ending, f"{error} during {phase}", killed=killed) from None
    except ChildBrokeProtocol as error:
        raise broke_protocol(error) from None
    if not isinstance(answer, protocol.Outputs):
        _close(received)
        received = []
    if isinstance(answer, protocol.Failure):
        raise Ended(*_failed(answer, phase))
    return answer, received


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def broke_protocol(error: Exception) -> Ended:
    return Ended(Ending.PROTOCOL_VIOLATION, f"the process broke the protocol: {error}")


def _failed(failure: protocol.Failure, phase: str) -> tuple[Ending, str, str]:
    text = failure.message.strip().splitlines()
    first = text[0] if text else ""
    if failure.kind == "timer":
        raise NoVerdict(first)
    if failure.kind == "build":
        return Ending.BUILD_FAILED, first or failure.error, failure.trace
    reason = f"{failure.error}: {first}" if first else failure.error
    if failure.kind == "out_of_memory":
        return Ending.OUT_OF_MEMORY, f"out of memory during {phase}: {reason}", failure.trace
    return Ending.RAISED, f"{reason} (in {phase})", failure.trace
