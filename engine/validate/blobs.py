"""Reads safetensors files without torch: what tensors they hold, and the values of small ones.

Format: eight bytes with the length of a JSON header, the header, then the tensors' bytes without
gaps (https://github.com/huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import array
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from engine.schema import DType
from engine.store.lines import open_for_reading, read_range
from engine.validate.tensors import Number, Unsupported

_HEADER_LIMIT = 100_000_000
"""Bytes; the safetensors library refuses longer headers too."""
_KEPT_HEADERS = 64
_CHUNK = 1 << 20

STORED_AS: dict[DType, str] = {
    DType.FLOAT32: "F32",
    DType.FLOAT16: "F16",
    DType.BFLOAT16: "BF16",
    DType.FLOAT8_E4M3FN: "F8_E4M3",
    DType.FLOAT8_E5M2: "F8_E5M2",
    DType.FLOAT4_E2M1: "F4",
    DType.INT64: "I64",
    DType.INT32: "I32",
    DType.INT16: "I16",
    DType.INT8: "I8",
    DType.BOOL: "BOOL",
}
"""Names of the schema's dtypes in a safetensors header."""

_BITS = {stored: dtype.bits for dtype, stored in STORED_AS.items()} | {
    **dict.fromkeys(("F64", "U64", "C64"), 64),
    **dict.fromkeys(("U32",), 32),
    **dict.fromkeys(("U16",), 16),
    **dict.fromkeys(("U8", "F8_E8M0"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
}
_ARRAYS = {"I64": "q", "I32": "i", "I16": "h", "I8": "b", "F32": "f", "U8": "B"}


class BadBlob(Exception):
    """A file is no valid safetensors file; says why."""


class Entry(NamedTuple):
    """A tensor of a file.

    Args:
        dtype: As the header has it, "I32".
        shape: Its lengths.
        start: First byte in the file.
        end: After its last byte.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class _Raw(msgspec.Struct):
    """A tensor as the header describes it."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Blobs:
    """Headers and values of blob files; the last headers are kept."""

    def __init__(self) -> None:
        self._headers: dict[Path, dict[str, Entry]] = {}
        self._bad: dict[Path, str] = {}

    def header(self, path: Path) -> dict[str, Entry]:
        """The tensors of a file by their keys.

        Raises:
            BadBlob: It is no valid safetensors file, or cannot be read.
        """
        if path in self._bad:
            raise BadBlob(self._bad[path])
        entries = self._headers.get(path)
        if entries is None:
            try:
                entries = _read_header(path)
            except BadBlob as error:
                self._bad[path] = str(error)
                raise
            if len(self._headers) >= _KEPT_HEADERS:
                del self._headers[next(iter(self._headers))]
            self._headers[path] = entries
        return entries


def read_values(path: Path, entry: Entry) -> Sequence[Number]:
    """Values of a tensor in row-major order.

    Raises:
        Unsupported: Its dtype is one that Python has no numbers for.
        OSError: It cannot be read.
    """
    data = b"".join(read_bytes(path, entry))
    if entry.dtype == "BOOL":
        return [byte != 0 for byte in data]
    if entry.dtype in _ARRAYS:
        values = array.array(_ARRAYS[entry.dtype], data)
        if sys.byteorder == "big":
            values.byteswap()
        return values
    if entry.dtype == "F16":
        return struct.unpack(f"<{len(data) // 2}e", data)
    if entry.dtype == "BF16":
        # Its bits are the upper half of a float32.
        halves = struct.unpack(f"<{len(data) // 2}H", data)
        wide = struct.pack(f"<{len(halves)}I", *(half << 16 for half in halves))
        return struct.unpack(f"<{len(halves)}f", wide)
    raise Unsupported(f"values of {entry.dtype}")


def read_bytes(path: Path, entry: Entry) -> Iterator[bytes]:
    """A tensor's bytes in pieces that hold whole elements.

    Raises:
        OSError: It cannot be read.
    """
    descriptor = open_for_reading(path)
    try:
        for start in range(entry.start, entry.end, _CHUNK):
            yield read_range(descriptor, start, min(_CHUNK, entry.end - start))
    finally:
        os.close(descriptor)


def _read_header(path: Path) -> dict[str, Entry]:
    try:
        descriptor = open_for_reading(path)
    except OSError as error:
        raise BadBlob(f"cannot be read: {error.strerror}") from None
    try:
        size = os.fstat(descriptor).st_size
        (length,) = struct.unpack("<Q", read_range(descriptor, 0, 8).ljust(8, b"\0"))
        if not 0 < length <= min(size - 8, _HEADER_LIMIT):
            raise BadBlob("is no safetensors file: it has no header, or not the whole of it")
        raw = msgspec.json.decode(read_range(descriptor, 8, length), type=dict[str, Any])
        raw.pop("__metadata__", None)
        tensors = msgspec.convert(raw, dict[str, _Raw])
    except OSError as error:
        raise BadBlob(f"cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadBlob(f"is no safetensors file: its header is not valid: {error}") from None
    finally:
        os.close(descriptor)
    return _entries(tensors, 8 + length, size)


def _entries(tensors: dict[str, _Raw], base: int, size: int) -> dict[str, Entry]:
    """Tensors with their places, after what the safetensors library demands was checked."""
    reached = 0
    entries: dict[str, Entry] = {}
    for key, raw in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        start, end = raw.data_offsets
        if raw.dtype not in _BITS:
            raise BadBlob(f"tensor {key!r} has the unknown dtype {raw.dtype!r}")
        if any(length < 0 for length in raw.shape):
            raise BadBlob(f"tensor {key!r} has the shape {raw.shape}")
        if start != reached:
            raise BadBlob(f"tensor {key!r} begins at byte {start} of the data, not at {reached}")
        if (end - start) * 8 != prod(raw.shape) * _BITS[raw.dtype]:
            raise BadBlob(
                f"tensor {key!r} has {end - start} bytes, which {raw.dtype}{raw.shape} has not"
            )
        reached = end
        entries[key] = Entry(raw.dtype, tuple(raw.shape), base + start, base + end)
    if base + reached != size:
        raise BadBlob(f"has {size} bytes, and its header speaks of {base + reached}")
    return entries
