"""Random values that are the same bytes on every machine: Philox and integer arithmetic.

No transcendental function and no floating-point sum takes part, so neither a processor's vector
width nor a library's version can change a bit. ``random_torch`` makes the same on a device.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

_CHUNK = 1 << 18
"""Values made at once: many, or threads would queue for the interpreter's lock between steps."""
WORDS_PER_BLOCK = 4
"""Words of one value of Philox's counter."""
MOST = 4 * 65535
"""Largest sum of four 16-bit uniforms."""
_SCALE = np.float32(1 / np.sqrt(4 * (65536.0**2 - 1) / 12))
"""One over the deviation of that sum."""
_ALTERNATE_16_BITS = np.uint64(0x0000FFFF_0000FFFF)
_LOW_32_BITS = np.uint64(0xFFFFFFFF)
_16_BITS = np.uint64(16)
_32_BITS = np.uint64(32)

Element = TypeVar("Element", bound=np.generic)


class Words:
    """A counter-based generator: 64-bit words of one named value, from any position on.

    Args:
        seed: Any text; the same text gives the same words.
        name: What the value is for.

    Attributes:
        key: Philox's key, 128 bits.
    """

    def __init__(self, seed: str, name: str) -> None:
        digest = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
        self.key = int.from_bytes(digest, "little")

    def take(self, start: int, count: int) -> NDArray[np.uint64]:
        """``count`` words from position ``start`` on, which is a multiple of four."""
        return np.random.Philox(key=self.key, counter=block_at(start)).random_raw(count)


def block_at(start: int) -> int:
    """The block of words that begins at a position.

    Raises:
        ValueError: None begins there.
    """
    block, odd = divmod(start, WORDS_PER_BLOCK)
    if odd:
        raise ValueError(f"words start at multiples of {WORDS_PER_BLOCK}, not at {start}")
    return block


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


@cache
def levels() -> NDArray[np.float32]:
    """Every value that ``normal`` can give, by the sum that it comes from.

    Returns:
        Array of shape [``MOST`` + 1], of mean 0 and within 3.47 of it.
    """
    # Centred sums are below 2**24, so exact; the one rounding is the product's.
    return np.arange(-MOST // 2, MOST // 2 + 1).astype(np.float32) * _SCALE


def pick(words: Words, table: NDArray[Element], count: int, start: int = 0) -> NDArray[Element]:
    """Elements of a table, each chosen by the sum of the four 16-bit parts of a word.

    Args:
        words: Where the words come from.
        table: ``levels()`` or what has been made from them; shape [``MOST`` + 1].
        count: How many.
        start: Position of the first word, a multiple of four.
    """
    result: NDArray[Any] = np.empty(count, dtype=table.dtype)

    def fill(piece: int) -> None:
        part = result[piece * _CHUNK : (piece + 1) * _CHUNK]
        sums = words.take(start + piece * _CHUNK, len(part))
        # First both halves of a word at once, then one with the other.
        halves = sums & _ALTERNATE_16_BITS
        sums >>= _16_BITS
        sums &= _ALTERNATE_16_BITS
        sums += halves
        np.right_shift(sums, _32_BITS, out=halves)
        sums &= _LOW_32_BITS
        sums += halves
        # Every sum is in the table; numpy copies once less where it need not raise.
        np.take(table, sums.view(np.int64), out=part, mode="clip")

    _in_parallel(fill, -(-count // _CHUNK))
    return result


def normal(words: Words, count: int) -> NDArray[np.float32]:
    """``count`` values of mean 0 and deviation 1: sums of four uniforms, within 3.47 of 0."""
    return pick(words, levels(), count)


def integers(words: Words, count: int, bound: int, start: int = 0) -> NDArray[np.int64]:
    """``count`` integers from 0 to ``bound`` - 1, which is below 2**32.

    Args:
        words: Where the words come from.
        count: How many.
        bound: Above all of them.
        start: Position of the first word, a multiple of four.
    """
    result = np.empty(count, dtype=np.int64)

    def fill(piece: int) -> None:
        part = result[piece * _CHUNK : (piece + 1) * _CHUNK]
        raw = words.take(start + piece * _CHUNK, len(part))
        raw >>= _32_BITS
        raw *= np.uint64(max(1, bound))
        np.right_shift(raw, _32_BITS, out=part.view(np.uint64))

    _in_parallel(fill, -(-count // _CHUNK))
    return result


def row_stride(width: int) -> int:
    """Words from one heavy-tailed row to the next: whole blocks."""
    return -(-width // WORDS_PER_BLOCK) * WORDS_PER_BLOCK


def heavy_tailed_rows(words: Words, rows: int, width: int, first: int = 0) -> NDArray[np.float32]:
    """Rows of probabilities that look like a language model's: a few large, a long tail.

    Args:
        words: Where the words come from.
        rows: How many.
        width: Elements of each.
        first: Number of the first one.

    Returns:
        Array of shape [rows, width]; each row sums to 1 up to rounding.
    """
    result = np.empty((rows, width), dtype=np.float32)

    def fill(row: int) -> None:
        uniform = words.take((first + row) * row_stride(width), width) >> _32_BITS
        weights = np.uint64(1 << 44) // (uniform + np.uint64(1 << 16))
        total = float(weights.sum(dtype=np.uint64))
        result[row] = (weights.astype(np.float64) / total).astype(np.float32)

    _in_parallel(fill, rows)
    return result
