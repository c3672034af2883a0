"""Definition: what an operator computes, over which axes, and the reference that fixes it."""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Mapping

from msgspec import Struct, field

from engine.schema.errors import RuleError
from engine.schema.hashing import digest
from engine.schema.names import DType


class AxisConst(Struct, tag="const", tag_field="type", omit_defaults=True, kw_only=True):
    """An axis whose length is fixed by the definition."""

    value: int
    description: str | None = None

    def __post_init__(self) -> None:
        if self.value < 0:
            raise RuleError("value", f"a constant axis is at least 0, not {self.value}")


class AxisVar(Struct, tag="var", tag_field="type", omit_defaults=True, kw_only=True):
    """An axis whose length each workload chooses."""

    description: str | None = None


Axis = AxisConst | AxisVar


class TensorSpec(Struct, omit_defaults=True, kw_only=True):
    """A tensor (or, where ``shape`` is None, a scalar) that goes in or comes out."""

    shape: list[str] | None
    dtype: DType
    description: str | None = None

    def __post_init__(self) -> None:
        for position, axis in enumerate(self.shape or ()):
            if not axis:
                raise RuleError(f"shape[{position}]", "an axis name must not be empty")


class Definition(Struct, omit_defaults=True, kw_only=True):
    """One operator with its axes, tensors, constraints and PyTorch reference.

    The rules are those that flashinfer-bench's ``Definition`` model enforces.
    """

    name: str
    op_type: str
    axes: dict[str, Axis]
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    reference: str
    tags: list[str] = field(default_factory=list)
    description: str | None = None
    constraints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for key in ("name", "op_type", "reference"):
            if not getattr(self, key):
                raise RuleError(key, "must not be empty")
        for position, tag in enumerate(self.tags):
            if not tag:
                raise RuleError(f"tags[{position}]", "a tag must not be empty")
        for group in ("axes", "inputs", "outputs"):
            if "" in getattr(self, group):
                raise RuleError(group, "a name must not be empty")
        _check_reference(self.reference)
        for position, text in enumerate(self.constraints):
            _check_constraint(f"constraints[{position}]", text)
        for name in self.inputs:
            if name in self.outputs:
                raise RuleError(f"outputs.{name}", "an input has the same name")
        for group, specs in (("inputs", self.inputs), ("outputs", self.outputs)):
            for name, spec in specs.items():
                for position, axis in enumerate(spec.shape or ()):
                    if axis not in self.axes:
                        raise RuleError(
                            f"{group}.{name}.shape[{position}]", f"axis {axis!r} is not defined"
                        )

    @property
    def const_axes(self) -> dict[str, int]:
        """Lengths of the axes that the definition fixes."""
        return {name: axis.value for name, axis in self.axes.items() if isinstance(axis, AxisConst)}

    @property
    def var_axes(self) -> list[str]:
        """Names of the axes that a workload chooses, in order."""
        return [name for name, axis in self.axes.items() if isinstance(axis, AxisVar)]

    def content_hash(self) -> str:
        """Identity of what this definition asks for: every field but its descriptions and tags.

        Returns:
            16 hexadecimal digits.
        """
        parts = [self.name, self.op_type, self.reference]
        for name, axis in self.axes.items():
            parts += ["axis", name, str(axis.value) if isinstance(axis, AxisConst) else "var"]
        for group, specs in (("input", self.inputs), ("output", self.outputs)):
            for name, spec in specs.items():
                rank = "scalar" if spec.shape is None else str(len(spec.shape))
                parts += [group, name, spec.dtype, rank, *(spec.shape or ())]
        for text in self.constraints:
            parts += ["constraint", text]
        return digest(parts)

    def bytes_of(self, axes: Mapping[str, int]) -> int:
        """Bytes of all inputs and outputs for the given lengths of the variable axes."""
        total = 0
        for name, spec in (*self.inputs.items(), *self.outputs.items()):
            total += math.prod(self.shape_of(name, axes) or ()) * spec.dtype.bits // 8
        return total

    def shape_of(self, name: str, axes: Mapping[str, int]) -> tuple[int, ...] | None:
        """Shape of an input or output for the given lengths of the variable axes.

        Args:
            name: An input or output of this definition.
            axes: Lengths of the variable axes.

        Returns:
            The shape, or None for a scalar.

        Raises:
            KeyError: A variable axis has no length, or there is no such tensor.
        """
        spec = self.inputs[name] if name in self.inputs else self.outputs[name]
        if spec.shape is None:
            return None
        lengths = {**axes, **self.const_axes}
        return tuple(lengths[axis] for axis in spec.shape)


def _check_reference(source: str) -> None:
    try:
        tree = _parse(source, "exec")
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise RuleError("reference", f"is not valid Python{where}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise RuleError("reference", f"is not valid Python: {error}") from None
    body = tree.body if isinstance(tree, ast.Module) else []
    if not any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in body):
        raise RuleError("reference", "has no top-level function `run`")


def _check_constraint(path: str, text: str) -> None:
    try:
        _parse(text, "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise RuleError(path, f"is not a Python expression: {reason}") from None


def _parse(source: str, mode: str) -> ast.AST:
    """The syntax tree, without the parser's warnings: they would end up on the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, mode=mode)


def describe_axes(axes: Mapping[str, int]) -> str:
    """Text that tells workloads of one definition apart, e.g. ``batch_size=64``."""
    return " ".join(f"{name}={length}" for name, length in axes.items())
