"""Statistics of timed calls, and when to stop taking more. Plain Python, outside the child."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from engine.schema.run import Settings


class Summary(Struct, frozen=True, kw_only=True):
    """What is said of a series of timed calls; times in nanoseconds.

    Args:
        low: Lower end of the 95 % interval of the median.
        high: Upper end.
        interval: Half the width of that interval over the median, or None for too few samples.
    """

    n: int
    median: float
    mean: float
    low: float
    high: float
    p5: float
    p95: float
    interval: float | None


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear interpolation between order statistics."""
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median_interval(ordered: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the median from order statistics (binomial ranks, no model).

    Args:
        ordered: Sorted samples.

    Returns:
        Its ends, or None for fewer than six samples, where no such interval exists.
    """
    n = len(ordered)
    if n < 6:
        return None
    if n <= 60:
        # Largest rank whose lower binomial tail is at most 2.5 %.
        tail, rank = 0.0, 0
        for k in range(n):
            tail += math.comb(n, k) * 0.5**n
            if tail > 0.025:
                break
            rank = k + 1
    else:
        rank = math.floor((n - 1.96 * math.sqrt(n)) / 2)
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[n - rank]


def summarise(samples: Sequence[float]) -> Summary:
    """Summary of at least one sample.

    Raises:
        ValueError: There is none.
    """
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    median = quantile(ordered, 0.5)
    ends = median_interval(ordered)
    low, high = ends or (ordered[0], ordered[-1])
    interval = (high - low) / 2 / median if ends and median > 0 else None
    return Summary(
        n=len(ordered),
        median=median,
        mean=math.fsum(ordered) / len(ordered),
        low=low,
        high=high,
        p5=quantile(ordered, 0.05),
        p95=quantile(ordered, 0.95),
        interval=interval,
    )


RESOLUTION_NS = 32
"""The steps of a GPU's timestamps: no number of samples tells more than half of one."""
CLOCK_TOLERANCE = 0.03
"""How far the clock of a sample may be from the median of all."""


def steady(values: Sequence[int], clocks: Sequence[float]) -> tuple[list[int], int]:
    """The samples that were taken at the clock that most had.

    Args:
        values: Samples.
        clocks: Of each, in any unit; empty where unknown. A zero is unknown too.

    Returns:
        Those samples, and how many were left out.
    """
    known = sorted(clock for clock in clocks if clock > 0)
    if not known:
        return list(values), 0
    # One that was there: between two clocks there may be no sample at all.
    usual = known[len(known) // 2]
    kept = [
        value
        for value, clock in zip(values, clocks, strict=True)
        if clock <= 0 or abs(clock - usual) <= CLOCK_TOLERANCE * usual
    ]
    return kept, len(values) - len(kept)


def fewest_samples(settings: Settings, call_s: float) -> int:
    """Samples that a timing needs at least: fewer for slow calls, whose cost counts more."""
    for longer_than, bound in ((1.0, 3), (0.05, 5), (0.005, 10)):
        if call_s > longer_than:
            return min(bound, settings.min_samples)
    return settings.min_samples


def block_size(call_s: float) -> int:
    """How many calls to ask for at once: about a tenth of a second of them, at most 32."""
    return max(1, min(32, int(0.1 / max(call_s, 1e-6))))


def is_enough(summary: Summary, settings: Settings, elapsed_s: float) -> bool:
    """The stop rule: the median's interval is narrow enough, or the budget is spent."""
    if summary.n >= settings.max_samples:
        return True
    if summary.n < fewest_samples(settings, summary.median / 1e9):
        return False
    if elapsed_s >= settings.time_budget_s:
        return True
    if summary.interval is None:
        return False
    half = summary.interval * summary.median
    return half <= max(settings.interval * summary.median, RESOLUTION_NS / 2)
