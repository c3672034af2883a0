"""From calls of two solutions that were timed in turns to a verdict. Plain Python, no device.

Two levels of noise are told apart. Within a process, A and B take turns block by block, so that
what drifts hits both, and each pair of neighbouring blocks gives a ratio. Between processes, the
same code differs by what a process happens to get (addresses, pages, the place of its code): no
number of calls in one process shows that. So the process is the unit, and intervals are Student's t
over the logarithms of the processes' ratios.

Three to eight processes tell little of their own spread: a few that agree by chance would make
anything look certain. So the observed variance is averaged with an expected one (moderated t:
G. K. Smyth 2004, "Linear models and empirical Bayes methods", section 3), and is never taken to be
less than what the blocks within a process explain. ``tests/engine/measure/test_verdicts.py``
simulates what that gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from statistics import fmean, variance

from msgspec import Struct

from engine.schema.run import Ratio, Verdict

FEWEST_PROCESSES = 3
MOST_PROCESSES = 8
"""Processes of each solution after which an unclear verdict stays one."""

CLOCKS_DIFFERED = "clocks differed"
NOT_TOGETHER = "not measured together"
LEAST_SPREAD = 0.05
"""Spread between processes that is assumed at least where it has hardly been seen."""

Pair = tuple[Sequence[float], Sequence[float]]
"""Times of a block of A and of the block of B beside it, in any unit, all above 0."""
Process = Sequence[Pair]
"""All blocks of one process of each, in the order of measuring."""

_JITTER_NS = 2
"""Timestamps are converted from the device's clock to the host's, which rounds."""
_LONGEST_TICK_NS = 64
"""Twice the step of the device timestamps of recent GPUs."""


class Rule(Struct, frozen=True, kw_only=True):
    """When a difference is one.

    Args:
        least: Smallest relative difference that is worth a verdict; less is the same.
        level: Of the interval that is reported, and must lie within ``least`` for "same".
        sure: Of the interval that must exclude 1 for "faster" and "slower". Far above 99 %, since
            up to six looks are taken: of 4,000 simulated comparisons of a kernel with itself three
            were wrong where the spread between processes was 1 %, and none where it was less.
        expected_spread: Standard deviation between processes that is expected of a ratio.
        expected_weight: How many observations that expectation counts for.
    """

    least: float = 0.01
    level: float = 0.95
    sure: float = 0.9995
    expected_spread: float = 0.01
    expected_weight: int = 3


DEFAULT = Rule()


class Estimate(Struct, frozen=True, kw_only=True):
    """The logarithm of B's time over A's, and how well it is known.

    Args:
        middle: Its mean over the processes.
        error: Standard error of that.
        freedom: Degrees of freedom of the error.
        margin: Logarithm of the smallest ratio that counts as a difference.
        rule: By which it is judged.
    """

    middle: float
    error: float
    freedom: int
    margin: float
    rule: Rule

    @property
    def ratio(self) -> Ratio:
        """As it is reported."""
        half = self._half(self.rule.level)
        low, high = self.middle - half, self.middle + half
        return Ratio(value=math.exp(self.middle), low=math.exp(low), high=math.exp(high))

    @property
    def verdict(self) -> Verdict:
        """What it says for itself."""
        if abs(self.middle) >= self.margin and abs(self.middle) > self._half(self.rule.sure):
            return Verdict.SLOWER if self.middle > 0 else Verdict.FASTER
        if abs(self.middle) + self._half(self.rule.level) <= self.margin:
            return Verdict.SAME
        return Verdict.UNCLEAR

    def _half(self, level: float) -> float:
        return student_quantile(level, self.freedom) * self.error


class Judgement(Struct, frozen=True, kw_only=True):
    """What a comparison found on one workload.

    Args:
        reason: Why the verdict is unclear, or "".
        cycles: None where the clock is not known.
    """

    verdict: Verdict
    reason: str
    time: Ratio
    cycles: Ratio | None


def judge(
    time: Sequence[Process], cycles: Sequence[Process] | None = None, rule: Rule = DEFAULT
) -> Judgement:
    """Judge what has been measured so far.

    A verdict in time stands only if cycles do not contradict it: "faster" and "slower" need the
    same verdict in cycles, "same" must not be a difference there that the clocks made up for.

    Args:
        time: Nanoseconds, of at least two processes.
        cycles: The same calls in cycles, where the clocks are known.
        rule: When a difference is one.

    Raises:
        ValueError: There are fewer than two processes, or a time is 0.
    """
    margin = math.log1p(max(rule.least, resolution(time)))
    by_time = _estimate(time, margin, rule)
    by_cycles = None if cycles is None else _estimate(cycles, margin, rule)
    verdict, reason = by_time.verdict, ""
    if verdict is Verdict.UNCLEAR:
        reason = f"the difference is not known well enough after {len(time)} processes of each"
    elif by_cycles is not None and by_cycles.verdict is not verdict:
        if by_cycles.verdict is not Verdict.UNCLEAR:
            verdict, reason = Verdict.UNCLEAR, CLOCKS_DIFFERED
        elif verdict is not Verdict.SAME:
            reason = f"{verdict} in time, but not known well enough in cycles"
            verdict = Verdict.UNCLEAR
    return Judgement(
        verdict=verdict,
        reason=reason,
        time=by_time.ratio,
        cycles=None if by_cycles is None else by_cycles.ratio,
    )


def _estimate(processes: Sequence[Process], margin: float, rule: Rule) -> Estimate:
    if len(processes) < 2:
        raise ValueError("one process says nothing of the spread between processes")
    ratios = [[log_ratio(pair) for pair in process] for process in processes]
    middles = [centre(found) for found in ratios]
    freedom = rule.expected_weight + len(middles) - 1
    between = (
        rule.expected_weight * rule.expected_spread**2 + (len(middles) - 1) * variance(middles)
    ) / freedom
    within = fmean(variance(found) / len(found) if len(found) > 1 else 0.0 for found in ratios)
    return Estimate(
        middle=fmean(middles),
        error=math.sqrt(max(between, within) / len(middles)),
        freedom=freedom,
        margin=margin,
        rule=rule,
    )


def log_ratio(pair: Pair) -> float:
    """Logarithm of B's time over A's in two neighbouring blocks.

    Raises:
        ValueError: One of them took no time.
    """
    before, after = centre(pair[0]), centre(pair[1])
    if before <= 0 or after <= 0:
        raise ValueError("a timed block took no time")
    return math.log(after / before)


def centre(values: Iterable[float]) -> float:
    """Mean of the middle half, at least.

    As the median it bears a quarter of outliers on each side. Unlike the median it does not jump
    from one tick of the clock to the next: a kernel of 2 us is some 60 ticks of 32 ns long.
    """
    ordered = sorted(values)
    cut = len(ordered) // 4
    return fmean(ordered[cut : len(ordered) - cut])


def resolution(processes: Sequence[Process]) -> float:
    """The step of the timestamps over the shorter of the two times; 0 where it cannot be seen."""
    blocks = [block for process in processes for pair in process for block in pair]
    values = sorted({value for block in blocks for value in block})
    gaps = [after - before for before, after in pairwise(values)]
    step = min((gap for gap in gaps if gap > _JITTER_NS), default=0.0)
    shortest = min(centre(block) for block in blocks)
    return min(step, _LONGEST_TICK_NS) / shortest if shortest > 0 else 0.0


class Latency(Struct, frozen=True, kw_only=True):
    """What a trace says of a solution's time."""

    latency_ms: float
    timer: str
    hardware: str


