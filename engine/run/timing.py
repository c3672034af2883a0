"""Asking children for timed calls until the stop rule is content, several of them in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from msgspec import Struct, field

from engine.measure.statistics import (
    Summary,
    block_size,
    fewest_samples,
    is_enough,
    steady,
    summarise,
)
from engine.measure.trials import ALL_TIMED, ALL_UNTIMED, summarise_trials
from engine.run import protocol
from engine.run.process import ChildBrokeProtocol
from engine.schema.run import Settings
from engine.schema.timers import FLASHINFER

WARMUP_CALLS = 2
WARM_CALLS = 12
"""Samples with the inputs in the L2 cache: a second figure, of which less is expected."""
_TURN = 16
"""Calls at once where two take turns, so that both see the same seconds of the device."""
_UNSTEADY = 0.2
"""Share of samples at another clock than the rest from which on that is told."""
UNSTEADY = "clock unsteady"


class Timing(Struct, kw_only=True):
    """Timed calls of one evaluation, and what is said of them; lists have one entry per call.

    Args:
        summary: Of the device times taken at a steady clock. By the timer ``flashinfer`` its
            ``median`` is the mean of the medians of the trials.
        device_ns: The device's, in nanoseconds.
        host_ns: The host's, from the start of the call to its return.
        busy_ns: How long the device was at work; empty where unknown.
        activities: Kernels, copies and memsets; empty where unknown.
        clock_mhz: Of the multiprocessors; empty where unknown.
        dropped: Samples that the summary leaves out, since the clock was another.
        kernels: Of the last call: [name, nanoseconds] in order of start.
        warm_ns: Device times with the inputs in the L2 cache; empty where not taken.
        together: Whether what it is compared with was measured in turns with it.
        flags: Conditions that a reader should know ("host_sync", "throttled: power cap").
    """

    timer: str
    summary: Summary
    device_ns: list[int]
    host_ns: list[int]
    busy_ns: list[int] = field(default_factory=list)
    activities: list[int] = field(default_factory=list)
    clock_mhz: list[float] = field(default_factory=list)
    dropped: int = 0
    kernels: list[tuple[str, int]] = field(default_factory=list)
    warm_ns: list[int] = field(default_factory=list)
    together: bool = False
    flags: list[str] = field(default_factory=list)

    @property
    def latency_ms(self) -> float:
        """The summary's median in milliseconds."""
        return self.summary.median / 1e6

    @property
    def host_us(self) -> float:
        """Median of how long the host was busy with a call, in microseconds."""
        return median(self.host_ns) / 1e3

    def flag(self, *words: str) -> None:
        """Add conditions that a reader should know."""
        self.flags = sorted({*self.flags, *words})


def ticks_of(answer: Any, calls: int) -> protocol.Ticks:
    """An answer to an order for timed calls.

    Raises:
        ChildBrokeProtocol: It is none.
    """
    if not isinstance(answer, protocol.Ticks):
        raise ChildBrokeProtocol(f"it sent {type(answer).__name__} instead of times")
    if len(answer.device_ns) != calls:
        raise ChildBrokeProtocol(f"{calls} timed calls gave {answer.device_ns[:8]} ...")
    for name in ("host_ns", "busy_ns", "activities", "clock_mhz"):
        if len(getattr(answer, name)) not in (0, calls):
            raise ChildBrokeProtocol(f"{name} is not of {calls} calls")
    return answer


