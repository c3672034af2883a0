"""Checks of traces and baselines."""

from __future__ import annotations

import json

import pytest

from engine.validate import Finding, Group
from tests.engine.validate.samples import (
    DEFINITION,
    NAME,
    SOLUTION,
    TRACES,
    Sample,
    solution,
    trace,
)


def found(sample: Sample) -> dict[str, Finding]:
    return sample.found(Group.TRACE, Group.BASELINE)


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("trace-definition", {"definition": "gone"}),
        ("trace-solution", {"solution": "gone"}),
        ("trace-workload", {"workload": {**trace()["workload"], "uuid": "gone"}}),
    ],
)
def test_what_a_trace_names_is_there(
    check: str, changes: dict[str, object], sample: Sample
) -> None:
    sample.lines(TRACES, trace(), {**trace(), **changes}, {**trace(), **changes})
    finding = found(sample)[check]
    assert (finding.file, finding.line, finding.count) == (TRACES, 2, 2)
    assert "gone" in finding.message


def test_a_solution_of_another_definition_is_no_solution(sample: Sample) -> None:
    sample.write(
        "definitions/paged/b.json",
        json.loads((sample.root / DEFINITION).read_text()) | {"name": "b"},
    )
    sample.write("solutions/b.json", {**solution("fast"), "definition": "b"})
    sample.lines(TRACES, trace(), trace("fast"))
    assert "solves 'b'" in found(sample)["trace-solution"].message


@pytest.mark.parametrize("part", ["axes", "inputs"])
def test_a_trace_has_the_workload_that_its_uuid_means(part: str, sample: Sample) -> None:
    other = trace()
    if part == "axes":
        other["workload"]["axes"]["num_pages"] = 6
    else:
        other["workload"]["inputs"]["q"] = {"type": "scalar", "value": 1}
    sample.lines(TRACES, other)
    assert part in found(sample)["trace-differs"].message


def test_a_line_that_breaks_the_schema_names_its_field(sample: Sample) -> None:
    broken = trace()
    del broken["evaluation"]["performance"]
    sample.lines(TRACES, trace(), broken, trace())
    finding = found(sample)["trace-unreadable"]
    assert (finding.line, finding.field) == (2, "evaluation.performance")
    assert sample.report().checked["traces"] == 2


def test_a_workload_among_traces_is_named(sample: Sample) -> None:
    sample.lines(TRACES, trace(), {**trace(), "solution": None, "evaluation": None})
    assert "belongs under workloads/" in found(sample)["trace-unreadable"].message


def test_half_a_last_line_is_an_error_once_nobody_can_be_writing_it(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.dumps(trace())
    sample.text(TRACES, f"{whole}\n{whole[:50]}")
    monkeypatch.setattr("engine.store.reading.QUIET_SECONDS", 3600.0)
    assert not found(sample)
    monkeypatch.setattr("engine.store.reading.QUIET_SECONDS", 0.0)
    finding = found(sample)["trace-unreadable"]
    assert finding.line == 2 and "the last line breaks off" in finding.message
    sample.text(TRACES, f"{whole}\n{whole}")
    assert not found(sample) and sample.report().checked["traces"] == 2


def test_a_line_of_an_older_schema_is_read_and_labelled_once(sample: Sample) -> None:
    old = trace()
    old["evaluation"]["environment"] = {"device": "H100", "libs": {}}
    sample.lines(TRACES, old, old)
    report = sample.report([Group.TRACE])
    assert [item.check for item in report.findings] == ["trace-outdated"]
    assert report.checked["traces"] == 2


def test_a_definition_without_baseline_is_doubted(sample: Sample) -> None:
    sample.change(SOLUTION, lambda document: document.update(author="ada"))
    assert found(sample)["baseline-missing"].file == DEFINITION


def test_one_baseline_is_enough(sample: Sample) -> None:
    sample.write(SOLUTION.replace("torch_", "other_"), solution("other_attend"))
    message = found(sample)["baseline-several"].message
    assert "2 baselines: other_attend, torch_attend" in message


def test_a_baseline_with_traces_has_passed_once(sample: Sample) -> None:
    sample.lines(TRACES, trace(status="RUNTIME_ERROR"))
    assert f"torch_{NAME}" in found(sample)["baseline-failing"].message
    sample.lines(TRACES, trace(status="RUNTIME_ERROR"), trace())
    assert not found(sample)
    (sample.root / TRACES).unlink()
    assert not found(sample)
