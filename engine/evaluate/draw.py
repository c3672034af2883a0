"""Random tensors, made where that is quickest: large ones on a device, all others here.

Both ways give the same bytes, and a device is not taken at its word: some values of every tensor
are made here too. Should they ever differ, it makes no more.
"""

from __future__ import annotations

import math
import random as chance
import sys
from collections.abc import Callable
from functools import cache

import torch

from engine.evaluate import random, random_torch
from engine.evaluate.random import WORDS_PER_BLOCK, Words

WORTH_A_DEVICE = 1 << 22
"""Values from which on a device is used; fewer take a few milliseconds here."""
CHECKED = 4096
"""Values of each tensor of a device that are made here too."""


class Maker:
    """Makes random tensors.

    Args:
        device: Makes large tensors, which stay on it; None to make them all in host memory.
        worth: Values from which on a tensor is large.
    """

    def __init__(self, device: torch.device | None = None, worth: int = WORTH_A_DEVICE) -> None:
        self._device = device
        self._worth = worth

    def normal(
        self, words: Words, count: int, dtype: torch.dtype, limit: float = math.inf
    ) -> torch.Tensor:
        """Values of mean 0 and deviation 1, as ``random.normal`` makes them.

        Args:
            words: Where they come from.
            count: How many.
            dtype: A float, to which they are rounded.
            limit: Magnitude to which they are clamped.
        """
        table = _levels(dtype, limit)
        bits = random_torch.bits_of(table).numpy()

        def here(start: int, count: int) -> torch.Tensor:
            return torch.from_numpy(random.pick(words, bits, count, start)).view(dtype)

        def there(device: torch.device) -> torch.Tensor:
            return random_torch.pick(words, table.to(device), count)

        return self._make(count, 1, here, there)

    def integers(self, words: Words, count: int, bound: int, dtype: torch.dtype) -> torch.Tensor:
        """Integers from 0 to ``bound`` - 1, as ``random.integers`` makes them, or booleans."""

        def here(start: int, count: int) -> torch.Tensor:
            return torch.from_numpy(random.integers(words, count, bound, start)).to(dtype)

        def there(device: torch.device) -> torch.Tensor:
            return random_torch.integers(words, count, bound, dtype, device)

        return self._make(count, 1, here, there)

    def heavy_tailed_rows(self, words: Words, rows: int, width: int) -> torch.Tensor:
        """Rows of probabilities, as ``random.heavy_tailed_rows`` makes them."""

        def here(start: int, rows: int) -> torch.Tensor:
            return torch.from_numpy(random.heavy_tailed_rows(words, rows, width, start))

        def there(device: torch.device) -> torch.Tensor:
            return random_torch.heavy_tailed_rows(words, rows, width, device)

        return self._make(rows, width, here, there)

    def _make(
        self,
        items: int,
        width: int,
        here: Callable[[int, int], torch.Tensor],
        there: Callable[[torch.device], torch.Tensor],
    ) -> torch.Tensor:
        """``items`` of ``width`` values each; ``here`` makes any run of them, ``there`` all."""
        if self._device is None or items * width < self._worth:
            return here(0, items)
        made = there(self._device)
        some = min(items, -(-CHECKED // width))
        start = chance.randrange(items - some + 1) // WORDS_PER_BLOCK * WORDS_PER_BLOCK
        wanted, got = here(start, some), made[start : start + some].cpu()
        if torch.equal(random_torch.bits_of(wanted), random_torch.bits_of(got)):
            return made
        print(
            f"{self._device} makes other random values than this machine's processor does; "
            "from here on the processor makes them",
            file=sys.stderr,
        )
        self._device = None
        return here(0, items)


HOST = Maker()
"""Makes all tensors in host memory."""


@cache
def _levels(dtype: torch.dtype, limit: float) -> torch.Tensor:
    """``random.levels``, clamped and rounded."""
    return torch.from_numpy(random.levels()).clamp(-limit, limit).to(dtype)
