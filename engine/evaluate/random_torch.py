"""What ``random`` makes, by torch's operations on any device, bit for bit.

Only integers are computed with, but for heavy-tailed rows, whose two roundings IEEE 754 fixes.
int64 stands for unsigned words: its sums and products wrap alike, its shifts to the right do not
and are masked.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from engine.evaluate.random import WORDS_PER_BLOCK, Words, block_at, row_stride

CHUNK = 1 << 24
"""Values made at once, with about half a GiB of temporary memory."""
_ROUNDS = 10
_FACTORS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
"""Philox4x64 with 10 rounds: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
1, 2, 3" (2011)."""
_LOW_32_BITS = 0xFFFFFFFF
_ALTERNATE_16_BITS = 0x0000FFFF_0000FFFF
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By size in bytes."""


def take(words: Words, start: int, count: int, device: torch.device) -> torch.Tensor:
    """The bits of ``words.take(start, count)`` as int64."""
    first = block_at(start)
    blocks = -(-count // WORDS_PER_BLOCK)
    # numpy counts before it makes a block.
    a = torch.arange(first + 1, first + 1 + blocks, dtype=torch.int64, device=device)
    b, c, d = (torch.zeros_like(a) for _ in range(3))
    keys = [words.key & 0xFFFFFFFF_FFFFFFFF, words.key >> 64]
    for _ in range(_ROUNDS):
        high_a, low_a = _multiply(a, _FACTORS[0])
        high_c, low_c = _multiply(c, _FACTORS[1])
        a, b = high_c.bitwise_xor_(b).bitwise_xor_(_signed(keys[0])), low_c
        c, d = high_a.bitwise_xor_(d).bitwise_xor_(_signed(keys[1])), low_a
        keys = [key + step for key, step in zip(keys, _KEY_STEPS, strict=True)]
    return torch.stack((a, b, c, d), dim=1).reshape(-1)[:count]


def _multiply(values: torch.Tensor, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The upper and the lower 64 bits of unsigned products."""
    factor_high, factor_low = divmod(factor, 1 << 32)
    low = values & _LOW_32_BITS
    high = (values >> 32).bitwise_and_(_LOW_32_BITS)
    # No sum exceeds 64 bits: (2**32 - 1)**2 leaves room for 2 * (2**32 - 1).
    middle = _upper(low * factor_low).add_(low, alpha=factor_high)
    other = (middle & _LOW_32_BITS).add_(high, alpha=factor_low)
    upper = high.mul_(factor_high).add_(_upper(middle)).add_(_upper(other))
    return upper, values * _signed(factor)


def _upper(values: torch.Tensor) -> torch.Tensor:
    """The upper 32 bits of each, in place."""
    return values.bitwise_right_shift_(32).bitwise_and_(_LOW_32_BITS)


def _signed(word: int) -> int:
    """The lower 64 bits of a number, read as int64."""
    return (word + (1 << 63)) % (1 << 64) - (1 << 63)


def bits_of(tensor: torch.Tensor) -> torch.Tensor:
    """The same bytes as integers of the same width, which every operation knows."""
    return tensor.view(_INTEGERS[tensor.dtype.itemsize])


def _chunks(
    words: Words, count: int, device: torch.device, chunk: int
) -> Iterator[tuple[slice, torch.Tensor]]:
    for start in range(0, count, chunk):
        stop = min(start + chunk, count)
        yield slice(start, stop), take(words, start, stop - start, device)


def pick(words: Words, table: torch.Tensor, count: int, chunk: int = CHUNK) -> torch.Tensor:
    """See ``random.pick``.

    Args:
        words: Where the words come from.
        table: Shape [``random.MOST`` + 1], of any dtype, on the device to use.
        count: How many.
        chunk: How many at once, a multiple of four.
    """
    bits = bits_of(table)
    result = torch.empty(count, dtype=bits.dtype, device=table.device)
    for part, sums in _chunks(words, count, table.device, chunk):
        halves = sums & _ALTERNATE_16_BITS
        sums.bitwise_right_shift_(16).bitwise_and_(_ALTERNATE_16_BITS).add_(halves)
        torch.bitwise_right_shift(sums, 32, out=halves)
        sums.bitwise_and_(_LOW_32_BITS).add_(halves)
        torch.take(bits, sums, out=result[part])
    return result.view(table.dtype)


def integers(
    words: Words,
    count: int,
    bound: int,
    dtype: torch.dtype,
    device: torch.device,
    chunk: int = CHUNK,
) -> torch.Tensor:
    """See ``random.integers``; they are made as ``dtype`` at once."""
    result = torch.empty(count, dtype=dtype, device=device)
    for part, raw in _chunks(words, count, device, chunk):
        result[part] = _upper(_upper(raw).mul_(max(1, bound)))
    return result


def heavy_tailed_rows(
    words: Words, rows: int, width: int, device: torch.device, chunk: int = CHUNK
) -> torch.Tensor:
    """See ``random.heavy_tailed_rows``."""
    result = torch.empty((rows, width), dtype=torch.float32, device=device)
    stride = row_stride(width)
    together = max(1, chunk // max(1, stride))
    numerator = torch.tensor(1 << 44, device=device)
    for first in range(0, rows, together):
        part = result[first : first + together]
        uniform = take(words, first * stride, len(part) * stride, device)
        uniform = _upper(uniform).reshape(len(part), stride)[:, :width]
        weights = torch.div(numerator, uniform + (1 << 16), rounding_mode="floor")
        # By a tensor: a division by a number becomes a product with its inverse on some devices.
        totals = weights.sum(dim=1, keepdim=True).double()
        part.copy_(weights.double().div_(totals))
    return result
