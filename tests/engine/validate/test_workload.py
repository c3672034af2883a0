"""Checks of workloads: what each line gives, and what its blobs hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.validate import Finding, Group, read_dataset, validate
from tests.engine.validate.samples import (
    BLOB,
    DEFINITION,
    NAME,
    TENSORS,
    TRACES,
    WORKLOADS,
    Json,
    Sample,
    Stored,
    definition,
    float32,
    int32,
    safetensors,
    workload,
)


def inputs(**changes: Any) -> Callable[[Json], None]:
    return lambda line: line["workload"]["inputs"].update(changes)


def axes(**changes: int) -> Callable[[Json], None]:
    return lambda line: line["workload"]["axes"].update(changes)


def found(sample: Sample) -> dict[str, Finding]:
    return sample.found(Group.WORKLOAD)


BREAKING: dict[str, tuple[str, Callable[[Json], object]]] = {
    "workload-definition": ("definition", lambda line: line.update(definition="other")),
    "axis-missing": (
        "workload.axes.num_pages",
        lambda line: line["workload"]["axes"].pop("num_pages"),
    ),
    "axis-unknown": ("workload.axes.rows", axes(rows=3)),
    "axis-fixed": ("workload.axes.head_dim", axes(head_dim=8)),
    "axis-zero": ("workload.axes.num_pages", axes(num_pages=0)),
    "input-missing": ("workload.inputs.q", lambda line: line["workload"]["inputs"].pop("q")),
    "input-unknown": ("workload.inputs.k", inputs(k={"type": "random"})),
    "input-kind": ("workload.inputs.q", inputs(q={"type": "scalar", "value": 1.0})),
    "blob-missing": (
        "workload.inputs.q.path",
        inputs(q={"type": "safetensors", "path": "blob/none.safetensors", "tensor_key": "q"}),
    ),
    "tensor-missing": (
        "workload.inputs.q.tensor_key",
        inputs(q={"type": "safetensors", "path": BLOB, "tensor_key": "q"}),
    ),
    "tensor-dtype": (
        "workload.inputs.q",
        inputs(q={"type": "safetensors", "path": BLOB, "tensor_key": "kv_indptr"}),
    ),
    "tensor-shape": ("workload.inputs.kv_indices", axes(num_kv_indices=4)),
    "constraint-violated": ("", axes(batch_size=3)),
    "random-indices": ("workload.inputs.kv_indices", inputs(kv_indices={"type": "random"})),
}


@pytest.mark.parametrize("check", BREAKING)
def test_a_fault_is_found_where_it_is(check: str, sample: Sample) -> None:
    field, change = BREAKING[check]
    sample.change(WORKLOADS, change)
    finding = found(sample)[check]
    assert (finding.file, finding.line, finding.field) == (WORKLOADS, 1, field)
    assert finding.message and finding.fix


def test_a_blob_that_leaves_the_dataset_is_not_opened(sample: Sample) -> None:
    outside = {"type": "safetensors", "path": "../secret", "tensor_key": "q"}
    sample.change(WORKLOADS, inputs(q=outside))
    assert "leaves the dataset folder" in found(sample)["blob-missing"].message


def test_a_missing_blob_is_said_once_for_each_line(sample: Sample) -> None:
    (sample.root / BLOB).unlink()
    for groups in ([Group.LAYOUT], [Group.WORKLOAD], list(Group)):
        findings = [item.check for item in sample.report(groups).findings]
        assert findings.count("blob-missing") == 1


def test_a_broken_blob_is_told_from_a_missing_one(sample: Sample) -> None:
    sample.text(BLOB, safetensors(TENSORS)[:-3])
    finding = found(sample)["blob-broken"]
    assert finding.field.endswith(".path") and "its header speaks of" in finding.message


STORED: list[tuple[str, str, Stored, str]] = [
    ("kv_indptr", "constraint-violated", int32(0, 2, 2), "kv_indptr = [0, 2, 2]"),
    ("kv_indptr", "index-values", int32(1, 2, 3), "starts at 1"),
    ("kv_indices", "index-values", int32(4, 0, 5), "[2] is 5"),
    ("kv_last_page_len", "index-values", int32(2, 3), "[1] is 3"),
]


@pytest.mark.parametrize(("key", "check", "tensor", "message"), STORED)
def test_stored_values_are_held_against_constraints_and_rules(
    key: str, check: str, tensor: Stored, message: str, sample: Sample
) -> None:
    sample.blob(BLOB, {**TENSORS, key: tensor})
    finding = found(sample)[check]
    assert finding.line == 1 and message in finding.message


def test_a_nan_in_a_stored_input_is_found(sample: Sample) -> None:
    values = [1.0] * 8
    stored = {"type": "safetensors", "path": BLOB, "tensor_key": "q"}
    sample.change(WORKLOADS, inputs(q=stored))
    flat = float32(*values[:5], float("nan"), 1.0, 1.0)
    sample.blob(BLOB, {**TENSORS, "q": (flat[0], [2, 4], flat[2])})
    finding = found(sample)["nan-values"]
    assert finding.field == "workload.inputs.q" and "element 5" in finding.message


@pytest.mark.parametrize(
    ("dtype", "value", "sound"),
    [
        ("float32", 2, True),
        ("float32", True, False),
        ("int32", 3, True),
        ("int32", 3.5, False),
        ("int8", 300, False),
        ("int32", True, False),
        ("bool", False, True),
        ("bool", 1, False),
    ],
)
def test_a_scalar_has_the_dtype_of_its_input(
    dtype: str, value: Any, sound: bool, sample: Sample
) -> None:
    sample.change(DEFINITION, lambda item: item["inputs"]["sm_scale"].update(dtype=dtype))
    sample.change(WORKLOADS, inputs(sm_scale={"type": "scalar", "value": value}))
    assert ("input-kind" not in found(sample)) is sound


def test_a_scalar_may_be_stored_as_a_tensor_of_one(sample: Sample) -> None:
    stored = {"type": "safetensors", "path": BLOB, "tensor_key": "s"}
    sample.change(WORKLOADS, inputs(sm_scale=stored))
    sample.blob(BLOB, {**TENSORS, "s": float32(0.5)})
    assert not found(sample)
    sample.blob(BLOB, {**TENSORS, "s": float32(0.5, 0.5)})
    assert found(sample)["tensor-shape"].field == "workload.inputs.sm_scale"


def test_a_stored_scalar_takes_part_in_constraints(sample: Sample) -> None:
    sample.change(DEFINITION, lambda item: item["constraints"].append("sm_scale.item() > 0"))
    assert not found(sample)
    stored = {"type": "safetensors", "path": BLOB, "tensor_key": "s"}
    sample.change(WORKLOADS, inputs(sm_scale=stored))
    sample.blob(BLOB, {**TENSORS, "s": float32(-0.5)})
    assert "sm_scale = [-0.5]" in found(sample)["constraint-violated"].message


def test_a_constraint_on_random_values_is_left_alone(sample: Sample) -> None:
    sample.change(DEFINITION, lambda item: item["constraints"].append("(q > 0).all().item()"))
    assert not found(sample)


def test_a_constraint_that_is_false_before_it_asks_for_random_values(sample: Sample) -> None:
    constraint = "num_pages > 9 and q.max() < 3"
    sample.change(DEFINITION, lambda item: item["constraints"].append(constraint))
    message = found(sample)["constraint-violated"].message
    assert message == f"`{constraint}` does not hold: num_pages = 5"


def test_lines_of_a_definition_that_is_not_there_are_one_finding(sample: Sample) -> None:
    (sample.root / DEFINITION).unlink()
    sample.lines(WORKLOADS, workload("a"), workload("b"))
    (finding,) = sample.report([Group.WORKLOAD]).findings
    assert (finding.check, finding.line, finding.count) == ("workload-definition", 1, 2)


def test_a_constraint_that_cannot_be_worked_out_is_said_once(sample: Sample) -> None:
    constraint = "(kv_indptr == kv_indices[:2]).all()"
    sample.change(DEFINITION, lambda item: item["constraints"].append(constraint))
    sample.lines(WORKLOADS, workload("a"), workload("b"))
    findings = sample.report([Group.WORKLOAD]).findings
    assert [item.check for item in findings] == ["constraint-form"]


def test_a_constraint_that_raises_is_violated(sample: Sample) -> None:
    sample.change(DEFINITION, lambda item: item["constraints"].append("kv_indptr[7] == 0"))
    assert "cannot be evaluated" in found(sample)["constraint-violated"].message


def test_a_uuid_stands_for_one_workload(sample: Sample) -> None:
    other = {**workload(), "definition": "other"}
    sample.lines("workloads/paged/other.jsonl", other)
    sample.lines(WORKLOADS, workload(), workload(), workload("w2"))
    findings = found(sample)
    assert (findings["uuid-duplicate"].file, findings["uuid-duplicate"].line) == (WORKLOADS, 2)
    assert f"{WORKLOADS}:1" in findings["uuid-duplicate"].message
    assert findings["uuid-shared"].file == "workloads/paged/other.jsonl"


def test_a_definition_without_workloads_is_doubted(sample: Sample) -> None:
    (sample.root / WORKLOADS).unlink()
    assert found(sample)["no-workloads"].file == DEFINITION


def test_a_bad_line_hides_no_other(sample: Sample) -> None:
    sound = json.dumps(workload("w2")).encode()
    wrong = json.dumps({**workload("w3"), "solution": "fast"}).encode()
    no_uuid = workload()
    del no_uuid["workload"]["uuid"]
    lines = [b"{", sound, b"\xff", wrong, b"", json.dumps(no_uuid).encode()]
    sample.text(WORKLOADS, b"\n".join(lines) + b"\n")
    report = sample.report([Group.WORKLOAD])
    told = [(item.line, item.check) for item in report.findings]
    assert told == [
        (1, "workload-unreadable"),
        (3, "workload-unreadable"),
        (4, "workload-unreadable"),
        (6, "workload-outdated"),
    ]
    assert report.checked["workloads"] == 2


def test_the_definition_of_the_highest_layer_counts(sample: Sample, tmp_path: Path) -> None:
    overlay = Sample(tmp_path / "overlay")
    changed = {**definition(), "constraints": ["num_pages > 100"]}
    overlay.write(DEFINITION, changed)
    for path in (WORKLOADS, TRACES, BLOB):
        (overlay.root / path).unlink()
    report = validate(read_dataset([sample.root, overlay.root]), [Group.WORKLOAD])
    assert [item.message for item in report.findings] == [
        "`num_pages > 100` does not hold: num_pages = 5"
    ]
    assert NAME in report.findings[0].file
