"""Makes one set of inputs of a workload: from the dataset's tensors, scalars and a seed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from safetensors import SafetensorError, safe_open

from engine.evaluate import random
from engine.evaluate.draw import HOST, Maker
from engine.schema.definition import Definition, TensorSpec
from engine.schema.names import DType
from engine.schema.workload import RandomInput, SafetensorsInput, ScalarInput, Workload

Value = torch.Tensor | bool | int | float

FLOAT8_LIMIT = 2.0
"""Magnitude to which 8-bit floats are clamped."""


class InputError(Exception):
    """The inputs of a workload cannot be made; says why."""


def make_inputs(
    definition: Definition,
    workload: Workload,
    seed: str,
    blobs: Mapping[str, str],
    maker: Maker = HOST,
) -> dict[str, Value]:
    """One set of inputs, in the order of the definition.

    Args:
        definition: Says names, shapes and dtypes.
        workload: Says where each comes from.
        seed: For what is random.
        blobs: Real path of each blob path that the workload names.
        maker: Makes what is random; what it leaves on a device stays there.

    Raises:
        InputError: A blob or an axis is missing, or does not fit the definition.
    """
    result: dict[str, Value] = {}
    for name, spec in definition.inputs.items():
        source = workload.inputs.get(name)
        if source is None:
            raise InputError(f"the workload gives no input {name!r}")
        try:
            shape = definition.shape_of(name, workload.axes)
        except KeyError as error:
            raise InputError(f"the workload gives no length for axis {error}") from None
        match source:
            case ScalarInput():
                result[name] = source.value
            case SafetensorsInput():
                result[name] = _stored(name, spec, shape, source, blobs)
            case RandomInput():
                result[name] = random_value(name, spec, shape, workload, seed, maker)
    return result


def _stored(
    name: str,
    spec: TensorSpec,
    shape: tuple[int, ...] | None,
    source: SafetensorsInput,
    blobs: Mapping[str, str],
) -> Value:
    path = blobs.get(source.path)
    if path is None:
        raise InputError(f"input {name!r}: {source.path} is not there")
    try:
        with safe_open(path, framework="pt") as stored:
            tensor: torch.Tensor = stored.get_tensor(source.tensor_key)
    except (OSError, SafetensorError) as error:
        raise InputError(f"input {name!r}: {source.path}: {error}") from None
    if shape is None and tensor.numel() == 1:
        value: bool | int | float = tensor.item()
        return value
    if tuple(tensor.shape) != shape:
        found = list(tensor.shape)
        due = "one number" if shape is None else list(shape)
        raise InputError(f"input {name!r}: {source.path} has shape {found}, not {due}")
    wanted = _dtype_of(name, spec)
    if tensor.dtype != wanted:
        raise InputError(f"input {name!r}: {source.path} holds {tensor.dtype}, not {wanted}")
    return tensor.contiguous()


def torch_dtype(dtype: DType) -> torch.dtype:
    """The torch dtype of a schema dtype.

    Raises:
        InputError: torch cannot hold it.
    """
    found = getattr(torch, dtype.value, None)
    if not isinstance(found, torch.dtype):
        raise InputError(f"torch cannot hold {dtype.value}")
    return found


def _dtype_of(name: str, spec: TensorSpec) -> torch.dtype:
    try:
        return torch_dtype(spec.dtype)
    except InputError as error:
        raise InputError(f"input {name!r}: {error}") from None


def random_value(
    name: str,
    spec: TensorSpec,
    shape: tuple[int, ...] | None,
    workload: Workload,
    seed: str,
    maker: Maker,
) -> Value:
    """A random input.

    Floats have mean 0 and deviation 1, 8-bit floats are clamped to 2 in magnitude. Integers lie
    below the shortest axis that the workload chooses, and below 127: indices into any axis of the
    workload stay in range, those into a shorter constant axis may not.

    Raises:
        InputError: torch cannot hold the dtype.
    """
    words = random.stream(seed, name)
    dtype = _dtype_of(name, spec)
    count = math.prod(shape or ())
    if dtype is torch.bool:
        tensor = maker.integers(words, count, 2, dtype)
    elif dtype.is_floating_point:
        limit = FLOAT8_LIMIT if dtype.itemsize == 1 else math.inf
        tensor = maker.normal(words, count, dtype, limit)
    else:
        bound = min((length for length in workload.axes.values() if length > 0), default=1)
        tensor = maker.integers(words, count, min(bound, 127), dtype)
    if shape is None:
        value: bool | int | float = tensor.item()
        return value
    return tensor.reshape(shape)
