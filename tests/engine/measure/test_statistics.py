"""Statistics of timed calls, held against what the binomial distribution says exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.measure.statistics import (
    RESOLUTION_NS,
    Summary,
    block_size,
    fewest_samples,
    is_enough,
    median_interval,
    quantile,
    steady,
    summarise,
)
from engine.schema import Settings

SETTINGS = Settings()


@pytest.mark.parametrize("share", [0.0, 0.05, 0.25, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3, 10, 101])
def test_quantiles_are_interpolated_as_numpy_does(share: float, n: int) -> None:
    samples = sorted(np.random.default_rng(n).random(n).tolist())
    assert quantile(samples, share) == pytest.approx(float(np.quantile(samples, share)))


def coverage(n: int, rank: int) -> float:
    """Chance that the median lies between the samples of this rank from below and above."""
    return 1 - 2 * sum(math.comb(n, k) for k in range(rank)) / 2**n


@pytest.mark.parametrize("n", range(6, 61))
def test_the_medians_interval_is_the_narrowest_that_covers_95_percent(n: int) -> None:
    ends = median_interval(list(range(1, n + 1)))
    assert ends is not None
    low, high = int(ends[0]), int(ends[1])
    assert high == n + 1 - low
    assert coverage(n, low) >= 0.95
    assert coverage(n, low + 1) < 0.95


@pytest.mark.parametrize("n", [*range(61, 200), 400, 1000])
def test_the_interval_of_many_samples_covers_95_percent_but_for_rounding(n: int) -> None:
    ends = median_interval(list(range(1, n + 1)))
    assert ends is not None
    assert 0.947 < coverage(n, int(ends[0])) < 0.98


@pytest.mark.parametrize("n", range(6))
def test_fewer_than_six_samples_have_no_interval(n: int) -> None:
    assert median_interval(list(range(n))) is None


def test_a_summary_says_what_is_known_of_the_samples() -> None:
    samples = [float(value) for value in (30, 10, 20, 50, 40, 60, 70)]
    found = summarise(samples)
    assert (found.n, found.median, found.mean) == (7, 40.0, 40.0)
    assert (found.low, found.high) == (10.0, 70.0)
    assert (found.p5, found.p95) == (pytest.approx(13), pytest.approx(67))
    assert found.interval == pytest.approx(30 / 40)
    assert samples[0] == 30.0


def test_a_summary_of_few_samples_has_their_range_and_no_interval() -> None:
    found = summarise([1.0, 3.0])
    assert (found.low, found.high, found.median, found.interval) == (1.0, 3.0, 2.0, None)


def test_a_median_of_zero_has_no_relative_interval() -> None:
    assert summarise([0.0] * 10).interval is None


def test_there_is_no_summary_of_nothing() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarise([])


@pytest.mark.parametrize(
    ("call_s", "fewest"), [(1e-6, 20), (0.005, 20), (0.006, 10), (0.06, 5), (1.1, 3), (100.0, 3)]
)
def test_slow_calls_need_fewer_samples(call_s: float, fewest: int) -> None:
    assert fewest_samples(SETTINGS, call_s) == fewest


def test_no_call_needs_more_samples_than_the_settings_ask_for() -> None:
    assert fewest_samples(Settings(min_samples=2), 10.0) == 2


@pytest.mark.parametrize(
    ("call_s", "size"), [(1e-6, 32), (0.0, 32), (0.01, 10), (0.09, 1), (9.0, 1)]
)
def test_a_block_takes_about_a_tenth_of_a_second(call_s: float, size: int) -> None:
    assert block_size(call_s) == size


def summary(n: int, interval: float | None = None, median: float = 1000.0) -> Summary:
    return Summary(
        n=n,
        median=median,
        mean=median,
        low=median,
        high=median,
        p5=median,
        p95=median,
        interval=interval,
    )


def test_a_narrow_interval_is_enough() -> None:
    assert is_enough(summary(20, SETTINGS.interval, 1e6), SETTINGS, 0.0)
    assert not is_enough(summary(20, SETTINGS.interval * 1.01, 1e6), SETTINGS, 0.0)


def test_an_interval_within_a_step_of_the_clock_is_enough() -> None:
    assert is_enough(summary(20, RESOLUTION_NS / 2 / 1700, 1700.0), SETTINGS, 0.0)
    assert not is_enough(summary(20, RESOLUTION_NS * 0.51 / 1700, 1700.0), SETTINGS, 0.0)


def test_a_narrow_interval_of_too_few_samples_is_not_enough() -> None:
    assert not is_enough(summary(19, 0.0), SETTINGS, 0.0)


def test_a_spent_budget_is_enough_once_the_fewest_samples_are_there() -> None:
    assert is_enough(summary(20, 1.0), SETTINGS, SETTINGS.time_budget_s)
    assert not is_enough(summary(19, 1.0), SETTINGS, 1000.0)


def test_slow_calls_end_after_few_samples_without_an_interval() -> None:
    assert is_enough(summary(3, None, median=2e9), SETTINGS, 6.0)
    assert not is_enough(summary(2, None, median=2e9), SETTINGS, 4.0)


def test_the_most_samples_are_enough_whatever_they_say() -> None:
    assert is_enough(summary(SETTINGS.max_samples, 1.0), SETTINGS, 0.0)


@pytest.mark.parametrize("times", [1, 2, 8])
def test_two_clocks_equally_often_leave_the_samples_of_one(times: int) -> None:
    kept, dropped = steady([5, 4] * times, [1400.0, 1980.0] * times)
    assert kept == [4] * times
    assert dropped == times
