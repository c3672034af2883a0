"""Tensors as constraints and rules see them: a shape, and values that are read when asked for.

Pure Python on purpose: what a person waits for does not import numpy, and the tensors that say
something (row pointers, page tables, lengths) are small.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import prod
from typing import Any

Number = bool | int | float


class Unknown(Exception):
    """The values are not in the dataset: the workload leaves them to chance."""


class Unsupported(Exception):
    """Something that torch can do and this evaluator cannot; says what."""


def no_values() -> Sequence[Number]:
    """The values of a tensor that has none here.

    Raises:
        Unknown: Always.
    """
    raise Unknown


class Tensor:
    """A tensor.

    Args:
        shape: Its lengths.
        read: Gives its values in row-major order; called once, when they are first needed.
    """

    def __init__(
        self, shape: tuple[int, ...], read: Callable[[], Sequence[Number]] = no_values
    ) -> None:
        self.shape = shape
        self._read = read
        self._values: Sequence[Number] | None = None

    @property
    def values(self) -> Sequence[Number]:
        """Its elements in row-major order.

        Raises:
            Unknown: They are left to chance.
        """
        if self._values is None:
            self._values = self._read()
        return self._values

    def item(self) -> Number:
        """The only element.

        Raises:
            ValueError: There are more, or none.
            Unknown: It is left to chance.
        """
        if prod(self.shape) != 1:
            raise ValueError(f"a tensor of shape {list(self.shape)} is not one value")
        return self.values[0]

    def __bool__(self) -> bool:
        return bool(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise ValueError("a tensor without axes has no length")
        return self.shape[0]

    def part(self, key: int | slice) -> Tensor:
        """Elements along the first axis.

        Raises:
            IndexError: There is no such element.
            Unsupported: The slice has a step.
        """
        if not self.shape:
            raise IndexError("a tensor without axes cannot be indexed")
        row = prod(self.shape[1:])
        if isinstance(key, slice):
            start, stop, step = key.indices(self.shape[0])
            if step != 1:
                raise Unsupported("a slice with a step")
            rows = max(0, stop - start)
            return _made((rows, *self.shape[1:]), self.values[start * row : (start + rows) * row])
        position = range(self.shape[0])[key]
        return _made(self.shape[1:], self.values[position * row : (position + 1) * row])

    def differences(self) -> Tensor:
        """Each element less the one before it.

        Raises:
            Unsupported: There is more than one axis.
        """
        if len(self.shape) != 1:
            raise Unsupported("diff of a tensor with more than one axis")
        values = self.values
        differences = [after - before for before, after in pairwise(values)]
        return _made((len(differences),), differences)

    def reduced(self, operation: Callable[[Sequence[Number]], Number]) -> Tensor:
        """One value of all elements, as a tensor without axes."""
        return _made((), [operation(self.values)])


def _made(shape: tuple[int, ...], values: Sequence[Number]) -> Tensor:
    return Tensor(shape, lambda: values)


def elementwise(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """An operation on two numbers, or on the elements of tensors.

    Raises:
        Unsupported: The shapes differ, as where torch would broadcast.
    """
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if left.shape == right.shape:
            return _made(left.shape, list(map(operation, left.values, right.values)))
        if right.shape == ():
            right = right.item()
        elif left.shape == ():
            left = left.item()
        else:
            raise Unsupported(f"tensors of shapes {list(left.shape)} and {list(right.shape)}")
    if isinstance(left, Tensor):
        return _made(left.shape, [operation(value, right) for value in left.values])
    if isinstance(right, Tensor):
        return _made(right.shape, [operation(left, value) for value in right.values])
    return operation(left, right)


def applied(operation: Callable[[Any], Any], value: Any) -> Any:
    """An operation on a number, or on each element of a tensor."""
    if isinstance(value, Tensor):
        return _made(value.shape, [operation(item) for item in value.values])
    return operation(value)


def inverted(value: Any) -> Any:
    """``~``, which is "not" on the truth values of a tensor, and a number on Python's."""
    if isinstance(value, Tensor):
        return applied(lambda item: not item if isinstance(item, bool) else ~item, value)
    return operator.invert(value)
