"""From outputs and comparisons to an ending and one line that says why."""

from __future__ import annotations

import pytest
from msgspec import Struct

from engine.evaluate.facts import Check
from engine.evaluate.verdict import judge_form, judge_values
from engine.schema import Definition, DType
from engine.schema.definition import AxisVar, TensorSpec
from engine.schema.endings import Ending

TWO = Definition(
    name="d",
    op_type="toy",
    axes={"M": AxisVar()},
    inputs={},
    outputs={
        "y": TensorSpec(shape=["M", "M"], dtype=DType.BFLOAT16),
        "n": TensorSpec(shape=None, dtype=DType.INT32),
    },
    reference="def run(): ...",
)


class Form(Struct):
    name: str
    dtype: str
    shape: list[int] | None


Y, N = Form("y", "bfloat16", [3, 3]), Form("n", "int32", [])


def form(*outputs: Form) -> tuple[Ending, str] | None:
    return judge_form(TWO, {"M": 3}, outputs)


def test_outputs_of_the_right_form_have_no_verdict_yet() -> None:
    assert form(Y, N) is None


@pytest.mark.parametrize(
    ("outputs", "found"), [((), "0 values"), ((Y,), "1 value"), ((Y, N, N), "3 values")]
)
def test_the_wrong_number_of_outputs_is_told_with_the_names(
    outputs: tuple[Form, ...], found: str
) -> None:
    assert form(*outputs) == (Ending.WRONG_OUTPUTS, f"returned {found} where 2 are due: y, n")


def test_what_is_no_tensor_is_named_by_its_type() -> None:
    nothing = Form("y", "NoneType", None)
    assert form(nothing, N) == (Ending.WRONG_OUTPUTS, "y is no tensor but a NoneType")


def test_a_wrong_shape_is_told_with_both() -> None:
    wrong = Form("y", "bfloat16", [3, 4])
    assert form(wrong, N) == (Ending.WRONG_SHAPE, "y has shape [3, 4] instead of [3, 3]")


def test_a_scalar_output_is_a_tensor_without_axes() -> None:
    wrong = Form("n", "int32", [1])
    assert form(Y, wrong) == (Ending.WRONG_SHAPE, "n has shape [1] instead of []")


def test_a_wrong_dtype_is_told_with_both() -> None:
    wrong = Form("y", "float32", [3, 3])
    assert form(wrong, N) == (Ending.WRONG_DTYPE, "y is float32 instead of bfloat16")


def test_a_wrong_shape_anywhere_comes_before_a_wrong_dtype() -> None:
    verdict = form(Form("y", "float32", [3, 3]), Form("n", "int32", [2]))
    assert verdict is not None
    assert verdict[0] is Ending.WRONG_SHAPE


def test_matching_values_have_no_verdict() -> None:
    assert judge_values([Check(output="y", ok=True), Check(output="n", ok=True)], "x") is None


def test_values_that_differ_are_told_with_the_largest_error_and_its_place() -> None:
    check = Check(
        output="y", ok=False, elements=9, bad=2, max_abs=0.123456, worst=[([1, 2], 1.0, 1.123456)]
    )
    assert judge_values([Check(output="n", ok=True), check], "input set 2") == (
        Ending.WRONG_VALUES,
        "y: 2 of 9 elements differ, largest error 0.1235; at [1, 2] expected 1, got 1.123 "
        "(input set 2)",
    )


def test_a_nan_is_told_as_such() -> None:
    check = Check(
        output="y", ok=False, elements=9, bad=3, non_finite=1, worst=[([0, 0], 1.0, "NaN")]
    )
    assert judge_values([check], "first call") == (
        Ending.WRONG_VALUES,
        "y: 3 of 9 elements differ, 1 by NaN or infinity; at [0, 0] expected 1, got NaN "
        "(first call)",
    )


def test_an_infinite_error_is_told_in_words() -> None:
    check = Check(output="y", ok=False, elements=1, bad=1, max_abs="Infinity")
    verdict = judge_values([check], "a call")
    assert verdict == (
        Ending.WRONG_VALUES,
        "y: 1 of 1 elements differ, largest error Infinity (a call)",
    )


def test_a_check_with_words_of_its_own_is_told_by_them() -> None:
    check = Check(output="s", ok=False, message="3 of 9 samples lie outside the allowed tokens")
    assert judge_values([check], "9 calls") == (
        Ending.WRONG_VALUES,
        "s: 3 of 9 samples lie outside the allowed tokens (9 calls)",
    )


def test_the_first_of_several_failures_is_told() -> None:
    checks = [Check(output=name, ok=False, message="bad") for name in "ab"]
    assert judge_values(checks, "a call") == (Ending.WRONG_VALUES, "a: bad (a call)")
