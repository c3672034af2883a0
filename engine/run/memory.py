"""Sealed memory files: how tensors travel between processes as plain bytes.

A memory file is sealed against any change before it is handed over, so that a sender cannot
alter or shrink what a receiver is reading.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterable, Iterator
from typing import Protocol

SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
ALIGNMENT = 64


class Part(Protocol):
    """A part of a memory file."""

    @property
    def offset(self) -> int:
        """Its first byte."""

    @property
    def nbytes(self) -> int:
        """How many bytes it has."""


class UnsealedMemory(Exception):
    """A memory file that its sender could still change."""


def aligned(offset: int) -> int:
    """The next multiple of the alignment at which tensors start."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


def write_sealed(parts: Iterable[memoryview | Iterator[memoryview]], name: str = "tensors") -> int:
    """Write parts one after another, each aligned, into a new sealed memory file.

    Args:
        parts: The bytes of each, whole or in pieces; a piece is written before the next is asked
            for, so that all may lie in the same place.
        name: Of the file.

    Returns:
        Its descriptor, which the caller owns.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        offset = 0
        for part in parts:
            offset = aligned(offset)
            for piece in (part,) if isinstance(part, memoryview) else part:
                rest = piece.cast("B")
                while rest:
                    # No call writes more than 2 GiB.
                    written = os.pwrite(descriptor, rest[: 1 << 30], offset)
                    rest, offset = rest[written:], offset + written
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_sealed(descriptor: int, parts: Iterable[Part]) -> int:
    """Make sure that a memory file can no longer change and holds what is said of it.

    Returns:
        Its size in bytes.

    Raises:
        UnsealedMemory: The sender could still change it, or it is no memory file.
        ValueError: A part lies outside of it.
    """
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
        raise UnsealedMemory("not a memory file") from None
    if seals & SEALS != SEALS:
        raise UnsealedMemory("the memory file is not sealed")
    size = os.fstat(descriptor).st_size
    for part in parts:
        if part.nbytes and not 0 <= part.offset <= part.offset + part.nbytes <= size:
            raise ValueError(f"{part.nbytes} bytes at {part.offset} are not in a file of {size}")
    return size


def map_sealed(descriptor: int) -> mmap.mmap | None:
    """Map a memory file for reading.

    Returns:
        The mapping, or None where the file is empty.

    Raises:
        UnsealedMemory: The sender could still change it, or it is no memory file.
    """
    size = check_sealed(descriptor, ())
    # Private: torch wants writable memory; a write would land in a copy of our own.
    return mmap.mmap(descriptor, size, mmap.MAP_PRIVATE) if size else None
