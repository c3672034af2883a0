"""Estimates of what an evaluation will cost."""

from __future__ import annotations

import pytest

from engine.evaluate.facts import Rule
from engine.evaluate.registry import Plan
from engine.run.estimate import CallTimes, reference_seconds, solution_seconds
from engine.run.timing import WARMUP_CALLS
from engine.schema import Settings


def seen(*calls: tuple[dict[str, int], float]) -> CallTimes:
    times = CallTimes()
    for axes, seconds in calls:
        times.add(axes, seconds)
    return times


def plan(sets: int = 3, repeat: int = 1) -> Plan:
    return Plan(evaluator="default", sets=sets, repeat=repeat, rule=Rule(atol=0, rtol=0))


def test_nothing_seen_is_nothing_known() -> None:
    assert seen().predict({"M": 5}) is None


def test_the_same_lengths_take_the_same_time() -> None:
    assert seen(({"M": 5}, 2.0)).predict({"M": 5}) == 2.0


def test_time_grows_with_the_axis_that_grew_most() -> None:
    assert seen(({"M": 5, "N": 2}, 2.0)).predict({"M": 10, "N": 20}) == 20.0


def test_a_smaller_workload_is_never_thought_slower_to_scale_than_it_was() -> None:
    assert seen(({"M": 10}, 2.0)).predict({"M": 5}) == 2.0


def test_the_nearest_workload_decides() -> None:
    times = seen(({"M": 1}, 1.0), ({"M": 100}, 10.0))
    assert times.predict({"M": 200}) == 20.0
    assert times.predict({"M": 2}) == 2.0


def test_a_much_larger_workload_does_not_make_a_small_one_look_slow() -> None:
    assert seen(({"M": 10}, 1.0), ({"M": 100_000}, 900.0)).predict({"M": 20}) == 2.0


def test_axes_of_no_length_say_nothing() -> None:
    assert seen(({"M": 0, "N": 2}, 1.0)).predict({"M": 9, "N": 4}) == 2.0
    assert seen(({"M": 0}, 1.0)).predict({"M": 9}) == 1.0
    assert seen(({"M": 5}, 1.0)).predict({"M": 0}) == 1.0


def test_axes_are_remembered_as_they_were() -> None:
    axes = {"M": 5}
    times = seen((axes, 2.0))
    axes["M"] = 500
    assert times.predict({"M": 5}) == 2.0


@pytest.mark.parametrize(("call_s", "samples"), [(0.001, 20), (0.01, 10), (0.1, 5), (2.0, 3)])
def test_the_reference_is_called_on_each_set_and_then_timed(call_s: float, samples: int) -> None:
    seconds = reference_seconds(call_s, plan(sets=3), Settings())
    assert seconds == pytest.approx(call_s * (3 + WARMUP_CALLS + samples))


def test_a_solution_is_called_again_to_verify_what_was_timed() -> None:
    extra = solution_seconds(2.0, plan(), Settings()) - reference_seconds(2.0, plan(), Settings())
    assert extra == pytest.approx(2.0 * 3)


def test_a_sampler_is_also_called_for_its_distribution() -> None:
    many = solution_seconds(2.0, plan(repeat=100), Settings())
    assert many - solution_seconds(2.0, plan(), Settings()) == pytest.approx(2.0 * 100)
