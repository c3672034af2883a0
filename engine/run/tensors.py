"""Tensors <-> bytes in memory files, by dtype name and shape."""

from __future__ import annotations

import mmap
import random
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from engine.run.memory import aligned, write_sealed
from engine.run.protocol import TensorMeta

PIECE = 16 << 20
"""Bytes of a device's tensor that are copied at once."""


def dtype_named(name: str) -> torch.dtype:
    """The torch dtype of a schema name.

    Raises:
        ValueError: torch has no such dtype that can be computed with here.
    """
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"dtype {name} cannot be made by this torch")
    return found


def dtype_name(dtype: torch.dtype) -> str:
    """ "bfloat16" for torch.bfloat16."""
    return str(dtype).removeprefix("torch.")


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """The elements of a tensor as bytes in host memory, in row-major order."""
    # Views that are only marked as conjugate or negative have other bytes than values.
    flat = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data) if flat.numel() else memoryview(b"")


def describe(name: str, value: Any, offset: int) -> tuple[TensorMeta, memoryview | None, int]:
    """What to say of one output, its bytes, and where the next one starts.

    Something that is no plain, dense tensor is named by its type and sends no bytes.
    """
    if type(value) is not torch.Tensor:
        return TensorMeta(name=name, dtype=type(value).__name__, shape=None), None, offset
    if value.layout is not torch.strided or value.is_nested:
        kind = "nested" if value.is_nested else str(value.layout).removeprefix("torch.")
        return TensorMeta(name=name, dtype=f"{kind} tensor", shape=None), None, offset
    meta = _plain_meta(name, value, offset)
    return meta, tensor_bytes(value), meta.offset + meta.nbytes


def _plain_meta(name: str, tensor: torch.Tensor, offset: int) -> TensorMeta:
    return TensorMeta(
        name=name,
        dtype=dtype_name(tensor.dtype),
        shape=list(tensor.shape),
        offset=aligned(offset),
        nbytes=tensor.numel() * tensor.element_size(),
    )


def write_tensors(tensors: Mapping[str, torch.Tensor], name: str) -> tuple[list[TensorMeta], int]:
    """Write plain, dense tensors into a new sealed memory file.

    Large ones of a device never lie as a whole in host memory besides.

    Args:
        tensors: By name, in the order in which to write them.
        name: Of the file.

    Returns:
        Where each lies, and the file's descriptor, which the caller owns.
    """
    metas: list[TensorMeta] = []
    for key, tensor in tensors.items():
        end = metas[-1].offset + metas[-1].nbytes if metas else 0
        metas.append(_plain_meta(key, tensor, end))
    return metas, write_sealed(map(_whole_or_pieces, tensors.values()), name)


def _whole_or_pieces(tensor: torch.Tensor) -> memoryview | Iterator[memoryview]:
    if not tensor.is_cuda or tensor.numel() * tensor.element_size() <= PIECE:
        return tensor_bytes(tensor)
    # A device copies several times faster to host memory that cannot be paged out.
    return pieces(tensor, torch.empty(PIECE, dtype=torch.uint8, pin_memory=True))


def pieces(tensor: torch.Tensor, staging: torch.Tensor) -> Iterator[memoryview]:
    """The elements of a tensor as bytes, in row-major order, one piece after another.

    Args:
        tensor: Plain and dense.
        staging: Bytes in host memory, which hold each piece until the next is asked for.
    """
    for part in tensor.contiguous().reshape(-1).view(torch.uint8).split(len(staging)):
        yield tensor_bytes(staging[: len(part)].copy_(part))


def read_tensors(metas: list[TensorMeta], memory: mmap.mmap | None) -> dict[str, torch.Tensor]:
    """Tensors that lie in a mapped memory file, without a copy."""
    return {meta.name: read_tensor(meta, memory) for meta in metas}


def read_tensor(meta: TensorMeta, memory: mmap.mmap | None) -> torch.Tensor:
    """One tensor of a mapped memory file.

    Raises:
        ValueError: The description does not fit the file.
    """
    if meta.shape is None:
        raise ValueError(f"{meta.name} is no tensor")
    dtype = dtype_named(meta.dtype)
    elements = 1
    for length in meta.shape:
        elements *= length
    if min(meta.shape, default=0) < 0 or elements * dtype.itemsize != meta.nbytes:
        raise ValueError(f"{meta.name}: {meta.nbytes} bytes do not hold shape {meta.shape}")
    if elements == 0:
        return torch.empty(meta.shape, dtype=dtype)
    if memory is None or meta.offset < 0 or meta.offset + meta.nbytes > len(memory):
        raise ValueError(f"{meta.name}: its bytes are not in the memory file")
    flat = torch.frombuffer(memory, dtype=dtype, count=elements, offset=meta.offset)
    return flat.reshape(meta.shape)


_STEP = 256
"""Bytes of the steps by which copies lie apart: what allocators keep to, or a multiple of it."""
_STEPS = 16


def fresh_copy(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous copy at an address that cannot be foreseen, where that is for free.

    Allocators give the same address again and again, by which a solution could know an input.
    """
    if not tensor.is_cuda or tensor.numel() == 0:
        return tensor.clone()
    nbytes = tensor.numel() * tensor.element_size()
    room = torch.empty(nbytes + _STEPS * _STEP, dtype=torch.uint8, device=tensor.device)
    start = random.randrange(_STEPS) * _STEP
    copy = room[start : start + nbytes].view(tensor.dtype).view(tensor.shape)
    return copy.copy_(tensor)


def poisoned(meta: TensorMeta, device: torch.device) -> torch.Tensor:
    """A tensor that no correct kernel would leave: NaN everywhere, or an odd integer.

    A boolean has no such value; those are all True, so that no former output shines through.
    """
    dtype = dtype_named(meta.dtype)
    tensor = torch.empty(meta.shape or [], dtype=dtype, device=device)
    if dtype.is_floating_point:
        tensor.view(torch.uint8).fill_(0xFF) if tensor.dim() else tensor.fill_(float("nan"))
    else:
        tensor.fill_(True if dtype is torch.bool else -77)
    return tensor
