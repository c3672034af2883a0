"""From what a child sent and what a comparison found to an ending and one line that says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.evaluate.facts import Check
from engine.schema.definition import Definition
from engine.schema.endings import Ending


class OutputForm(Protocol):
    """What is known of an output without looking at its values."""

    @property
    def name(self) -> str:
        """Name of the output."""

    @property
    def dtype(self) -> str:
        """Name of the dtype, or of the type where it is no tensor."""

    @property
    def shape(self) -> list[int] | None:
        """Its shape, or None where it is no tensor."""


Verdict = tuple[Ending, str]


def judge_form(
    definition: Definition, axes: Mapping[str, int], outputs: Sequence[OutputForm]
) -> Verdict | None:
    """Judge number, type, shape and dtype of one call's outputs.

    Args:
        definition: Says what they should be.
        axes: Lengths of the workload's variable axes.
        outputs: What came, in order.

    Returns:
        None if all is well.
    """
    wanted = definition.outputs
    if len(outputs) != len(wanted):
        names = ", ".join(wanted)
        found = f"{len(outputs)} value{'s' if len(outputs) != 1 else ''}"
        return Ending.WRONG_OUTPUTS, f"returned {found} where {len(wanted)} are due: {names}"
    for output in outputs:
        if output.shape is None:
            return Ending.WRONG_OUTPUTS, f"{output.name} is no tensor but a {output.dtype}"
    for output, name in zip(outputs, wanted, strict=True):
        shape = list(definition.shape_of(name, axes) or ())
        if output.shape != shape:
            return Ending.WRONG_SHAPE, f"{name} has shape {output.shape} instead of {shape}"
    for output, (name, spec) in zip(outputs, wanted.items(), strict=True):
        if output.dtype != spec.dtype:
            return Ending.WRONG_DTYPE, f"{name} is {output.dtype} instead of {spec.dtype}"
    return None


def judge_values(checks: Sequence[Check], where: str) -> Verdict | None:
    """Judge what a comparison found.

    Args:
        checks: One for each output (and call).
        where: Which call this was, for the reason.

    Returns:
        None if every output matches.
    """
    failed = next((check for check in checks if not check.ok), None)
    if failed is None:
        return None
    return Ending.WRONG_VALUES, f"{explain(failed)} ({where})"


def explain(check: Check) -> str:
    """Why one output does not match, in one line."""
    if check.message:
        return f"{check.output}: {check.message}"
    text = f"{check.output}: {check.bad} of {check.elements} elements differ"
    if check.non_finite:
        text += f", {check.non_finite} by NaN or infinity"
    else:
        text += f", largest error {_short(check.max_abs)}"
    if check.worst:
        index, expected, got = check.worst[0]
        text += f"; at {index} expected {_short(expected)}, got {_short(got)}"
    return text


def _short(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
