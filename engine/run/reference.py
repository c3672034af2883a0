"""The trusted child of a device: inputs and expectations per workload, kept within a budget."""

from __future__ import annotations

import math
import os
import resource
import secrets
import shutil
import signal
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from engine.evaluate.facts import Check
from engine.evaluate.registry import Plan
from engine.measure.facts import Work
from engine.run import protocol
from engine.run.channel import ProtocolError
from engine.run.process import (
    Child,
    ChildBrokeProtocol,
    ChildGone,
    ChildTimedOut,
    Server,
)
from engine.run.timing import Series, Timing
from engine.schema.definition import Definition
from engine.schema.run import Settings
from engine.schema.workload import Workload

BUDGET_BYTES = 4 << 30
"""Bytes of input sets that are kept; workloads used longest ago are forgotten first."""
MOST_SETS = 256
"""Sets that are kept at most; each takes one of this process's descriptors."""

MOST_AGAIN_MS = 2.0
"""Milliseconds up to which a reference is timed again beside every solution."""
AGAIN_SAMPLES = 16
"""Samples of that, at least; twice as many at most."""


class ReferenceFailed(Exception):
    """Inputs cannot be made or the reference does not run; no verdict is possible.

    Attributes:
        again: It would fail the same way again.
        died: Its process was killed, which says nothing about the reference.
    """

    def __init__(self, message: str, *, again: bool = False, died: bool = False) -> None:
        super().__init__(message)
        self.again = again
        self.died = died


class InputSetFile(Struct, kw_only=True):
    """One set of inputs in a sealed memory file."""

    key: int
    descriptor: int
    tensors: list[protocol.TensorMeta]
    scalars: dict[str, bool | int | float]


class Prepared(Struct, kw_only=True):
    """A workload that is ready: its input sets here, the expectations in the trusted child.

    Args:
        work: The least that any implementation must do for it.
        timing: The reference's, once it has been taken.
        once: It is for one evaluation only, beside which the reference is not timed again.
    """

    sets: list[InputSetFile]
    seed: str
    nbytes: int
    call_s: float
    work: Work | None = None
    timing: Timing | None = None
    once: bool = False


