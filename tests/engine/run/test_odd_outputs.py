"""Outputs in every odd form: each is judged by what it holds, or refused in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.run.client import RunHandle
from engine.run.progress import Cell
from engine.schema import Kind, Status

from .conftest import DOUBLE, run_to_end, write_dataset


def redefine(root: Path, changes: Mapping[str, Any], axes: Mapping[str, int] | None = None) -> Path:
    """Change the definition of a dataset, and the inputs of its workload along with it."""
    definition = {**DOUBLE, **changes}
    (root / "definitions/toy/double.json").write_text(json.dumps(definition))
    workload = {
        "uuid": "w",
        "axes": {"n": 64} if axes is None else dict(axes),
        "inputs": {name: {"type": "random"} for name in definition["inputs"]},
    }
    line = json.dumps({"definition": "double", "workload": workload})
    (root / "workloads/toy/double.jsonl").write_text(line + "\n")
    return root


def only_cell(handle: RunHandle) -> Cell:
    (cell,) = handle.progress.cells.values()
    return cell


RETURNED = {
    "transposed_view": "x.reshape(8, 8).t().contiguous().t().reshape(64) * 2",
    "non_contiguous": "torch.stack([x * 2, x], dim=1)[:, 0]",
    "list_of_one": "[x * 2]",
    "requires_grad": "(x * 2).requires_grad_()",
    "same_tensor_after_in_place": "x.mul_(2)",
    "negative_view": "torch._neg_view(-(x * 2))",
    "its_input": "x",
    "expanded": "x[:1].expand(64)",
    "zero_dim": "x.sum()",
    "parameter": "torch.nn.Parameter(x * 2)",
    "sparse": "(x * 2).to_sparse()",
    "meta": "torch.empty(64, device='meta')",
    "complex": "(x * 2).to(torch.complex64).conj()",
    "float64": "x.double() * 2",
    "nothing": "None",
    "number": "2.0",
    "dict": "{'y': x * 2}",
    "two": "(x * 2, x)",
    "empty_tuple": "()",
}

DUE = {
    "transposed_view": (Status.PASSED, ""),
    "non_contiguous": (Status.PASSED, ""),
    "list_of_one": (Status.PASSED, ""),
    "requires_grad": (Status.PASSED, ""),
    "same_tensor_after_in_place": (Status.PASSED, ""),
    "negative_view": (Status.PASSED, ""),
    "its_input": (Status.INCORRECT_NUMERICAL, "elements differ"),
    "expanded": (Status.INCORRECT_NUMERICAL, "elements differ"),
    "zero_dim": (Status.INCORRECT_SHAPE, "y has shape [] instead of [64]"),
    "parameter": (Status.RUNTIME_ERROR, "y is no tensor but a Parameter"),
    "sparse": (Status.RUNTIME_ERROR, "y is no tensor but a sparse_coo tensor"),
    "meta": (Status.RUNTIME_ERROR, "meta"),
    "complex": (Status.INCORRECT_DTYPE, "y is complex64 instead of float32"),
    "float64": (Status.INCORRECT_DTYPE, "y is float64 instead of float32"),
    "nothing": (Status.RUNTIME_ERROR, "y is no tensor but a NoneType"),
    "number": (Status.RUNTIME_ERROR, "y is no tensor but a float"),
    "dict": (Status.RUNTIME_ERROR, "y is no tensor but a dict"),
    "two": (Status.RUNTIME_ERROR, "returned 2 values where 1 are due"),
    "empty_tuple": (Status.RUNTIME_ERROR, "returned 0 values where 1 are due"),
}


def test_returned_values_are_judged_by_what_they_hold(tmp_path: Path) -> None:
    sources = {
        name: f"import torch\ndef run(x):\n    return {value}\n" for name, value in RETURNED.items()
    }
    dataset = write_dataset(tmp_path / "dataset", sources, destination_passing_style=False)
    handle = run_to_end(dataset)
    assert handle.state == "finished", handle.progress.message
    cells = {cell.solution: cell for cell in handle.progress.cells.values()}
    for name, (status, reason) in DUE.items():
        assert cells[name].status is status, cells[name]
        assert reason in cells[name].message, name


@pytest.mark.parametrize(
    ("dtype", "reference"),
    [
        ("bool", "x > 0"),
        ("int8", "(x * 9).to(torch.int8)"),
        ("int64", "(x * 1000).to(torch.int64)"),
        ("float16", "(x * 2).half()"),
        ("float8_e4m3fn", "x.to(torch.float8_e4m3fn)"),
        ("float8_e5m2", "x.to(torch.float8_e5m2)"),
    ],
)
def test_every_dtype_passes_where_it_is_right_and_fails_where_it_is_not(
    tmp_path: Path, dtype: str, reference: str
) -> None:
    sources = {
        "right": f"import torch\ndef run(x, y):\n    y.copy_({reference})\n",
        "idle": "def run(x, y):\n    pass\n",
    }
    dataset = redefine(
        write_dataset(tmp_path / "dataset", sources),
        {
            "outputs": {"y": {"shape": ["n"], "dtype": dtype}},
            "reference": f"import torch\ndef run(x):\n    return {reference}\n",
        },
    )
    handle = run_to_end(dataset)
    cells = {cell.solution: cell for cell in handle.progress.cells.values()}
    assert cells["right"].status is Status.PASSED, cells["right"].message
    assert cells["idle"].status is Status.INCORRECT_NUMERICAL, cells["idle"]


@pytest.mark.parametrize(
    ("changes", "axes", "source"),
    [
        pytest.param({}, {"n": 0}, "def run(x, y):\n    y.copy_(x * 2)\n", id="no elements"),
        pytest.param(
            {
                "inputs": {},
                "reference": "import torch\ndef run():\n    return torch.ones(N)\n".replace(
                    "N", "64"
                ),
            },
            {"n": 64},
            "def run(y):\n    y.fill_(1)\n",
            id="no inputs",
        ),
        pytest.param(
            {
                "outputs": {"y": {"shape": None, "dtype": "float32"}},
                "reference": "def run(x):\n    return x.sum()\n",
            },
            {"n": 64},
            "def run(x, y):\n    y.copy_(x.sum())\n",
            id="scalar output",
        ),
        pytest.param(
            {
                "axes": {"n": {"type": "var"}, "zero": {"type": "const", "value": 0}},
                "inputs": {"x": {"shape": ["n", "zero"], "dtype": "bfloat16"}},
                "outputs": {"y": {"shape": ["zero", "n"], "dtype": "bfloat16"}},
                "reference": "def run(x):\n    return x.t()\n",
            },
            {"n": 64},
            "def run(x, y):\n    pass\n",
            id="a constant axis of no length",
        ),
    ],
)
def test_odd_definitions_are_evaluated(
    tmp_path: Path, changes: Mapping[str, Any], axes: Mapping[str, int], source: str
) -> None:
    dataset = redefine(write_dataset(tmp_path / "dataset", {"only": source}), changes, axes)
    cell = only_cell(run_to_end(dataset))
    assert cell.status is Status.PASSED, cell


@pytest.mark.parametrize(
    ("changes", "axes", "reason"),
    [
        pytest.param({}, {}, "no length for axis n", id="an axis is missing"),
        pytest.param(
            {"outputs": {}, "reference": "def run(x):\n    return None\n"},
            {"n": 64},
            "returned 1 outputs, not 0",
            id="no outputs",
        ),
        pytest.param(
            {
                "axes": {"n": {"type": "var"}, "m": {"type": "var"}},
                "outputs": {"y": {"shape": ["m"], "dtype": "int32"}},
                "op_type": "sampling",
            },
            {"n": 64},
            "no length for axis m",
            id="an axis of the outputs alone is missing",
        ),
        pytest.param(
            {
                "outputs": {"y": {"shape": ["n"], "dtype": "float4_e2m1"}},
                "reference": "def run(x):\n    return x\n",
            },
            {"n": 64},
            "float4_e2m1",
            id="a dtype that torch does not have",
        ),
        pytest.param(
            {"reference": "def run(x):\n    return 2.0\n"},
            {"n": 64},
            "y is no tensor but a float",
            id="a reference that returns a number",
        ),
    ],
)
def test_what_cannot_be_judged_is_no_verdict_on_the_solution(
    tmp_path: Path, changes: Mapping[str, Any], axes: Mapping[str, int], reason: str
) -> None:
    sources = {"only": "def run(*values):\n    pass\n"}
    dataset = redefine(write_dataset(tmp_path / "dataset", sources), changes, axes)
    handle = run_to_end(dataset)
    assert handle.state == "finished", handle.progress.message
    cell = only_cell(handle)
    assert (cell.phase, cell.status) == (Kind.NOT_RUN, None), cell
    assert reason in cell.message
