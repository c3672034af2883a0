"""Reading and writing lose nothing, and a document that cannot be read says where and why."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.schema import (
    Correctness,
    Definition,
    Problem,
    ScalarInput,
    SchemaError,
    Solution,
    Trace,
    Workload,
    decode,
    encode,
    encode_pretty,
    to_json_value,
)

Document = dict[str, Any]


def again(document: Document, kind: type[Any]) -> Document:
    """A document that was read and, unchanged, written over its own text."""
    text = json.dumps(document)
    result = json.loads(encode(decode(text, kind), original=text))
    assert isinstance(result, dict)
    return result


def is_same(one: Any, other: Any) -> bool:
    """Equal JSON values with keys in the same order, NaN being itself and 1 not being true."""
    return json.dumps(one) == json.dumps(other)


def test_every_definition_of_the_real_sample_comes_back_unchanged(sample: Path) -> None:
    files = sorted((sample / "definitions").rglob("*.json"))
    assert files
    for file in files:
        text = file.read_bytes()
        found = decode(text, Definition, file=str(file))
        assert is_same(json.loads(encode(found, original=text)), json.loads(text)), file
        assert decode(encode(found), Definition) == found
        assert decode(encode_pretty(found, original=text), Definition) == found


def test_every_workload_of_the_real_sample_comes_back_unchanged(sample: Path) -> None:
    files = sorted((sample / "workloads").rglob("*.jsonl"))
    assert files
    for file in files:
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            found = decode(line, Trace, file=str(file), line=number)
            assert found.is_workload
            assert is_same(json.loads(encode(found, original=line)), json.loads(line)), (
                file,
                number,
            )
            assert decode(encode(found), Trace) == found


def test_unknown_keys_stay_at_every_depth(
    definition: Document, solution: Document, trace: Document
) -> None:
    extra = {"deep": [1, {"er": None}], "big": 2**70}
    for place in (definition, definition["axes"]["N"], definition["inputs"]["x"]):
        place["added"] = extra
    for place in (solution, solution["spec"], solution["sources"][1]):
        place["added"] = extra
    evaluation = trace["evaluation"]
    for place in (
        trace,
        trace["workload"],
        trace["workload"]["inputs"]["x"],
        evaluation,
        evaluation["environment"],
        evaluation["correctness"],
        evaluation["performance"],
    ):
        place["added"] = extra
    assert is_same(again(definition, Definition), definition)
    assert is_same(again(solution, Solution), solution)
    assert is_same(again(trace, Trace), trace)


def test_explicit_nulls_and_the_order_of_keys_stay(trace: Document, definition: Document) -> None:
    trace["evaluation"] = {"performance": None, "correctness": None, **trace["evaluation"]}
    assert is_same(again(trace, Trace), trace)
    workload = {"workload": trace["workload"], "solution": None, "definition": "d"}
    assert is_same(again(workload, Trace), workload), "evaluation stays away"
    backwards = {"description": None, **dict(reversed(definition.items()))}
    assert is_same(again(backwards, Definition), backwards)


def test_numbers_keep_their_spelling(trace: Document) -> None:
    trace["evaluation"]["performance"] = {"latency_ms": 1, "speedup_factor": 2}
    trace["workload"]["axes"]["M"] = 3.0
    trace["workload"]["inputs"]["factor"]["value"] = 0.1
    assert is_same(again(trace, Trace), trace)


def test_a_missing_type_stays_missing(definition: Document, trace: Document) -> None:
    definition["axes"] = {"M": {}, "N": {"value": 4, "description": "n"}}
    trace["workload"]["inputs"] = {
        "x": {},
        "factor": {"value": 2},
        "ids": {"path": "p", "tensor_key": "k"},
    }
    assert decode(json.dumps(definition), Definition).const_axes == {"N": 4}
    assert is_same(again(definition, Definition), definition)
    assert is_same(again(trace, Trace), trace)


def test_a_workload_alone_may_lack_types_too() -> None:
    text = '{"axes": {}, "inputs": {"a": {"value": "2"}}, "uuid": "u"}'
    assert decode(text, Workload).inputs == {"a": ScalarInput(value=2)}


@pytest.mark.parametrize("spelled", ["4", " 4 ", "4.0", "+4", 4.0])
def test_a_whole_number_may_be_written_otherwise(definition: Document, spelled: Any) -> None:
    definition["axes"]["N"]["value"] = spelled
    assert decode(json.dumps(definition), Definition).const_axes == {"N": 4}
    assert again(definition, Definition)["axes"]["N"]["value"] == (4 if spelled != 4.0 else 4.0)


@pytest.mark.parametrize("spelled", ["1e3", "0x4", "4.5", "four", ""])
def test_what_is_no_whole_number_is_refused(
    definition: Document, refusal: Callable[..., Problem], spelled: str
) -> None:
    definition["axes"]["N"]["value"] = spelled
    assert refusal(definition, Definition).field == "axes.N.value"


@pytest.mark.parametrize(("spelled", "meant"), [("yes", True), ("OFF", False), (1, True), (0, 0)])
def test_a_boolean_may_be_written_otherwise(solution: Document, spelled: Any, meant: bool) -> None:
    solution["spec"]["destination_passing_style"] = spelled
    assert decode(json.dumps(solution), Solution).spec.destination_passing_style is bool(meant)


def test_text_that_looks_like_a_number_or_null_stays_text(
    definition: Document, solution: Document
) -> None:
    definition["description"] = "null"
    solution["name"] = "4"
    solution["sources"][1]["content"] = " 1 "
    assert decode(json.dumps(definition), Definition).description == "null"
    assert is_same(again(solution, Solution), solution)


def test_non_finite_floats_are_strings_in_a_file_and_floats_in_memory(trace: Document) -> None:
    correctness = trace["evaluation"]["correctness"]
    correctness["max_absolute_error"] = "NaN"
    correctness["max_relative_error"] = "Infinity"
    correctness["extra"] = {"fitui": {"worst": ["-Infinity", 1.5]}}
    found = decode(json.dumps(trace), Trace).evaluation
    assert found and found.correctness
    assert math.isnan(float(found.correctness.max_absolute_error))
    assert found.correctness.max_relative_error == math.inf
    assert is_same(again(trace, Trace), trace)


def test_a_bare_nan_is_read_and_written_as_a_string(trace: Document) -> None:
    trace["evaluation"]["correctness"]["max_absolute_error"] = math.nan
    trace["evaluation"]["correctness"]["extra"] = {"worst": math.inf}
    trace["unknown"] = [-math.inf]
    text = json.dumps(trace)
    assert "NaN" in text and "-Infinity" in text
    back = again(trace, Trace)
    assert back["evaluation"]["correctness"]["max_absolute_error"] == "NaN"
    assert back["evaluation"]["correctness"]["extra"] == {"worst": "Infinity"}
    assert back["unknown"] == ["-Infinity"]


def test_no_float_becomes_null_on_its_way_to_a_file() -> None:
    value = to_json_value(
        Correctness(max_absolute_error=math.nan, extra={"a": (1, math.nan), "b": [{"c": math.inf}]})
    )
    assert value == {
        "max_absolute_error": "NaN",
        "extra": {"a": [1, "NaN"], "b": [{"c": "Infinity"}]},
    }
    assert b"null" not in encode(Correctness(max_relative_error=math.inf, extra={"a": -math.inf}))


def test_a_change_is_written_and_the_rest_stays(trace: Document) -> None:
    trace["unknown"] = 1
    text = json.dumps(trace)
    found = decode(text, Trace)
    found.solution = "other"
    found.workload.axes["K"] = 5
    assert found.evaluation is not None
    found.evaluation.log = "hello"
    del trace["evaluation"]["environment"]["libs"]["torch"]
    found.evaluation.environment.libs = {}
    trace["solution"] = "other"
    trace["workload"]["axes"]["K"] = 5
    trace["evaluation"]["log"] = "hello"
    assert is_same(json.loads(encode(found, original=text)), trace)


def test_one_line_is_one_line(trace: Document) -> None:
    trace["evaluation"]["log"] = "a\nb\r\n\u2028c\u0085"
    line = encode(decode(json.dumps(trace), Trace))
    assert b"\n" not in line and b"\r" not in line
    assert decode(line, Trace).evaluation.log == "a\nb\r\n\u2028c\u0085"  # type: ignore[union-attr]


def test_a_pretty_document_has_an_indent_of_two_and_a_final_newline(definition: Document) -> None:
    text = encode_pretty(decode(json.dumps(definition), Definition))
    assert text.startswith(b'{\n  "name": "scale_n4",\n')
    assert text.endswith(b"}\n")


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        ("", 1, "not JSON: Expecting value (column 1)"),
        ('{"name": "a",\n "x" 1}', 2, "not JSON: Expecting ':' delimiter (column 6)"),
        ('{"name": "a"', 1, "not JSON: Expecting ',' delimiter (column 13)"),
        (b'{\n"name": "\xff"}', 2, "not UTF-8 at byte 11"),
        ("[" * 200_000, None, "nested too deeply"),
        ('{"name": ' + "9" * 5000 + "}", None, "holds a number with too many digits"),
        ("[]", 1, "Expected `object`, got `array`"),
        ('"\\ud800"', None, "holds half of a surrogate pair"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_document_is_refused_with_its_line(
    refusal: Callable[..., Problem], data: str | bytes, line: int | None, message: str
) -> None:
    problem = refusal(data, Solution)
    assert (problem.line, problem.message) == (line, message)


def test_the_line_of_a_jsonl_file_is_the_one_given(refusal: Callable[..., Problem]) -> None:
    assert refusal('{"definition":\n""}', Trace, line=40).line == 40
    assert refusal("{", Trace, line=40).line == 40
    assert refusal(b"\xff", Trace, line=40).line == 40


def test_the_place_can_be_filled_in_later() -> None:
    with pytest.raises(SchemaError) as caught:
        decode("{}", Trace)
    assert str(caught.value) == "line 1: definition: is missing"
    placed = caught.value.at("a.jsonl", 9)
    assert str(placed) == "a.jsonl:1: definition: is missing", "what is known stays"
    nameless = SchemaError(Problem(message="is bad")).at("a.jsonl", 9)
    assert str(nameless) == "a.jsonl:9: is bad"


def test_keys_with_odd_characters_do_not_confuse_the_line(
    definition: Document, refusal: Callable[..., Problem]
) -> None:
    definition["tags"] = ['a { [ , : " \\ b', "}]"]
    definition["axes"] = {
        'a"},{': {"type": "const", "value": 1},
        "b": {"type": "const", "value": -1},
    }
    problem = refusal(definition, Definition)
    lines = json.dumps(definition, indent=2).splitlines()
    assert problem.field == "axes.b.value"
    assert lines[(problem.line or 0) - 1].strip() == '"value": -1'


@pytest.mark.parametrize("brackets", [201, 980, 990, 1000, 3000])
@pytest.mark.parametrize("calls", [0, 300])
def test_too_deep_is_too_deep_whoever_asks(brackets: int, calls: int) -> None:
    def message(left: int) -> str:
        if left:
            return message(left - 1)
        with pytest.raises(SchemaError) as caught:
            decode(b"[" * brackets + b" x", Trace, line=1)
        return caught.value.problem.message

    assert message(calls) == "nested too deeply"


def test_brackets_in_strings_do_not_nest() -> None:
    text = json.dumps({"definition": "[{" * 500, "workload": 1})
    with pytest.raises(SchemaError) as caught:
        decode(text, Trace, line=1)
    assert caught.value.problem.field == "workload"
