"""The fastest result known of every workload: who beats it has to do so twice."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from msgspec import Struct, field

from engine.measure.statistics import Summary
from engine.schema.names import Status
from engine.store import TraceRow

AGREE = 0.02
"""How far the medians of two fresh processes may be apart, unless their intervals are wider."""


class Confirmation(Struct, kw_only=True):
    """A second evaluation of a new best, in a fresh process and on inputs from another seed.

    Args:
        median_us: Its median, in microseconds; None where it did not come to that.
        agrees: Whether it says the same.
    """

    seed: str
    median_us: float | None = None
    agrees: bool = False


class Incumbents(Struct):
    """Shortest latencies in ms by (definition, workload, hardware, timer), with whose they are."""

    _best: dict[tuple[str, str, str, str], tuple[float, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def learn(self, rows: Iterable[TraceRow]) -> None:
        """Take in what has been measured before."""
        for row in rows:
            if row.status == Status.PASSED and row.latency_ms is not None:
                key = row.definition, row.workload, row.hardware, row.timer
                self.offer(key, row.latency_ms, row.solution)

    def offer(self, key: tuple[str, str, str, str], latency_ms: float, solution: str) -> None:
        """Take in a result that stands: what is made again, or fails then, was no best.

        Nothing beats one without any device work, so that it would keep all others from being
        held against each other.
        """
        if latency_ms <= 0:
            return
        with self._lock:
            known = self._best.get(key)
            if known is None or latency_ms < known[0]:
                self._best[key] = latency_ms, solution

    def beaten(self, key: tuple[str, str, str, str], summary: Summary, solution: str) -> bool:
        """Whether a result is clearly faster than the best of any other solution.

        Args:
            key: (definition, workload, hardware, timer).
            summary: Of the times, in nanoseconds.
            solution: Whose.
        """
        with self._lock:
            known = self._best.get(key)
        return known is not None and known[1] != solution and summary.high / 1e6 < known[0]


def agree(first: Summary, second: Summary) -> bool:
    """Whether two processes say the same of one solution."""
    apart = abs(second.median / max(first.median, 1e-9) - 1)
    return apart <= max(AGREE, (first.interval or 0) + (second.interval or 0))
