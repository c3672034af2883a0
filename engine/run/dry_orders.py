"""Orders for the dry role: what to load, and the calls that make Triton compile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.run.protocol import DryCall, Load, TensorMeta
from engine.schema import Definition, DType, ScalarInput, Solution, TensorSpec, Workload

_ANY_FLOAT = 1.0
_ANY_INTEGER = 7
"""In place of one that is made later; like most integers to Triton: not 1, no multiple of 16."""


def dry_calls(definition: Definition, workloads: Sequence[Workload]) -> list[DryCall]:
    """One call for each set of shapes and scalars; none for a workload that lacks an axis."""
    calls: list[DryCall] = []
    for workload in workloads:
        if set(definition.var_axes) - set(workload.axes):
            continue
        call = DryCall(order=list(definition.inputs), tensors=[], scalars={}, outputs=[])
        for name, spec in definition.inputs.items():
            shape = definition.shape_of(name, workload.axes)
            source = workload.inputs.get(name)
            if isinstance(source, ScalarInput):
                call.scalars[name] = source.value
            elif shape is None:
                call.scalars[name] = _any_number(spec)
            else:
                call.tensors.append(_meta(name, spec, shape))
        for name, spec in definition.outputs.items():
            shape = definition.shape_of(name, workload.axes)
            call.outputs.append(_meta(name, spec, shape or ()))
        if call not in calls:
            calls.append(call)
    return calls


def _meta(name: str, spec: TensorSpec, shape: tuple[int, ...]) -> TensorMeta:
    return TensorMeta(name=name, dtype=spec.dtype, shape=list(shape))


def _any_number(spec: TensorSpec) -> bool | int | float:
    if spec.dtype is DType.BOOL:
        return True
    return _ANY_FLOAT if "float" in spec.dtype else _ANY_INTEGER


def load_order(solution: Solution, definition: Definition, sources: Path) -> Load:
    """Load a solution that was laid out."""
    spec = solution.spec
    return Load(
        folder=str(sources),
        language=spec.language,
        entry_file=spec.entry_file,
        entry_function=spec.entry_function,
        destination_passing=spec.destination_passing_style,
        inputs=list(definition.inputs),
        outputs=list(definition.outputs),
    )
