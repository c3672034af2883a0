"""The rules of a definition: what is refused, and where the error points."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from engine.schema import AxisConst, AxisVar, Definition, DType, Problem, decode, describe_axes

Document = dict[str, Any]


def read(document: Document) -> Definition:
    return decode(json.dumps(document), Definition)


def test_a_valid_definition_is_read(definition: Document) -> None:
    found = read(definition)
    assert found.axes == {"M": AxisVar(), "N": AxisConst(value=4)}
    assert found.const_axes == {"N": 4}
    assert found.var_axes == ["M"]
    assert found.inputs["factor"].shape is None
    assert found.outputs["y"].dtype is DType.FLOAT16


def test_shapes_follow_from_the_axes_of_a_workload(definition: Document) -> None:
    found = read(definition)
    assert found.shape_of("x", {"M": 7}) == (7, 4)
    assert found.shape_of("y", {"M": 7, "N": 99}) == (7, 4), "a constant axis stays what it is"
    assert found.shape_of("factor", {}) is None
    with pytest.raises(KeyError):
        found.shape_of("x", {})
    with pytest.raises(KeyError):
        found.shape_of("z", {"M": 7})


def test_axes_are_described_in_order() -> None:
    assert describe_axes({"batch": 64, "kv": 9316}) == "batch=64 kv=9316"


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        ("name", "", "name", "must not be empty"),
        ("op_type", "", "op_type", "must not be empty"),
        ("reference", "", "reference", "must not be empty"),
        ("name", None, "name", "Expected `str`, got `null`"),
        ("axes.N.value", -1, "axes.N.value", "a constant axis is at least 0, not -1"),
        ("axes.N.value", "four", "axes.N.value", "Expected `int`, got `str`"),
        ("axes.N.value", 4.5, "axes.N.value", "Expected `int`, got `float`"),
        ("axes.N.type", "expr", "axes.N.type", "Invalid value 'expr'"),
        ("axes.M", 7, "axes.M", "Expected `object`, got `int`"),
        ("inputs.x.dtype", "float64", "inputs.x.dtype", "Invalid enum value 'float64'"),
        ("inputs.x.dtype", "Float16", "inputs.x.dtype", "Invalid enum value 'Float16'"),
        ("inputs.x.shape", "M", "inputs.x.shape", "Expected `array | null`, got `str`"),
        ("inputs.x.shape", ["M", 4], "inputs.x.shape[1]", "Expected `str`, got `int`"),
        ("inputs.x.shape", ["M", ""], "inputs.x.shape[1]", "an axis name must not be empty"),
        ("inputs.x.shape", ["M", "K"], "inputs.x.shape[1]", "axis 'K' is not defined"),
        ("outputs.y.shape", ["K"], "outputs.y.shape[0]", "axis 'K' is not defined"),
        ("outputs.x", {"shape": [], "dtype": "bool"}, "outputs.x", "an input has the same name"),
        ("tags", ["a", ""], "tags[1]", "a tag must not be empty"),
        ("tags", None, "tags", "Expected `array`, got `null`"),
        ("constraints", ["M > 0", "M = 1"], "constraints[1]", "is not a Python expression"),
        ("constraints", [""], "constraints[0]", "is not a Python expression"),
        ("constraints", [7], "constraints[0]", "Expected `str`, got `int`"),
        ("description", 7, "description", "Expected `str | null`, got `int`"),
    ],
)
def test_a_broken_rule_names_file_line_and_field(
    definition: Document,
    edited: Callable[..., Document],
    refusal: Callable[..., Problem],
    path: str,
    value: Any,
    field: str,
    message: str,
) -> None:
    problem = refusal(edited(definition, path, value), Definition)
    assert problem.field == field
    assert problem.message.startswith(message)
    assert problem.line == line_of_field(edited(definition, path, value), field)
    assert str(problem) == f"some/file.json:{problem.line}: {field}: {problem.message}"


def line_of_field(document: Document, field: str) -> int:
    """Where the pretty-printed value at ``field`` is, found by putting a mark in its place."""
    *parents, last = [
        int(part) if part.isdigit() else part
        for part in field.replace("[", ".").replace("]", "").split(".")
    ]
    inner: Any = document
    for part in parents:
        inner = inner[part]
    inner[last] = "the mark"
    lines = json.dumps(document, indent=2).splitlines()
    return next(number for number, line in enumerate(lines, 1) if "the mark" in line)


@pytest.mark.parametrize("key", ["name", "op_type", "axes", "inputs", "outputs", "reference"])
def test_a_missing_key_is_named(
    definition: Document,
    without: Callable[..., Document],
    refusal: Callable[..., Problem],
    key: str,
) -> None:
    problem = refusal(without(definition, key), Definition)
    assert (problem.field, problem.message, problem.line) == (key, "is missing", 1)


@pytest.mark.parametrize("key", ["shape", "dtype"])
def test_a_tensor_needs_shape_and_dtype(
    definition: Document,
    without: Callable[..., Document],
    refusal: Callable[..., Problem],
    key: str,
) -> None:
    document = without(definition, f"inputs.factor.{key}")
    problem = refusal(document, Definition)
    lines = json.dumps(document, indent=2).splitlines()
    assert problem.field == f"inputs.factor.{key}"
    assert problem.message == "is missing"
    assert '"factor"' in lines[(problem.line or 0) - 1], "the line of the object that lacks it"


@pytest.mark.parametrize("group", ["axes", "inputs", "outputs"])
def test_a_name_must_not_be_empty(
    definition: Document, refusal: Callable[..., Problem], group: str
) -> None:
    definition[group][""] = next(iter(definition[group].values()))
    problem = refusal(definition, Definition)
    assert (problem.field, problem.message) == (group, "a name must not be empty")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("def run(:\n", "is not valid Python (line 1): invalid syntax"),
        ("x = 1\ndef go(): pass\n", "has no top-level function `run`"),
        ("async def run(): pass\n", "has no top-level function `run`"),
        ("run = lambda x: x\n", "has no top-level function `run`"),
        ("class run: pass\n", "has no top-level function `run`"),
        ("if True:\n    def run(): pass\n", "has no top-level function `run`"),
        ("(" * 100_000, "is not valid Python"),
        ("def run(): pass\0", "is not valid Python"),
    ],
)
def test_the_reference_defines_run_at_its_top_level(
    definition: Document, refusal: Callable[..., Problem], reference: str, message: str
) -> None:
    definition["reference"] = reference
    problem = refusal(definition, Definition)
    assert problem.field == "reference"
    assert problem.message.startswith(message)


def test_arity_and_order_of_run_are_not_looked_at(definition: Document) -> None:
    definition["reference"] = "def run(anything, else_, at=0, *all): pass"
    read(definition)


def test_reading_a_reference_prints_no_warning_of_the_parser(definition: Document) -> None:
    definition["reference"] = "def run(x, factor):\n    return '\\d'\n"
    definition["constraints"] = ["M != '\\d'"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(definition)
    assert caught == []


def test_useless_but_allowed_definitions_are_read(definition: Document) -> None:
    definition["axes"] = {"N": {"type": "const", "value": 0}, "free": {"type": "var"}}
    definition["name"] = "with/slash"
    definition["inputs"] = definition["outputs"] = {}
    definition["constraints"] = ["no_such_axis > 1"]
    assert read(definition).const_axes == {"N": 0}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "other"),
        ("op_type", "other"),
        ("reference", "def run(x, factor):\n    return factor * x\n"),
        ("axes.N.value", 5),
        ("axes.M", {"type": "const", "value": 4}),
        ("axes.K", {"type": "var"}),
        ("inputs.x.dtype", "bfloat16"),
        ("inputs.x.shape", ["N", "M"]),
        ("inputs.factor.shape", []),
        ("inputs.more", {"shape": None, "dtype": "bool"}),
        ("outputs.y.shape", ["M"]),
        ("constraints", []),
        ("constraints", ["M > 1"]),
    ],
)
def test_everything_that_changes_what_is_asked_for_changes_the_hash(
    definition: Document, edited: Callable[..., Document], path: str, value: Any
) -> None:
    other = read(edited(definition, path, value))
    assert other.content_hash() != read(definition).content_hash()


def test_words_about_a_definition_leave_its_hash(definition: Document) -> None:
    plain = read(definition).content_hash()
    definition["description"] = definition["axes"]["M"]["description"] = "rows"
    definition["inputs"]["x"]["description"] = "the input"
    definition["tags"] = []
    assert read(definition).content_hash() == plain


def test_an_axis_that_is_called_scalar_is_no_scalar(definition: Document) -> None:
    definition["axes"]["scalar"] = definition["axes"]["M,N"] = {"type": "var"}
    plain = read(definition).content_hash()
    definition["inputs"]["factor"]["shape"] = ["scalar"]
    named = read(definition).content_hash()
    definition["inputs"]["x"]["shape"] = ["M,N"]
    assert len({plain, named, read(definition).content_hash()}) == 3
