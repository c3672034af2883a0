"""Random values that are the same bytes on every machine: Philox and integer arithmetic.

No transcendental function and no floating-point sum takes part, so neither a processor's vector
width nor a library's version can change a bit.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 16
"""Values made at once: few enough to stay in a processor's cache."""
_WORDS_PER_BLOCK = 4
"""Words of one value of Philox's counter."""
_MEAN = np.int32(2 * 65535)
"""Mean of the sum of four 16-bit uniforms."""
_SCALE = np.float32(1 / np.sqrt(4 * (65536.0**2 - 1) / 12))
"""One over its deviation."""


class Words:
    """A counter-based generator: 64-bit words of one named value, from any position on.

    Args:
        seed: Any text; the same text gives the same words.
        name: What the value is for.
    """

    def __init__(self, seed: str, name: str) -> None:
        key = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
        self._key = int.from_bytes(key, "little")

    def take(self, start: int, count: int) -> NDArray[np.uint64]:
        """``count`` words from position ``start`` on, which is a multiple of four."""
        counter, odd = divmod(start, _WORDS_PER_BLOCK)
        if odd:
            raise ValueError(f"words start at multiples of {_WORDS_PER_BLOCK}, not at {start}")
        return np.random.Philox(key=self._key, counter=counter).random_raw(count)


def stream(seed: str, name: str) -> Words:
    """The words of one named value."""
    return Words(seed, name)


def _in_parallel(work: Callable[[int], None], pieces: int) -> None:
    """Do every piece; the arithmetic below gives up the interpreter's lock."""
    if pieces <= 1:
        for piece in range(pieces):
            work(piece)
        return
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done in pool.map(work, range(pieces)):
            assert done is None


def normal(words: Words, count: int) -> NDArray[np.float32]:
    """``count`` values of mean 0 and deviation 1: sums of four uniforms, within 3.47 of 0."""
    result = np.empty(count, dtype=np.float32)

    def fill(piece: int) -> None:
        start = piece * _CHUNK
        part = result[start : start + _CHUNK]
        halves = words.take(start, len(part)).view(np.uint32)
        sums = halves >> np.uint32(16)
        halves &= np.uint32(0xFFFF)
        sums += halves
        pairs = sums.view(np.uint64)
        total = (pairs >> np.uint64(32)).astype(np.int32)
        pairs &= np.uint64(0xFFFFFFFF)
        total += pairs.astype(np.int32)
        total -= _MEAN
        # Below 2**24, so exact; the one rounding is the product's.
        np.multiply(total, _SCALE, out=part, casting="unsafe")

    _in_parallel(fill, -(-count // _CHUNK))
    return result


def integers(words: Words, count: int, bound: int) -> NDArray[np.int64]:
    """``count`` integers from 0 to ``bound`` - 1."""
    raw = words.take(0, count) >> np.uint64(32)
    return ((raw * np.uint64(max(1, bound))) >> np.uint64(32)).astype(np.int64)


def heavy_tailed_rows(words: Words, rows: int, width: int) -> NDArray[np.float32]:
    """Rows of probabilities that look like a language model's: a few large, a long tail.

    Returns:
        Array of shape [rows, width]; each row sums to 1 up to rounding.
    """
    result = np.empty((rows, width), dtype=np.float32)
    stride = -(-width // _WORDS_PER_BLOCK) * _WORDS_PER_BLOCK

    def fill(row: int) -> None:
        uniform = words.take(row * stride, width) >> np.uint64(32)
        weights = np.uint64(1 << 44) // (uniform + np.uint64(1 << 16))
        total = float(weights.sum(dtype=np.uint64))
        result[row] = (weights.astype(np.float64) / total).astype(np.float32)

    _in_parallel(fill, rows)
    return result
