"""The rules of workloads and traces, and the table from endings to statuses."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from engine.schema import (
    STATUS_OF,
    Ending,
    Problem,
    RandomInput,
    SafetensorsInput,
    ScalarInput,
    Status,
    Trace,
    decode,
)

Document = dict[str, Any]


def read(document: Document) -> Trace:
    return decode(json.dumps(document), Trace)


def test_a_valid_trace_is_read(trace: Document) -> None:
    found = read(trace)
    assert found.workload.inputs == {
        "x": RandomInput(),
        "factor": ScalarInput(value=1.5),
        "ids": SafetensorsInput(path="blob/a.safetensors", tensor_key="ids"),
    }
    assert found.evaluation is not None
    assert found.evaluation.status is Status.PASSED
    assert not found.is_workload


def test_a_line_without_solution_and_evaluation_is_a_workload(trace: Document) -> None:
    trace["solution"] = None
    del trace["evaluation"]
    assert read(trace).is_workload


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        ("definition", "", "definition", "must not be empty"),
        ("workload.uuid", "", "workload.uuid", "must not be empty"),
        ("workload.axes.M", -1, "workload.axes.M", "an axis is at least 0 long, not -1"),
        ("workload.axes.M", "many", "workload.axes.M", "Expected `int`, got `str`"),
        ("workload.inputs.x.type", "zeros", "workload.inputs.x.type", "Invalid value 'zeros'"),
        ("workload.inputs.ids.path", "", "workload.inputs.ids.path", "must not be empty"),
        ("workload.inputs.ids.tensor_key", "", "workload.inputs.ids.tensor_key", "must not be"),
        ("workload.inputs.factor.value", None, "workload.inputs.factor.value", "Expected"),
        ("workload.inputs.factor.value", "two", "workload.inputs.factor.value", "Expected"),
        ("evaluation.status", "passed", "evaluation.status", "Invalid enum value 'passed'"),
        ("evaluation.timestamp", "", "evaluation.timestamp", "must not be empty"),
        ("evaluation.log", None, "evaluation.log", "Expected `str`, got `null`"),
        ("evaluation.environment.hardware", "", "evaluation.environment.hardware", "must not be"),
        ("evaluation.environment.libs.torch", 2, "evaluation.environment.libs.torch", "Expected"),
        (
            "evaluation.correctness.max_relative_error",
            -0.5,
            "evaluation.correctness.max_relative_error",
            "must be at least 0, not -0.5",
        ),
        (
            "evaluation.correctness.max_absolute_error",
            "-Infinity",
            "evaluation.correctness.max_absolute_error",
            "must be at least 0, not -inf",
        ),
        (
            "evaluation.correctness.max_absolute_error",
            "large",
            "evaluation.correctness.max_absolute_error",
            "'large' is not a number",
        ),
        (
            "evaluation.performance.latency_ms",
            -1,
            "evaluation.performance.latency_ms",
            "must be at least 0, not -1",
        ),
        (
            "evaluation.performance.speedup_factor",
            "NaN",
            "evaluation.performance.speedup_factor",
            "must be at least 0, not nan",
        ),
        (
            "evaluation.performance.reference_latency_ms",
            None,
            "evaluation.performance.reference_latency_ms",
            "Expected `float`, got `null`",
        ),
    ],
)
def test_a_broken_rule_names_file_line_and_field(
    trace: Document,
    edited: Callable[..., Document],
    refusal: Callable[..., Problem],
    path: str,
    value: Any,
    field: str,
    message: str,
) -> None:
    line = json.dumps(edited(trace, path, value))
    problem = refusal(line, Trace, file="traces/a.jsonl", line=17)
    assert problem.field == field
    assert problem.message.startswith(message)
    assert str(problem) == f"traces/a.jsonl:17: {field}: {problem.message}"


@pytest.mark.parametrize(
    "path",
    [
        "definition",
        "workload",
        "workload.axes",
        "workload.inputs",
        "workload.uuid",
        "workload.inputs.ids.tensor_key",
        "workload.inputs.factor.value",
        "evaluation.status",
        "evaluation.environment",
        "evaluation.environment.hardware",
        "evaluation.timestamp",
    ],
)
def test_a_missing_key_is_named(
    trace: Document,
    without: Callable[..., Document],
    refusal: Callable[..., Problem],
    path: str,
) -> None:
    problem = refusal(without(trace, path), Trace)
    assert (problem.field, problem.message) == (path, "is missing")


BLOCKS = {
    Status.PASSED: {"correctness", "performance"},
    Status.INCORRECT_NUMERICAL: {"correctness"},
}


@pytest.mark.parametrize("block", ["correctness", "performance"])
@pytest.mark.parametrize("status", list(Status))
def test_the_status_says_which_blocks_are_present(
    trace: Document, refusal: Callable[..., Problem], status: Status, block: str
) -> None:
    wanted = BLOCKS.get(status, set())
    evaluation = trace["evaluation"]
    evaluation["status"] = status
    for name in ("correctness", "performance"):
        if name not in wanted:
            del evaluation[name]
    read(trace)

    if block in wanted:
        evaluation[block] = None
        expected = f"status {status} needs this block"
    else:
        evaluation[block] = {}
        expected = f"status {status} must not have this block"
    problem = refusal(trace, Trace)
    assert (problem.field, problem.message) == (f"evaluation.{block}", expected)


def test_an_empty_block_has_the_defaults(trace: Document) -> None:
    trace["evaluation"]["correctness"] = trace["evaluation"]["performance"] = {}
    evaluation = read(trace).evaluation
    assert evaluation and evaluation.correctness and evaluation.performance
    assert evaluation.correctness.max_absolute_error == 0.0
    assert evaluation.performance.latency_ms == 0.0


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("NaN", math.nan),
        ("nan", math.nan),
        ("Infinity", math.inf),
        ("+Infinity", math.inf),
        ("inf", math.inf),
        ("0.5", 0.5),
        (" 1 ", 1.0),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (2, 2.0),
        (True, 1.0),
    ],
)
def test_an_error_may_be_spelled_in_many_ways(trace: Document, spelled: Any, meant: float) -> None:
    trace["evaluation"]["correctness"]["max_absolute_error"] = spelled
    evaluation = read(trace).evaluation
    assert evaluation and evaluation.correctness
    found = evaluation.correctness.max_absolute_error
    assert isinstance(found, float)
    assert found == meant or (math.isnan(found) and math.isnan(meant))


def test_every_ending_has_one_status() -> None:
    assert set(STATUS_OF) == set(Ending)


def test_every_status_can_be_reached() -> None:
    assert set(STATUS_OF.values()) == set(Status)


def test_only_a_passed_evaluation_passes() -> None:
    assert [end for end, status in STATUS_OF.items() if status is Status.PASSED] == [Ending.PASSED]


def test_statuses_are_told_apart_by_one_letter() -> None:
    assert len({status.letter for status in Status}) == len(Status)
