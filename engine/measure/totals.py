"""What the comparisons of two solutions on many workloads come to. Plain Python, no device."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct, field

from engine.schema.run import Ratio, Verdict

MOST_VALUES = 8
"""Lengths of an axis up to which there is a subtotal for each."""


class Compared(Struct, frozen=True, kw_only=True):
    """Two solutions on one workload.

    Args:
        workload: uuid.
        axes: Lengths of its axes.
        verdict: What B is against A.
        reason: Why it is unclear, or what failed.
        a_ms: Latency of A in milliseconds, ``b_ms`` of B; None where there is none to be compared.
        time: B's latency over A's with its interval, where they were measured together.
        cycles: The same in cycles, where the clocks are known.
        hardware: Model of the device.
        timer: Name of the timer.
        processes: Fresh processes of each; 0 where they were not measured together.
        flags: Conditions that a reader should know.
    """

    workload: str
    axes: dict[str, int]
    verdict: Verdict
    reason: str = ""
    a_ms: float | None = None
    b_ms: float | None = None
    time: Ratio | None = None
    cycles: Ratio | None = None
    hardware: str = ""
    timer: str = ""
    processes: int = 0
    flags: list[str] = field(default_factory=list)

    @property
    def value(self) -> float | None:
        """B's latency over A's."""
        if self.time is not None:
            return self.time.value
        return self.b_ms / self.a_ms if self.a_ms and self.b_ms else None


class Totals(Struct, frozen=True, kw_only=True):
    """Some workloads together.

    Args:
        workloads: How many have a ratio.
        geomean: Geometric mean of the ratios, B over A; every workload counts the same.
        low: Lower end of its 95 % interval, None where a workload has none; ``high`` the upper.
        weighted: Sum of B's latencies over the sum of A's; slow workloads count more.
        a_ms: Sum of A's latencies in milliseconds; ``b_ms`` of B's.
        verdicts: How many of each, of all workloads.
    """

    workloads: int
    geomean: float | None
    low: float | None
    high: float | None
    weighted: float | None
    a_ms: float
    b_ms: float
    verdicts: dict[str, int]


def total(rows: Sequence[Compared]) -> Totals:
    """Sum workloads up. Those without a ratio count in ``verdicts`` only."""
    verdicts = Counter(row.verdict.value for row in rows)
    counts = {item.value: verdicts[item.value] for item in Verdict if verdicts[item.value]}
    rated = [(row, math.log(row.value)) for row in rows if row.value]
    a = math.fsum(row.a_ms or 0.0 for row, _ in rated)
    b = math.fsum(row.b_ms or 0.0 for row, _ in rated)
    if not rated:
        return Totals(
            workloads=0,
            geomean=None,
            low=None,
            high=None,
            weighted=None,
            a_ms=a,
            b_ms=b,
            verdicts=counts,
        )
    middle = math.fsum(logarithm for _, logarithm in rated) / len(rated)
    halves = [_half(row.time) for row, _ in rated if row.time is not None]
    # Errors of workloads that were measured one after another are independent.
    half = math.hypot(*halves) / len(rated) if len(halves) == len(rated) else None
    return Totals(
        workloads=len(rated),
        geomean=math.exp(middle),
        low=None if half is None else math.exp(middle - half),
        high=None if half is None else math.exp(middle + half),
        weighted=b / a if a > 0 else None,
        a_ms=a,
        b_ms=b,
        verdicts=counts,
    )


def _half(ratio: Ratio) -> float:
    return math.log(ratio.high / ratio.low) / 2


def by_axis(rows: Sequence[Compared], most: int = MOST_VALUES) -> dict[str, dict[int, Totals]]:
    """Subtotals for each length of those axes that have few of them.

    Args:
        rows: Workloads of one definition.
        most: Lengths of an axis at most. Axes on which all workloads agree, or none, have no
            subtotals: they would say nothing new.
    """
    found: dict[str, dict[int, Totals]] = {}
    for name in dict.fromkeys(name for row in rows for name in row.axes):
        groups: dict[int, list[Compared]] = {}
        for row in rows:
            if name in row.axes:
                groups.setdefault(row.axes[name], []).append(row)
        if 1 < len(groups) <= most and len(groups) < len(rows):
            found[name] = {length: total(groups[length]) for length in sorted(groups)}
    return found
