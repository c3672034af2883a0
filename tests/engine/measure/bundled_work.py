"""Bundled definitions, their workloads, and those inputs of them that formulas may look at."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache

import torch
from msgspec import structs

from engine.evaluate.evaluators import BY_NAME
from engine.evaluate.inputs import Value, torch_dtype
from engine.evaluate.registry import plan_for
from engine.measure.facts import Work
from engine.measure.work import work_of
from engine.schema import QUICK, Definition, Workload, decode
from engine.schema.workload import SafetensorsInput
from flashinfer_trace import ROOT
from tests.flashinfer_trace import bundled

LIGHT_BYTES = 1 << 16


@cache
def definition_of(name: str) -> Definition:
    """A bundled definition."""
    return decode(json.dumps(bundled.definitions()[name]), Definition)


def workload_of(name: str, **at_least: int) -> Workload:
    """The smallest workload of a bundled definition of which some axes have some length."""
    lines = (json.dumps(line["workload"]) for line in bundled.workloads(name))
    found = [decode(line, Workload) for line in lines]
    fit = [w for w in found if all(w.axes[axis] >= low for axis, low in at_least.items())]
    return min(fit, key=lambda workload: definition_of(name).bytes_of(workload.axes))


def inputs_of(name: str, workload: Workload) -> dict[str, Value]:
    """Inputs as an evaluation makes them; but large data have a shape and no elements.

    Who looks at what lies on the meta device fails, and the largest would not fit into memory.
    """
    definition = definition_of(name)
    light = {
        name: spec
        for name, spec in definition.inputs.items()
        if spec.dtype in ("int32", "int64")
        or name == "routing_logits"
        or spec.dtype.bits * math.prod(definition.shape_of(name, workload.axes) or ())
        < 8 * LIGHT_BYTES
    }
    blobs = {
        source.path: str(ROOT / source.path)
        for source in workload.inputs.values()
        if isinstance(source, SafetensorsInput)
    }
    evaluator = BY_NAME[plan_for(definition, workload, QUICK).evaluator]
    lighter = structs.replace(definition, inputs=light)
    return completed(
        definition, workload.axes, evaluator.make_inputs(lighter, workload, "seed", blobs)
    )


def completed(
    definition: Definition, axes: Mapping[str, int], values: Mapping[str, Value]
) -> dict[str, Value]:
    """All inputs of a definition; those that are not given have a shape and no elements."""
    made = dict(values)
    for name, spec in definition.inputs.items():
        shape = definition.shape_of(name, axes)
        if shape is None:
            made.setdefault(name, 0)
        else:
            empty = torch.empty(shape, dtype=torch_dtype(spec.dtype), device="meta")
            made.setdefault(name, empty)
    return made


def table(values: Mapping[str, Value], name: str) -> list[int]:
    """The numbers of an input, row after row."""
    value = values[name]
    assert isinstance(value, torch.Tensor)
    return [int(number) for number in value.flatten().tolist()]


def work_with(name: str, axes: Mapping[str, int], **values: object) -> Work:
    """Work of a bundled definition with tables of the test's own, given as lists."""
    definition = definition_of(name)
    given = {
        name: torch.tensor(value, dtype=torch_dtype(definition.inputs[name].dtype))
        if isinstance(value, list)
        else value
        for name, value in values.items()
    }
    return work_of(definition, axes, completed(definition, axes, given))
