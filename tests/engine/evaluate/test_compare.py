"""Element-wise comparison: what counts as equal, and the evidence of what does not."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
import torch

from engine.evaluate.compare import WORST, compare_tensors
from engine.evaluate.facts import Check, Rule

RULE = Rule(atol=0.01, rtol=0.01)
NAN, INF = math.nan, math.inf


def compare(wanted: Any, got: Any, rule: Rule = RULE, dtype: torch.dtype = torch.float32) -> Check:
    return compare_tensors(
        "y", torch.tensor(wanted, dtype=dtype), torch.tensor(got, dtype=dtype), rule
    )


def test_equal_tensors_pass() -> None:
    check = compare([1.0, -2.0], [1.0, -2.0])
    assert (check.ok, check.upstream_ok, check.elements, check.bad) == (True, True, 2, 0)
    assert (check.max_abs, check.max_rel, check.non_finite, check.worst) == (0.0, 0.0, 0, [])


@pytest.mark.parametrize(("error", "ok"), [(1.009, True), (1.011, False)])
def test_an_error_may_reach_the_sum_of_both_tolerances(error: float, ok: bool) -> None:
    # atol + rtol * 100 = 1.01
    assert compare([100.0], [100.0 + error]).ok is ok


def test_errors_are_reported_absolute_and_relative() -> None:
    check = compare([10.0, 1.0], [11.0, 1.5])
    assert check.max_abs == 1.0
    assert check.max_rel == pytest.approx(0.5)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_the_same_non_finite_value_in_the_same_place_passes(value: float) -> None:
    check = compare([1.0, value], [1.0, value])
    assert (check.ok, check.non_finite, check.max_abs) == (True, 0, 0.0)


@pytest.mark.parametrize(
    ("wanted", "got"),
    [(NAN, 1.0), (1.0, NAN), (INF, -INF), (INF, 3e38), (1.0, INF), (NAN, INF), (-INF, NAN)],
)
def test_a_non_finite_value_out_of_place_or_of_other_sign_fails(wanted: float, got: float) -> None:
    check = compare([2.0, wanted], [2.0, got], Rule(atol=1e30, rtol=1e30))
    assert (check.ok, check.bad, check.non_finite) == (False, 1, 1)
    assert check.worst[0][0] == [1]


def test_swapped_places_of_a_nan_fail_twice() -> None:
    assert compare([NAN, 1.0], [1.0, NAN]).non_finite == 2


def test_non_finite_evidence_is_spelt_as_text() -> None:
    assert compare([NAN], [INF]).worst == [([0], "NaN", "Infinity")]
    assert compare([-INF], [1.0]).worst == [([0], "-Infinity", 1.0)]


@pytest.mark.parametrize("got", [3e38, 1e31])
def test_an_error_beyond_float32_survives_the_way_to_the_runner(got: float) -> None:
    check = compare([-3e38, 0.0], [got, got])
    assert check.max_rel == "Infinity"
    assert msgspec.json.decode(msgspec.json.encode(check), type=Check) == check


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.int64])
def test_integers_must_be_equal_whatever_the_tolerance(dtype: torch.dtype) -> None:
    wide = Rule(atol=100.0, rtol=100.0)
    assert compare([1, 2], [1, 2], wide, dtype).ok
    check = compare([1, 2], [1, 3], wide, dtype)
    assert (check.ok, check.bad, check.max_abs) == (False, 1, 1.0)
    assert check.worst == [([1], 2.0, 3.0)]


def test_64_bit_integers_are_told_apart_where_floats_cannot() -> None:
    assert not compare([2**53], [2**53 + 1], dtype=torch.int64).ok
    assert not compare([2**62], [2**62 + 1], dtype=torch.int64).ok


def test_booleans_must_be_equal() -> None:
    assert compare([True, False], [True, False], dtype=torch.bool).ok
    assert compare([True, False], [True, True], dtype=torch.bool).bad == 1


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2]
)
def test_narrow_floats_are_compared_in_single_precision(dtype: torch.dtype) -> None:
    check = compare([1.0, 2.0], [1.0, 2.5], dtype=dtype)
    assert (check.bad, check.max_abs, check.max_rel) == (1, 0.5, pytest.approx(0.25))


def test_a_bfloat16_that_is_off_by_one_place_passes_the_default_tolerance() -> None:
    wanted = torch.tensor([100.0], dtype=torch.bfloat16)
    got = torch.nextafter(wanted, torch.tensor(INF, dtype=torch.bfloat16))
    assert compare_tensors("y", wanted, got, RULE).ok


def test_nothing_to_compare_passes() -> None:
    check = compare_tensors("y", torch.empty(0, 4), torch.empty(0, 4), RULE)
    assert (check.ok, check.elements, check.upstream_ok) == (True, 0, True)


def test_a_single_number_has_an_empty_index() -> None:
    assert compare(1.0, 2.0).worst == [([], 1.0, 2.0)]


@pytest.mark.parametrize(("bad", "ok"), [(0, True), (1, True), (2, False)])
@pytest.mark.parametrize("count", [10, 1000])
def test_the_matched_ratio_allows_its_share_and_no_more(bad: int, ok: bool, count: int) -> None:
    got = [1.0] * count
    got[:bad] = [9.0] * bad
    rule = Rule(atol=0.01, rtol=0.01, matched_ratio=1 - 1 / count)
    check = compare([1.0] * count, got, rule)
    assert (check.ok, check.bad) == (ok, bad)


def test_the_evidence_is_the_worst_elements_worst_first() -> None:
    wanted = torch.zeros(4, 5)
    got = torch.zeros(4, 5)
    got[1, 2], got[3, 4], got[0, 0] = 5.0, -7.0, 1.0
    check = compare_tensors("y", wanted, got, RULE)
    assert check.worst == [([3, 4], 0.0, -7.0), ([1, 2], 0.0, 5.0), ([0, 0], 0.0, 1.0)]


def test_a_misplaced_nan_is_worse_than_any_error() -> None:
    assert compare([0.0, 0.0], [1e30, NAN]).worst[0] == ([1], 0.0, "NaN")


def test_the_evidence_is_short() -> None:
    check = compare([0.0] * 100, [1.0] * 100)
    assert (check.bad, len(check.worst)) == (100, WORST)


def test_a_transposed_output_is_compared_by_index() -> None:
    wanted = torch.arange(6.0).reshape(2, 3)
    assert compare_tensors("y", wanted, wanted.t().contiguous().t(), RULE).ok


class TestUpstreamsRule:
    """flashinfer-bench: bad if the absolute AND the relative error are over their bounds."""

    def test_it_lets_a_large_relative_error_of_a_small_value_pass(self) -> None:
        check = compare([0.001], [0.009])
        assert (check.ok, check.upstream_ok) == (True, True)

    def test_it_is_the_stricter_one_between_the_bounds(self) -> None:
        # Over both bounds of 0.01, yet below their sum.
        check = compare([1.0], [1.015])
        assert (check.ok, check.upstream_ok) == (True, False)

    def test_it_agrees_on_what_is_far_off(self) -> None:
        assert compare([1.0], [2.0]).upstream_ok is False

    def test_it_rejects_a_matching_minus_infinity(self) -> None:
        check = compare([-INF, 1.0], [-INF, 1.0])
        assert (check.ok, check.upstream_ok) == (True, False)

    def test_it_accepts_anything_where_the_reference_is_nan(self) -> None:
        check = compare([NAN, 1.0], [5.0, 1.0])
        assert (check.ok, check.upstream_ok) == (False, True)

    def test_it_knows_the_matched_ratio(self) -> None:
        rule = Rule(atol=0.01, rtol=0.01, matched_ratio=0.5)
        assert compare([1.0, 1.0], [1.0, 9.0], rule).upstream_ok is True