class Series:
    """Timed calls of one child on the input sets of one workload.

    Args:
        ask: Sends an order to the child and returns its answer; raises where that fails.
        keys: Input sets to rotate through.
        settings: When it is enough, and by which timer.

    Attributes:
        whole: The timer has a plan of its own, which is carried out once and as a whole.
    """

    def __init__(self, ask: Callable[[Any], Any], keys: list[int], settings: Settings) -> None:
        self._ask = ask
        self._keys = keys
        self._settings = settings
        self._ticks: list[protocol.Ticks] = []
        self._warm: list[int] = []
        self._elapsed = 0.0
        self._dropped = 0
        self.summary: Summary | None = None
        self.whole = settings.timer == FLASHINFER

    def take(self, turn: int | None = None) -> Summary:
        """Ask for one more block.

        Args:
            turn: Calls at most, where others take turns with this one.

        Raises:
            ChildBrokeProtocol: The answer is not what was asked for.
        """
        if self.whole:
            self._ticks.append(self._block(ALL_TIMED, warmup=ALL_UNTIMED))
            self.summary = summarise_trials(self._joined("device_ns"))
            return self.summary
        taken = sum(len(ticks.device_ns) for ticks in self._ticks)
        size = 1
        if taken:
            # What a call costs in all, with the copies around it.
            per_call = self._elapsed / (taken + WARMUP_CALLS)
            most = self._settings.max_samples - taken
            size = min(block_size(per_call), most, turn or most)
        # The warm-up's length is what the first block costs most.
        started = time.monotonic()
        self._ticks.append(self._block(size, warmup=0 if taken else WARMUP_CALLS))
        self._elapsed += time.monotonic() - started
        # Rotate the sets, so that a block does not always start with the same one.
        self._keys = self._keys[1:] + self._keys[:1]
        kept, self._dropped = steady(self._joined("device_ns"), self._joined("clock_mhz"))
        self.summary = summarise(kept)
        return self.summary

    def _block(self, size: int, *, warmup: int = 0, cold: bool = True) -> protocol.Ticks:
        order = protocol.Block(
            keys=self._keys, n=size, warmup=warmup, timer=self._settings.timer, cold=cold
        )
        return ticks_of(self._ask(order), size)

    @property
    def enough(self) -> bool:
        """Whether the stop rule is content."""
        if self.summary is None:
            return False
        taken = sum(len(ticks.device_ns) for ticks in self._ticks)
        if self.whole or taken >= self._settings.max_samples:
            return True
        return is_enough(self.summary, self._settings, self._elapsed)

    def take_warm(self) -> None:
        """Take some samples with the inputs in the L2 cache, fewer of slow calls."""
        if self.whole:
            return
        assert self.summary is not None
        calls = fewest_samples(self._settings, self.summary.median / 1e9)
        self._warm = self._block(min(WARM_CALLS, calls), cold=False).device_ns

    def _joined(self, name: str) -> list[Any]:
        """One figure of all calls; empty if it is unknown of one of them."""
        parts = [getattr(ticks, name) for ticks in self._ticks]
        return [value for part in parts for value in part] if all(parts) else []

    def timing(self) -> Timing:
        """All of it; at least one block has been taken."""
        assert self.summary is not None
        timing = Timing(
            timer=self._ticks[-1].timer,
            summary=self.summary,
            device_ns=self._joined("device_ns"),
            host_ns=self._joined("host_ns"),
            busy_ns=self._joined("busy_ns"),
            activities=self._joined("activities"),
            clock_mhz=self._joined("clock_mhz"),
            dropped=self._dropped,
            kernels=self._ticks[-1].kernels,
            warm_ns=self._warm,
            flags=sorted({flag for ticks in self._ticks for flag in ticks.flags}),
        )
        if self._dropped > _UNSTEADY * len(timing.device_ns):
            timing.flag(UNSTEADY)
        return timing


def take_turns(series: Sequence[Series], report: Callable[[Summary], None]) -> None:
    """Take samples block by block, of each in turn, until all have enough.

    Args:
        series: What is to be compared; the first is reported of.
        report: Called with the running summary after each of its blocks.

    Raises:
        ChildBrokeProtocol: An answer is not what was asked for.
    """
    turn = _TURN if len(series) > 1 else None
    while waiting := [one for one in series if not one.enough]:
        for one in waiting:
            summary = one.take(turn)
            if one is series[0]:
                report(summary)


def speedup_interval(solution: Summary, reference: Summary) -> tuple[float, float]:
    """Ends of an interval of the ratio of two medians, from theirs; for a speed-up.

    Both ends of one against the opposite ends of the other: never too narrow.
    """
    return reference.low / max(solution.high, 1e-9), reference.high / max(solution.low, 1e-9)