def verdict_of_separate(a: Latency, b: Latency, spread: float) -> tuple[Verdict, str]:
    """Judge two evaluations that were made apart, at different times and in different processes.

    Args:
        a: Of the first solution; ``b`` of the second, on the same workload.
        spread: By how much evaluations of one and the same thing have been seen to differ.

    Returns:
        What B is against A, and why that is unclear.
    """
    for what, one, other in (("hardware", a.hardware, b.hardware), ("timers", a.timer, b.timer)):
        if one != other:
            return Verdict.UNCLEAR, f"different {what}: {one or 'unknown'}, {other or 'unknown'}"
    if a.latency_ms <= 0 or b.latency_ms <= 0:
        return Verdict.UNCLEAR, "no latency"
    ratio = b.latency_ms / a.latency_ms
    if max(ratio, 1 / ratio) <= 1 + max(spread, LEAST_SPREAD):
        return Verdict.UNCLEAR, NOT_TOGETHER
    return (Verdict.SLOWER if ratio > 1 else Verdict.FASTER), ""


def spread_of(groups: Iterable[Sequence[float]]) -> float:
    """Largest relative difference within groups of latencies that should be one and the same."""
    return max((max(group) / min(group) - 1 for group in groups if min(group) > 0), default=0.0)


@cache
def student_quantile(level: float, freedom: int) -> float:
    """Half width of Student's t interval of a level, for a standard error of 1.

    By bisection of the probability, which is a finite sum for whole degrees of freedom
    (M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4).
    """
    low, high = 0.0, 1.0
    while _within(high, freedom) < level:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < level else (low, middle)
    return high


def _within(bound: float, freedom: int) -> float:
    """Probability that a Student's t lies within +-``bound``."""
    angle = math.atan2(bound, math.sqrt(freedom))
    square = math.cos(angle) ** 2
    odd = freedom % 2
    total, term = 0.0, math.cos(angle) if odd else 1.0
    for k in range(1 + odd, freedom, 2):
        total += term
        term *= square * k / (k + 1)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
