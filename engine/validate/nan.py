"""Finds NaNs in the bytes of stored tensors, at the speed of searching bytes.

Each dtype says which values of an element's highest byte can belong to a NaN. A piece of a tensor
without such a byte is passed over; only the others are looked at element by element.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from engine.validate.blobs import Entry, read_bytes


class _Format(NamedTuple):
    """How NaN is written in a dtype.

    Args:
        size: Bytes of an element.
        high: Matches a highest byte that may belong to a NaN.
        is_nan: Tells it of an element's bits.
    """

    size: int
    high: re.Pattern[bytes]
    is_nan: Callable[[int], bool]


_FORMATS = {
    "F32": _Format(4, re.compile(rb"[\x7f\xff]"), lambda bits: bits & 0x7FFFFFFF > 0x7F800000),
    "BF16": _Format(2, re.compile(rb"[\x7f\xff]"), lambda bits: bits & 0x7FFF > 0x7F80),
    "F16": _Format(2, re.compile(rb"[\x7c-\x7f\xfc-\xff]"), lambda bits: bits & 0x7FFF > 0x7C00),
    "F8_E4M3": _Format(1, re.compile(rb"[\x7f\xff]"), lambda bits: True),
    "F8_E5M2": _Format(1, re.compile(rb"[\x7d-\x7f\xfd-\xff]"), lambda bits: True),
}


def first_nan(path: Path, entry: Entry) -> int | None:
    """Position of the first NaN of a tensor, in row-major order.

    Returns:
        None where there is none, or where the dtype has none.

    Raises:
        OSError: It cannot be read.
    """
    form = _FORMATS.get(entry.dtype)
    if form is None:
        return None
    before = 0
    for piece in read_bytes(path, entry):
        high = piece[form.size - 1 :: form.size]
        for match in form.high.finditer(high):
            start = match.start() * form.size
            if form.is_nan(int.from_bytes(piece[start : start + form.size], "little")):
                return before + match.start()
        before += len(high)
    return None