class Reference:
    """The reference of one definition on one device.

    Args:
        server: Forks the trusted child.
        scratch: Private folder of that child.
        definition: Whose reference.
        settings: Of the run.
        blobs: Finds the real file of a workload's blob path; raises what says why not.
        stop: True once the run is cancelled.
    """

    def __init__(
        self,
        server: Server,
        scratch: Path,
        definition: Definition,
        settings: Settings,
        blobs: Callable[[str], Path],
        stop: Callable[[], bool],
    ) -> None:
        self._server = server
        self._scratch = scratch
        self._definition = definition
        self._settings = settings
        self._blobs = blobs
        self._stop = stop
        self._child: Child | None = None
        self._kept: OrderedDict[tuple[str, Plan], Prepared] = OrderedDict()
        self._next_key = 0
        self._cannot_load = ""
        self._impossible: dict[tuple[str, Plan], str] = {}

    @property
    def pid(self) -> int:
        """Process id of the trusted child; 0 while there is none."""
        return self._child.pid if self._child is not None else 0

    def prepare(self, workload: Workload, plan: Plan) -> Prepared:
        """Make the input sets of a workload and what the reference expects of them.

        Raises:
            ReferenceFailed: That is not possible.
            Cancelled: The run was.
        """
        which = workload.uuid, plan
        if which in self._impossible:
            raise ReferenceFailed(self._impossible[which])
        known = self._kept.get(which)
        if known is not None:
            self._kept.move_to_end(which)
            return known
        # A workload that is over the budget by itself is only kept until the next.
        self._forget()
        prepared = Prepared(sets=[], seed=secrets.token_hex(16), nbytes=0, call_s=math.inf)
        try:
            self._generate(prepared, workload, plan)
        except ReferenceFailed as error:
            if error.again:
                self._impossible[which] = str(error)
            self._release(prepared)
            raise
        except BaseException:
            for item in prepared.sets:
                os.close(item.descriptor)
            raise
        self._kept[which] = prepared
        self._forget(keep=prepared)
        return prepared

    @contextmanager
    def prepared_afresh(
        self, workload: Workload, plan: Plan, timing: Timing | None
    ) -> Iterator[Prepared]:
        """Other input sets of a workload, from another seed, forgotten afterwards.

        Args:
            workload: Which.
            plan: How.
            timing: The reference's, which is not taken again.

        Raises:
            ReferenceFailed: That is not possible.
            Cancelled: The run was.
        """
        prepared = Prepared(sets=[], seed=secrets.token_hex(16), nbytes=0, call_s=math.inf)
        prepared.timing, prepared.once = timing, True
        try:
            self._generate(prepared, workload, plan)
            yield prepared
        finally:
            self._release(prepared)

    def _generate(self, prepared: Prepared, workload: Workload, plan: Plan) -> None:
        blobs = self._find_blobs(workload)
        for number in range(plan.sets):
            self._next_key += 1
            order = protocol.Generate(
                key=self._next_key,
                workload=workload,
                seed=f"{prepared.seed}:{workload.uuid}:{number}",
                evaluator=plan.evaluator,
                blobs=blobs,
            )
            limit = self._settings.first_call_limit_s + self._settings.build_limit_s
            answer, descriptors = self._ask(order, limit, "the reference")
            prepared.sets.append(
                InputSetFile(
                    key=order.key,
                    descriptor=descriptors[0],
                    tensors=answer.tensors,
                    scalars=answer.scalars,
                )
            )
            prepared.nbytes += os.fstat(descriptors[0]).st_size
            prepared.call_s = min(prepared.call_s, answer.call_s)
            # Routing, and with it what is read, differs between sets.
            found = [work for work in (prepared.work, answer.work) if work is not None]
            prepared.work = min(found, key=lambda work: work.read_bytes, default=None)
            if answer.most_sets is not None and len(prepared.sets) >= answer.most_sets:
                break

    def _find_blobs(self, workload: Workload) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, source in workload.inputs.items():
            path = getattr(source, "path", None)
            if path is None:
                continue
            try:
                found[path] = str(self._blobs(path))
            except (OSError, ValueError, LookupError) as error:
                raise ReferenceFailed(f"input {name!r}: {error}") from None
        return found

    def series(
        self, prepared: Prepared, around: Callable[[], AbstractContextManager[None]]
    ) -> Series | None:
        """Timed calls of the reference on a prepared workload, to be taken beside a solution's.

        Args:
            prepared: The workload.
            around: Wherein each of its blocks is made.

        Returns:
            None where it has been timed and is too slow to be timed with every solution, or where
            results are wanted quickly.
        """
        known = prepared.timing
        settings = self._settings
        if known is not None:
            if prepared.once or settings.quick or known.latency_ms > MOST_AGAIN_MS:
                return None
            settings = structs.replace(
                settings,
                min_samples=min(AGAIN_SAMPLES, settings.min_samples),
                max_samples=min(2 * AGAIN_SAMPLES, settings.max_samples),
                time_budget_s=0.1,
            )
        keys = [item.key for item in prepared.sets]

        def ask(order: Any) -> Any:
            limit = self._settings.first_call_limit_s * (order.n + order.warmup)
            with around():
                return self._ask(order, limit, "timing the reference")[0]

        return _ReferenceSeries(ask, keys, settings)

    def compare(
        self, key: int, plan: Plan, outputs: protocol.Outputs, descriptor: int, repeat: int
    ) -> list[Check]:
        """Compare outputs of a solution with what is expected of a set.

        Raises:
            ReferenceFailed: The comparison itself failed.
        """
        order = protocol.Compare(
            key=key,
            evaluator=plan.evaluator,
            rule=plan.rule,
            outputs=outputs.tensors,
            repeat=repeat,
        )
        limit = self._settings.total_limit_s
        answer, _ = self._ask(order, limit, "comparing outputs", (descriptor,))
        checks: list[Check] = answer.checks
        return checks

    def _ask(
        self, order: Any, limit: float, phase: str, descriptors: tuple[int, ...] = ()
    ) -> tuple[Any, list[int]]:
        try:
            child = self._live_child()
            answer, received = child.ask(
                order, limit=limit, phase=phase, descriptors=descriptors, stop=self._stop
            )
        except (ChildTimedOut, ChildGone, ChildBrokeProtocol) as error:
            self._drop_child()
            # A hang would cost its time limit again with every solution.
            late = isinstance(error, ChildTimedOut)
            died = isinstance(error, ChildGone) and error.ended.signal == signal.SIGKILL
            raise ReferenceFailed(str(error), again=late, died=died) from None
        except ProtocolError as error:
            raise ReferenceFailed(f"{phase}: {error}") from None
        if isinstance(answer, protocol.Failure):
            again = answer.kind != "out_of_memory"
            raise ReferenceFailed(_failure_text(answer), again=again)
        return answer, received

    def _live_child(self) -> Child:
        if self._cannot_load:
            raise ReferenceFailed(self._cannot_load)
        if self._child is None:
            self._child = self._server.child(self._scratch, trusted=True)
            answer, _ = self._child.ask(
                protocol.LoadReference(definition=self._definition),
                limit=self._settings.build_limit_s,
                phase="loading the reference",
                stop=self._stop,
            )
            if isinstance(answer, protocol.Failure):
                self._cannot_load = _failure_text(answer)
                raise ReferenceFailed(self._cannot_load)
        return self._child

    def _forget(self, keep: Prepared | None = None) -> None:
        """Drop workloads used longest ago until the budgets hold."""
        while self._is_over_budget():
            (key, oldest) = next(iter(self._kept.items()))
            if oldest is keep:
                return
            del self._kept[key]
            self._release(oldest)

    def _is_over_budget(self) -> bool:
        kept = self._kept.values()
        # Few may be open where a user's limit is low.
        most = min(MOST_SETS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        return (
            sum(item.nbytes for item in kept) > BUDGET_BYTES
            or sum(len(item.sets) for item in kept) > most
        )

    def _release(self, prepared: Prepared) -> None:
        for item in prepared.sets:
            os.close(item.descriptor)
        if self._child is not None:
            keys = [item.key for item in prepared.sets]
            self._ask(protocol.Close(keys=keys), self._settings.call_limit_s, "forgetting")

    def _drop_child(self) -> None:
        """The child is of no use any more, and with it goes every expectation."""
        if self._child is not None:
            self._child.kill()
        self._child = None
        for prepared in self._kept.values():
            for item in prepared.sets:
                os.close(item.descriptor)
        self._kept.clear()

    def forget(self) -> None:
        """Give up everything that is kept; what is needed again is made again."""
        self._drop_child()

    def close(self) -> None:
        """End the trusted child and remove its folder."""
        self._drop_child()
        shutil.rmtree(self._scratch, ignore_errors=True)


class _ReferenceSeries(Series):
    """Timed calls whose failure is the reference's, not a solution's."""

    def _block(self, size: int, *, warmup: int = 0, cold: bool = True) -> protocol.Ticks:
        try:
            return super()._block(size, warmup=warmup, cold=cold)
        except ChildBrokeProtocol as error:
            raise ReferenceFailed(str(error)) from None


def _failure_text(failure: protocol.Failure) -> str:
    detail = f"\n{failure.trace}" if failure.trace else ""
    return f"{failure.error}: {failure.message}{detail}"
