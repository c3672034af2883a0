"""Bundled definitions with smaller fixed axes, and random inputs of them as an evaluation has."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from engine.evaluate.evaluators import BY_NAME
from engine.evaluate.inputs import Value
from engine.evaluate.registry import Plan, plan_for
from engine.schema import QUICK, Definition, Workload, decode
from engine.schema.definition import AxisConst
from engine.schema.workload import RandomInput
from flashinfer_trace.authoring.emit import with_constants
from tests.flashinfer_trace.bundled import Record, definitions, solutions
from tests.flashinfer_trace.families import SAMPLE, names

SMALL: dict[str, dict[str, int]] = {
    "moe": {
        "hidden_size": 64,
        "intermediate_size": 32,
        "gemm1_out_size": 64,
        "num_hidden_blocks": 4,
        "num_intermediate_blocks": 2,
        "num_gemm1_out_blocks": 4,
    },
    "gdn": {"head_size": 16},
    "mamba_ssu": {"head_dim": 4, "dstate": 8},
    "dsa_paged": {
        "head_dim_ckv": 32,
        "head_dim_kpe": 8,
        "topk": 24,
        "num_index_heads": 8,
        "index_head_dim": 16,
        "head_dim_with_scale": 20,
    },
}
"""Fixed axes of each operator that its references take from their inputs, made short."""


def shrunk(name: str) -> Definition:
    """Return a bundled definition with shorter axes."""
    found = decode(json.dumps(definitions()[name]), Definition)
    for axis, length in SMALL[found.op_type].items():
        if isinstance(found.axes.get(axis), AxisConst):
            found.axes[axis] = AxisConst(value=length)
    return found


def plan(definition: Definition) -> Plan:
    """Return how an evaluation of one set would go."""
    return plan_for(definition, Workload(uuid="w", axes={}, inputs={}), QUICK)


def make(
    definition: Definition, axes: Mapping[str, int], given: Mapping[str, Any], seed: str = "1"
) -> dict[str, Value]:
    """Return inputs of a definition as its evaluator makes them, some of them given."""
    inputs = {name: RandomInput() for name in definition.inputs}
    workload = Workload(uuid="w", axes=dict(axes), inputs=dict(inputs))
    values = BY_NAME[plan(definition).evaluator].make_inputs(definition, workload, seed, {})
    return values | dict(given)


def reference(name: str, **constants: int) -> Callable[..., Any]:
    """Return a definition's `run`, with other values for some constants."""
    scope: dict[str, Any] = {"__name__": f"reference_{name}"}
    source = with_constants(definitions()[name]["reference"], constants)
    exec(compile(source, f"<reference of {name}>", "exec"), scope)
    run: Callable[..., Any] = scope["run"]
    return run


def baseline(name: str, **constants: int) -> Record:
    """Return a definition's baseline, with other values for some constants."""
    record = json.loads(json.dumps(solutions()[f"torch_{name}"]))
    for source in record["sources"]:
        if source["path"] == "main.py":
            source["content"] = with_constants(source["content"], constants)
    return dict(record)


def outputs_of(
    definition: Definition, record: Record, run: Callable[..., Any], values: Mapping[str, Value]
) -> list[torch.Tensor]:
    """Call a solution in its own style; outputs to write into are full of NaN."""
    arguments = list(values.values())
    if not record["spec"]["destination_passing_style"]:
        found = run(*arguments)
        return list(found) if isinstance(found, tuple) else [found]
    sizes: dict[str, int] = {}
    for name, spec in definition.inputs.items():
        value = values[name]
        if isinstance(value, torch.Tensor):
            sizes |= zip(spec.shape or (), value.shape, strict=True)
    outputs = [
        torch.full([sizes[axis] for axis in spec.shape or ()], torch.nan).to(
            getattr(torch, spec.dtype.value)
        )
        for spec in definition.outputs.values()
    ]
    assert run(*arguments, *outputs) is None
    return outputs


def sampled(*op_types: str) -> list[str]:
    """Return the names of those definitions that the sample has; of all where there is none."""
    there = {path.stem for path in (SAMPLE / "definitions").rglob("*.json")}
    return [name for name in names(*op_types) if name in there or not there]


def sample(name: str, constants: Mapping[str, int]) -> Callable[..., Any]:
    """Return `run` of the real dataset's definition, or skip the test.

    Its assertions are dropped, and local variables that hold a fixed size get another one.
    """
    found = list((SAMPLE / "definitions").rglob(f"{name}.json"))
    if not found:
        pytest.skip("the sample of the real dataset is not beside this repository")
    tree = _Resized(constants).visit(ast.parse(json.loads(found[0].read_text())["reference"]))
    scope: dict[str, Any] = {}
    exec(compile(ast.fix_missing_locations(tree), f"<sample of {name}>", "exec"), scope)
    run: Callable[..., Any] = scope["run"]
    return run


class _Resized(ast.NodeTransformer):
    def __init__(self, constants: Mapping[str, int]) -> None:
        self._constants = constants

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return ast.Pass()

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        (target,) = node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant):
            value = self._constants.get(target.id, node.value.value)
            node.value = ast.Constant(value)
        return node
