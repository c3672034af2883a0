"""One figure of three trials, and which timer is the better one."""

from __future__ import annotations

import pytest

from engine.measure.trials import ALL_TIMED, ALL_UNTIMED, TIMED_CALLS, summarise_trials
from engine.schema.timers import best_of


def test_the_plan_is_flashinfer_benchs() -> None:
    assert (ALL_TIMED, ALL_UNTIMED) == (3 * 50, 3 * (1 + 5 + 10))


def test_the_figure_is_the_mean_of_the_medians_of_the_trials() -> None:
    # Each trial: 49 calls around its median, and one that would spoil a mean.
    trials = [[base + step for step in range(-24, 25)] + [90_000] for base in (1000, 2000, 6000)]
    samples = [value for trial in trials for value in trial]
    found = summarise_trials(samples)
    assert len(samples) == ALL_TIMED and found.n == ALL_TIMED
    assert found.median == pytest.approx((1000.5 + 2000.5 + 6000.5) / 3)
    assert found.low < found.median < found.high < found.median + 10
    assert found.interval == pytest.approx((found.high - found.low) / 2 / found.median)
    assert found.p5 < 1000 < 6000 < found.p95
    assert found.mean == pytest.approx(sum(samples) / ALL_TIMED)


@pytest.mark.parametrize("number", [0, 1, TIMED_CALLS, ALL_TIMED + 1])
def test_another_number_of_calls_is_no_three_trials(number: int) -> None:
    with pytest.raises(ValueError, match="are not 3 trials"):
        summarise_trials([1.0] * number)


def test_the_better_timer_comes_first() -> None:
    assert best_of({"events", "cupti", "kineto"}) == "cupti"
    assert best_of({"events", "events-blocked"}) == "events-blocked"
    assert best_of({"flashinfer-events", "flashinfer"}) == "flashinfer"
    assert best_of({"", "something else"}) == ""
    assert best_of({"unheard of", "events"}) == "events"
    assert best_of(set()) == ""
