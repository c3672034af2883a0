"""Tensors as bytes in memory files, and descriptions that do not fit them."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from engine.run.memory import ALIGNMENT, map_sealed, write_sealed
from engine.run.protocol import TensorMeta
from engine.run.tensors import (
    PIECE,
    describe,
    dtype_name,
    dtype_named,
    pieces,
    poisoned,
    read_tensor,
    read_tensors,
    tensor_bytes,
    write_tensors,
)
from engine.schema import DType

DTYPES = [dtype.value for dtype in DType if dtype is not DType.FLOAT4_E2M1]


def travelled(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    metas, parts, offset = [], [], 0
    for name, value in values.items():
        meta, part, offset = describe(name, value, offset)
        metas.append(meta)
        assert part is not None
        parts.append(part)
    descriptor = write_sealed(parts)
    memory = map_sealed(descriptor)
    os.close(descriptor)
    return read_tensors(metas, memory)


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return (
        one.dtype is other.dtype
        and one.shape == other.shape
        and bytes(tensor_bytes(one)) == bytes(tensor_bytes(other))
    )


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_survives_the_way_bit_by_bit(name: str) -> None:
    tensor = torch.randint(0, 2, (3, 5)).to(dtype_named(name))
    assert same_bits(travelled({"x": tensor})["x"], tensor)


def test_several_tensors_lie_in_one_file_each_aligned() -> None:
    values = {
        "a": torch.arange(3, dtype=torch.int8),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(4, 0),
        "b": torch.arange(100.0).reshape(10, 10),
    }
    found = travelled(values)
    assert all(same_bits(found[name], value) for name, value in values.items())
    assert describe("b", values["b"], 3)[0].offset == ALIGNMENT


def written(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    metas, descriptor = write_tensors(values, "tensors")
    memory = map_sealed(descriptor)
    os.close(descriptor)
    return read_tensors(metas, memory)


def test_tensors_written_at_once_arrive_bit_by_bit() -> None:
    values = {
        "none": torch.empty(0, 3),
        "a": torch.arange(3, dtype=torch.int8),
        "scalar": torch.tensor(2.5, dtype=torch.bfloat16),
        "turned": torch.arange(12.0).reshape(3, 4).t(),
        "b": torch.arange(100.0).to(torch.float8_e4m3fn),
    }
    found = written(values)
    assert list(found) == list(values)
    assert all(same_bits(found[name], value) for name, value in values.items())
    assert written({}) == {}


@pytest.mark.parametrize("size", [1, 7, 8, 24, 100])
def test_pieces_hold_all_bytes_in_order(size: int) -> None:
    tensor = torch.arange(6.0).reshape(2, 3).t()
    parts = [bytes(part) for part in pieces(tensor, torch.empty(size, dtype=torch.uint8))]
    assert max(map(len, parts)) <= size
    assert b"".join(parts) == bytes(tensor_bytes(tensor))


@pytest.mark.gpu
def test_large_tensors_of_a_gpu_arrive_bit_by_bit() -> None:
    values = {
        "small": torch.arange(5, device="cuda"),
        "large": torch.arange(PIECE + 3, device="cuda", dtype=torch.int32),
        "exact": torch.arange(2 * PIECE, device="cuda").to(torch.uint8),
        "turned": torch.rand(3000, 4001, device="cuda").t(),
    }
    found = written(values)
    assert all(torch.equal(found[name], value.cpu()) for name, value in values.items())


def test_nan_keeps_its_bits() -> None:
    tensor = torch.tensor([0x7FC00001, -1], dtype=torch.int32).view(torch.float32)
    assert same_bits(travelled({"x": tensor})["x"], tensor)


@pytest.mark.parametrize(
    "view",
    [
        torch.arange(12.0).reshape(3, 4).t(),
        torch.arange(12.0)[::3],
        torch.ones(1).expand(5),
        torch.arange(4.0, requires_grad=True),
    ],
)
def test_views_arrive_in_row_major_order(view: torch.Tensor) -> None:
    assert torch.equal(travelled({"x": view})["x"], view.detach())


class Sub(torch.Tensor):
    pass


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "NoneType"), (5, "int"), ([1], "list"), (torch.ones(2).as_subclass(Sub), "Sub")],
)
def test_what_is_no_plain_tensor_is_named_and_sends_no_bytes(value: Any, name: str) -> None:
    meta, part, offset = describe("y", value, 17)
    assert (meta.dtype, meta.shape, part, offset) == (name, None, None, 17)
    with pytest.raises(ValueError, match="y is no tensor"):
        read_tensor(meta, None)


def meta(**fields: Any) -> TensorMeta:
    known: dict[str, Any] = {
        "name": "y",
        "dtype": "float32",
        "shape": [2, 3],
        "offset": 0,
        "nbytes": 24,
    }
    return TensorMeta(**{**known, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"shape": [2, 4]},
        {"nbytes": 23},
        {"nbytes": -24},
        {"dtype": "float16"},
        {"shape": [-2, -3]},
        {"shape": [-1, 0], "nbytes": 0},
        {"offset": -1},
        {"offset": 8},
        {"offset": 1 << 40},
        {"shape": [1 << 40], "nbytes": 1 << 42},
        {"dtype": "float4_e2m1"},
        {"dtype": "Tensor"},
        {"dtype": "no such thing"},
    ],
    ids=str,
)
def test_a_description_that_does_not_fit_the_file_is_refused(fields: dict[str, Any]) -> None:
    descriptor = write_sealed([memoryview(bytes(24))])
    memory = map_sealed(descriptor)
    os.close(descriptor)
    assert read_tensor(meta(), memory).shape == (2, 3)
    with pytest.raises(ValueError):
        read_tensor(meta(**fields), memory)


def test_elements_without_a_file_are_refused() -> None:
    with pytest.raises(ValueError, match="not in the memory file"):
        read_tensor(meta(), None)


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes_are_named_as_in_the_schema(name: str) -> None:
    assert dtype_name(dtype_named(name)) == name


@pytest.mark.parametrize("shape", [[], [4], [2, 3], [3, 0]])
@pytest.mark.parametrize("name", DTYPES)
def test_a_poisoned_tensor_holds_what_no_kernel_leaves(name: str, shape: list[int]) -> None:
    tensor = poisoned(TensorMeta(name="y", dtype=name, shape=shape), torch.device("cpu"))
    assert tensor.shape == tuple(shape)
    assert dtype_name(tensor.dtype) == name
    if tensor.dtype.is_floating_point:
        assert tensor.float().isnan().all()
    elif name == "bool":
        assert tensor.all()
    else:
        assert (tensor == -77).all()
