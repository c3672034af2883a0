"""What a formula knows of one call of an operator: shapes, widths, and the values of tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import torch

from engine.measure.facts import Work
from engine.schema.definition import Definition, TensorSpec
from engine.schema.names import DType

Value = torch.Tensor | int | float | bool

_RATES = {
    DType.FLOAT32: "tf32",
    DType.BFLOAT16: "bf16",
    DType.FLOAT16: "fp16",
    DType.FLOAT8_E4M3FN: "fp8",
    DType.FLOAT8_E5M2: "fp8",
    DType.FLOAT4_E2M1: "fp4",
}


class Unfit(Exception):
    """The inputs are not what a formula expects: only the tensors' sizes can be told."""


class Call:
    """One call of an operator.

    Args:
        definition: Of the operator.
        axes: Lengths of the axes that the workload chooses.
        values: Inputs by name. Only tables (lengths, indices, what a routing depends on) are
            looked at; the other tensors may be anywhere.
    """

    def __init__(
        self, definition: Definition, axes: Mapping[str, int], values: Mapping[str, Value]
    ) -> None:
        self.definition = definition
        self._axes = axes
        self._values = values

    def has(self, name: str) -> bool:
        """Whether there is an input of this name."""
        return name in self.definition.inputs

    def shape(self, name: str, *ranks: int) -> tuple[int, ...]:
        """Shape of an input or output.

        Args:
            name: Of the tensor.
            ranks: How many axes it may have.

        Raises:
            Unfit: There is no such tensor, or it has another number of axes.
        """
        known = name in self.definition.inputs or name in self.definition.outputs
        shape = self.definition.shape_of(name, self._axes) if known else None
        if shape is None or len(shape) not in ranks:
            raise Unfit(f"{name} is no tensor of {ranks} axes")
        return shape

    def nbytes(self, name: str) -> int:
        """Bytes of an input or output; 0 of a scalar."""
        shape = self.definition.shape_of(name, self._axes)
        return 0 if shape is None else math.prod(shape) * self._spec(name).dtype.bits // 8

    def row(self, name: str, axes: int = 1) -> int:
        """Bytes of one entry of an input along its first axes."""
        shape = self.definition.shape_of(name, self._axes) or ()
        return math.prod(shape[axes:]) * self._spec(name).dtype.bits // 8

    def table(self, name: str, rank: int) -> torch.Tensor:
        """Values of a tensor of integers, int64, in host memory.

        Raises:
            Unfit: There is no such tensor, or it has another number of axes.
        """
        found = self.tensor(name, rank)
        if found.is_floating_point():
            raise Unfit(f"{name} holds no integers")
        return found.cpu().long()

    def tensor(self, name: str, rank: int) -> torch.Tensor:
        """An input, where it is.

        Raises:
            Unfit: There is no such tensor, or it has another number of axes.
        """
        found = self._values.get(name)
        if not isinstance(found, torch.Tensor) or tuple(found.shape) != self.shape(name, rank):
            raise Unfit(f"{name} is no tensor of {rank} axes")
        return found

    def scalar(self, name: str, default: int) -> int:
        """An integer that is passed as it is, or what holds where the operator has none.

        Raises:
            Unfit: It is no integer.
        """
        found = self._values.get(name, default)
        if isinstance(found, torch.Tensor) or not float(found).is_integer():
            raise Unfit(f"{name} is no integer")
        return int(found)

    def rate(self, *names: str) -> str:
        """How fast products of some inputs can be: as fast as those of the narrowest of them.

        A kernel may round the others to it, which costs as much again as was lost before.

        Raises:
            Unfit: Matrix units know no such dtype.
        """
        dtypes = [self.definition.inputs[name].dtype for name in names]
        narrowest = min(dtypes, key=lambda dtype: dtype.bits)
        if narrowest not in _RATES:
            raise Unfit(f"no rate is known for {narrowest}")
        return _RATES[narrowest]

    def written(self, besides: Iterable[str] = ()) -> int:
        """Bytes of the outputs.

        Args:
            besides: Inputs. Outputs of the shape and dtype of one of them are left out: where a
                solution changes it in place and returns it, only what changes is written.
        """
        given = [self._form(name) for name in besides]
        outputs = self.definition.outputs
        return sum(self.nbytes(name) for name in outputs if self._form(name) not in given)

    def _form(self, name: str) -> tuple[DType, tuple[int, ...] | None]:
        return self._spec(name).dtype, self.definition.shape_of(name, self._axes)

    def _spec(self, name: str) -> TensorSpec:
        return (self.definition.inputs if self.has(name) else self.definition.outputs)[name]


def work(read: int, written: int, flops: Counter[str]) -> Work:
    """What a formula found."""
    return Work(read_bytes=read, written_bytes=written, flops=dict(+flops), basis="formula")
