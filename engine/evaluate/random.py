"""Random values that are the same bytes on every machine: Philox and integer arithmetic.

No transcendental function and no floating-point sum takes part, so neither a processor's vector
width nor a library's version can change a bit.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 16
_MEAN = np.int32(2 * 65535)
"""Mean of the sum of four 16-bit uniforms."""
_SCALE = np.float32(1 / np.sqrt(4 * (65536.0**2 - 1) / 12))
"""One over its deviation."""


def stream(seed: str, name: str) -> np.random.Philox:
    """A counter-based generator of its own for one named value.

    Args:
        seed: Any text; the same text gives the same values.
        name: What the values are for.
    """
    key = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
    return np.random.Philox(key=int.from_bytes(key, "little"))


def normal(bits: np.random.Philox, count: int) -> NDArray[np.float32]:
    """``count`` values of mean 0 and deviation 1: sums of four uniforms, within 3.47 of 0."""
    result = np.empty(count, dtype=np.float32)
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        halves = bits.random_raw(size).view(np.uint32)
        sums = halves >> np.uint32(16)
        halves &= np.uint32(0xFFFF)
        sums += halves
        pairs = sums.view(np.uint64)
        total = (pairs >> np.uint64(32)).astype(np.int32)
        pairs &= np.uint64(0xFFFFFFFF)
        total += pairs.astype(np.int32)
        total -= _MEAN
        # Below 2**24, so exact; the one rounding is the product's.
        np.multiply(total, _SCALE, out=result[start : start + size], casting="unsafe")
    return result


def integers(bits: np.random.Philox, count: int, bound: int) -> NDArray[np.int64]:
    """``count`` integers from 0 to ``bound`` - 1."""
    raw = bits.random_raw(count) >> np.uint64(32)
    return ((raw * np.uint64(max(1, bound))) >> np.uint64(32)).astype(np.int64)


def heavy_tailed_rows(bits: np.random.Philox, rows: int, width: int) -> NDArray[np.float32]:
    """Rows of probabilities that look like a language model's: a few large, a long tail.

    Returns:
        Array of shape [rows, width]; each row sums to 1 up to rounding.
    """
    result = np.empty((rows, width), dtype=np.float32)
    for row in range(rows):
        uniform = bits.random_raw(width) >> np.uint64(32)
        weights = np.uint64(1 << 44) // (uniform + np.uint64(1 << 16))
        total = float(weights.sum(dtype=np.uint64))
        result[row] = (weights.astype(np.float64) / total).astype(np.float32)
    return result
