"""From timed calls to same, faster, slower or unclear: on simulated noise, since that is known."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable

import pytest
from msgspec import Struct

from engine.measure.verdicts import (
    CLOCKS_DIFFERED,
    FEWEST_PROCESSES,
    MOST_PROCESSES,
    NOT_TOGETHER,
    Judgement,
    Latency,
    Process,
    centre,
    judge,
    resolution,
    spread_of,
    student_quantile,
    verdict_of_separate,
)
from engine.schema.run import Verdict

MHZ = 1755.0
ORDER = "ABBAABBA"
CALLS = 24


class Noise(Struct, frozen=True, kw_only=True):
    """What disturbs simulated calls; shares of the latency unless said otherwise.

    Args:
        spread: Standard deviation of what a process happens to get.
        modes: The same, but one of two values by lot.
        calls: Standard deviation of single calls.
        outliers: Share of calls that take up to half as long again.
        drift: By how much the clock may change while a pair of processes is measured.
        tick_ns: Step of the timestamps.
    """

    spread: float = 0.005
    modes: float = 0.0
    calls: float = 0.005
    outliers: float = 0.02
    drift: float = 0.02
    tick_ns: float = 32.0


def simulate(
    lot: random.Random, noise: Noise, latency_ns: float, effect: float, clock: float = 1.0
) -> tuple[Process, Process]:
    """One pair of processes: their calls in nanoseconds and in cycles.

    Args:
        lot: Decides.
        noise: What disturbs.
        latency_ns: Of A.
        effect: How many times the cycles of A B takes.
        clock: How many times the clock of A B runs at.
    """
    drift = lot.uniform(-noise.drift, noise.drift)
    own = {side: lot.gauss(1, noise.spread) * (1 + noise.modes * lot.randrange(2)) for side in "AB"}
    blocks: dict[str, list[tuple[list[float], list[float]]]] = {"A": [], "B": []}
    for position, side in enumerate(ORDER):
        speed = 1 + drift * position / len(ORDER)
        if side == "B":
            speed *= clock
        times, cycles = [], []
        for _ in range(CALLS):
            took = latency_ns * own[side] * lot.gauss(1, noise.calls) / speed
            took *= effect if side == "B" else 1
            if lot.random() < noise.outliers:
                took *= lot.uniform(1, 1.5)
            start = lot.random() * noise.tick_ns
            ticks = math.floor((start + took) / noise.tick_ns)
            times.append(ticks * noise.tick_ns)
            cycles.append(times[-1] * MHZ * speed * lot.gauss(1, 0.002) / 1000)
        blocks[side].append((times, cycles))
    pairs = list(zip(blocks["A"], blocks["B"], strict=True))
    time = [(a[0], b[0]) for a, b in pairs]
    return time, [(a[1], b[1]) for a, b in pairs]


def compare(
    lot: random.Random,
    noise: Noise,
    effect: float,
    latency_ns: float = 20_000.0,
    clock: float = 1.0,
) -> tuple[Judgement, int]:
    """Take processes as a runner does, until the verdict is clear.

    Returns:
        The judgement, and how many processes it took.
    """
    time: list[Process] = []
    cycles: list[Process] = []
    while True:
        made = simulate(lot, noise, latency_ns, effect, clock)
        time.append(made[0])
        cycles.append(made[1])
        if len(time) < FEWEST_PROCESSES:
            continue
        found = judge(time, cycles)
        if found.verdict is not Verdict.UNCLEAR or len(time) == MOST_PROCESSES:
            return found, len(time)


def verdicts(
    number: int, noise: Noise, effect: float, seed: int = 1, **others: float
) -> Counter[Verdict]:
    lot = random.Random(seed)
    return Counter(compare(lot, noise, effect, **others)[0].verdict for _ in range(number))


NOISES = {
    "little": Noise(spread=0.001),
    "usual": Noise(spread=0.003),
    "much": Noise(spread=0.005),
    "very much": Noise(spread=0.01),
    "two modes": Noise(spread=0.002, modes=0.01),
    "outliers": Noise(spread=0.003, outliers=0.1),
    "an unsteady clock": Noise(spread=0.003, drift=0.1),
}


@pytest.mark.parametrize("name", NOISES)
def test_a_kernel_is_hardly_ever_told_from_itself(name: str) -> None:
    found = verdicts(60, NOISES[name], 1.0)
    assert found[Verdict.FASTER] + found[Verdict.SLOWER] == 0


@pytest.mark.parametrize("name", ["little", "usual", "outliers", "an unsteady clock"])
def test_a_kernel_is_mostly_the_same_as_itself(name: str) -> None:
    assert verdicts(40, NOISES[name], 1.0)[Verdict.SAME] >= 34


@pytest.mark.parametrize("name", [name for name in NOISES if name != "very much"])
def test_three_percent_are_told_in_both_directions(name: str) -> None:
    assert verdicts(40, NOISES[name], 1.03)[Verdict.SLOWER] >= 39
    assert verdicts(40, NOISES[name], 1 / 1.03)[Verdict.FASTER] >= 39


def test_three_percent_of_two_microseconds_are_told_in_spite_of_the_ticks() -> None:
    noise = NOISES["usual"]
    assert verdicts(40, noise, 1.03, latency_ns=1900.0)[Verdict.SLOWER] >= 39
    itself = verdicts(60, noise, 1.0, latency_ns=1900.0)
    assert itself[Verdict.FASTER] + itself[Verdict.SLOWER] == 0
    assert itself[Verdict.SAME] >= 54


def test_half_a_percent_is_no_difference_that_counts() -> None:
    found = verdicts(40, NOISES["little"], 1.005)
    assert found[Verdict.FASTER] + found[Verdict.SLOWER] == 0


def test_ten_percent_need_no_more_than_the_fewest_processes() -> None:
    lot = random.Random(3)
    assert [compare(lot, NOISES["usual"], 1.1)[1] for _ in range(20)] == [FEWEST_PROCESSES] * 20


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    lot = random.Random(4)
    truth = 1.02
    held = 0
    for _ in range(100):
        time = [simulate(lot, NOISES["much"], 20_000.0, truth)[0] for _ in range(5)]
        ratio = judge(time).time
        held += ratio.low <= truth <= ratio.high
    assert held >= 93


def test_a_clock_that_runs_slower_for_one_of_them_is_no_difference_of_kernels() -> None:
    found, taken = compare(random.Random(5), NOISES["little"], 1.0, clock=0.96)
    assert (found.verdict, found.reason) == (Verdict.UNCLEAR, CLOCKS_DIFFERED)
    assert found.time.low > 1.03
    assert found.cycles is not None
    assert found.cycles.low < 1 < found.cycles.high
    assert taken == MOST_PROCESSES


def test_a_clock_that_makes_up_for_a_difference_hides_it_from_nobody() -> None:
    found, _ = compare(random.Random(6), NOISES["little"], 1.04, clock=1.04)
    assert (found.verdict, found.reason) == (Verdict.UNCLEAR, CLOCKS_DIFFERED)


def test_without_clocks_time_decides_alone() -> None:
    lot = random.Random(7)
    time = [simulate(lot, NOISES["usual"], 20_000.0, 1.1, clock=1.02)[0] for _ in range(4)]
    found = judge(time)
    assert found.verdict is Verdict.SLOWER
    assert found.cycles is None


def test_few_calls_of_slow_kernels_are_enough() -> None:
    time = [[([1e9], [1.2e9]), ([1.01e9], [1.2e9])] for _ in range(3)]
    assert judge(time).verdict is Verdict.SLOWER


def test_an_unclear_verdict_says_how_much_was_tried() -> None:
    swap: Callable[[float], Process] = lambda by: [([1e6], [1e6 * by])] * 4  # noqa: E731
    found = judge([swap(1.2), swap(0.8), swap(1.1)])
    assert found.verdict is Verdict.UNCLEAR
    assert "after 3 processes" in found.reason


@pytest.mark.parametrize("bad", [[[([1.0], [1.0])]], [[([0.0], [1.0])], [([1.0], [1.0])]]])
def test_what_cannot_be_judged_is_refused(bad: list[Process]) -> None:
    with pytest.raises(ValueError, match=r"process|no time"):
        judge(bad)


def test_outliers_do_not_move_the_centre() -> None:
    assert centre([10.0, 10.0, 10.0, 500.0]) == 10.0
    assert centre([10.0, 12.0]) == 11.0
    assert centre([7.0]) == 7.0


def test_the_step_of_the_clock_is_found_behind_rounding() -> None:
    ticks = [1888.0, 1887.0, 1920.0, 1919.0, 1952.0]
    assert resolution([[(ticks, ticks)]]) == pytest.approx(31 / 1913.2, rel=0.1)
    assert resolution([[([1000.0], [1000.0])]]) == 0.0


@pytest.mark.parametrize(
    ("level", "freedom", "quantile"),
    [(0.95, 1, 12.706), (0.95, 2, 4.303), (0.95, 5, 2.571), (0.99, 10, 3.169), (0.999, 8, 5.041)],
)
def test_the_quantiles_are_those_of_the_tables(level: float, freedom: int, quantile: float) -> None:
    assert student_quantile(level, freedom) == pytest.approx(quantile, abs=6e-4)


def latency(milliseconds: float, timer: str = "cupti", hardware: str = "H200") -> Latency:
    return Latency(latency_ms=milliseconds, timer=timer, hardware=hardware)


@pytest.mark.parametrize(
    ("a", "b", "spread", "verdict", "reason"),
    [
        (1.0, 1.04, 0.0, Verdict.UNCLEAR, NOT_TOGETHER),
        (1.0, 1.06, 0.0, Verdict.SLOWER, ""),
        (1.06, 1.0, 0.0, Verdict.FASTER, ""),
        (1.0, 1.06, 0.08, Verdict.UNCLEAR, NOT_TOGETHER),
        (1.0, 0.0, 0.0, Verdict.UNCLEAR, "no latency"),
    ],
)
def test_separate_runs_differ_only_beyond_what_processes_do(
    a: float, b: float, spread: float, verdict: Verdict, reason: str
) -> None:
    assert verdict_of_separate(latency(a), latency(b), spread) == (verdict, reason)


def test_nothing_is_compared_across_timers_or_hardware() -> None:
    found = verdict_of_separate(latency(1.0), latency(9.0, timer="events"), 0.0)
    assert found == (Verdict.UNCLEAR, "different timers: cupti, events")
    found = verdict_of_separate(latency(1.0), latency(9.0, hardware="B200"), 0.0)
    assert found == (Verdict.UNCLEAR, "different hardware: H200, B200")


def test_the_spread_is_the_largest_within_any_group() -> None:
    assert spread_of([[1.0, 1.02], [5.0, 5.5, 5.2], [7.0]]) == pytest.approx(0.1)
    assert spread_of([]) == 0.0
