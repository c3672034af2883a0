"""The stored tensors of each workload fit its axes, its constraints and what a server sends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from flashinfer_trace import ROOT
from tests.flashinfer_trace.bundled import (
    DECODE,
    NAMES,
    ROPE,
    TOP_K,
    Record,
    definitions,
    workloads,
)

STORED = [name for name in NAMES if name in (DECODE, ROPE, TOP_K)]


def stored_inputs(line: Record, framework: str) -> Record:
    found: dict[str, Any] = {}
    for name, item in line["workload"]["inputs"].items():
        if item["type"] == "scalar":
            found[name] = item["value"]
        elif item["type"] == "safetensors":
            assert item["path"].startswith("./blob/workloads/")
            with safe_open(ROOT / item["path"], framework=framework) as file:
                found[name] = file.get_tensor(item["tensor_key"])
    return found


def axis_values(line: Record) -> dict[str, int]:
    axes = definitions()[line["definition"]]["axes"]
    fixed = {name: axis["value"] for name, axis in axes.items() if axis["type"] == "const"}
    return fixed | line["workload"]["axes"]


@pytest.mark.parametrize("name", STORED)
def test_stored_tensors_have_the_shape_and_dtype_of_the_definition(name: str) -> None:
    inputs = definitions()[name]["inputs"]
    for line in workloads(name):
        axes = axis_values(line)
        for tensor, value in stored_inputs(line, "pt").items():
            if inputs[tensor]["shape"] is None:
                assert isinstance(value, float)
                continue
            assert list(value.shape) == [axes[axis] for axis in inputs[tensor]["shape"]]
            assert value.dtype == getattr(torch, inputs[tensor]["dtype"])


@pytest.mark.parametrize("framework", ["pt", "np"])
@pytest.mark.parametrize("name", STORED)
def test_every_constraint_holds(name: str, framework: str) -> None:
    for line in workloads(name):
        values = axis_values(line) | stored_inputs(line, framework)
        for constraint in definitions()[name]["constraints"]:
            assert eval(constraint, {"__builtins__": {}}, values) is True, constraint


def test_the_constraints_reject_a_table_that_points_outside_the_cache() -> None:
    line = workloads(DECODE)[0]
    values = axis_values(line) | stored_inputs(line, "pt")
    values["kv_indices"] = values["kv_indices"] + values["num_pages"]
    verdicts = [
        eval(constraint, {"__builtins__": {}}, values)
        for constraint in definitions()[DECODE]["constraints"]
    ]
    assert verdicts == [True, True, True, True, False]


def test_no_page_belongs_to_two_sequences_and_every_sequence_has_one() -> None:
    for line in workloads(DECODE):
        values = stored_inputs(line, "np")
        assert len(np.unique(values["kv_indices"])) == len(values["kv_indices"])
        lengths = np.diff(values["kv_indptr"])
        assert lengths.min() >= 1
        assert lengths.max() <= 4 * lengths.mean()
        assert len(lengths) == 1 or lengths.max() > 1.5 * lengths.mean()


def test_the_angle_table_holds_cosines_and_sines_of_one_angle() -> None:
    table = stored_inputs(workloads(ROPE)[0], "np")["cos_sin_cache"].astype(np.float64)
    angle = np.arange(4096)[:, None] * 5e6 ** (-np.arange(32) / 32)
    np.testing.assert_allclose(table[:, :32], np.cos(angle), atol=1e-7)
    np.testing.assert_allclose(table[:, 32:], np.sin(angle), atol=1e-7)


def test_sampling_asks_for_values_of_k_that_servers_see() -> None:
    seen: set[int] = set()
    for line in workloads(TOP_K):
        seen |= set(stored_inputs(line, "np")["top_k"].tolist())
    assert seen == {1, 20, 40, 50, 64, 1000, 128256}
