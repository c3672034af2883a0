"""Random numbers that are the same in every numpy version.

Numpy promises stability for the bits of a bit generator, not for what `Generator` makes of them,
so distributions are derived here, from raw 64-bit words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Stream:
    """A seeded sequence of random words."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed))

    def words(self, count: int) -> NDArray[np.uint64]:
        """Return `count` raw 64-bit words."""
        raw: Any = self._bits.random_raw(count)
        return np.asarray(raw, dtype=np.uint64)

    def uniform(self, count: int) -> NDArray[np.float64]:
        """Return `count` values in [0, 1), each from the upper 53 bits of a word."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def integers(self, low: int, high: int, count: int) -> NDArray[np.int64]:
        """Return `count` integers in [low, high)."""
        return low + np.floor(self.uniform(count) * (high - low)).astype(np.int64)

    def permutation(self, count: int) -> NDArray[np.int64]:
        """Return 0..count-1 in random order."""
        return np.argsort(self.words(count), kind="stable").astype(np.int64)

    def subset(self, count: int, chosen: int) -> NDArray[np.int64]:
        """Return `chosen` different values below `count`, ascending."""
        return np.sort(self.permutation(count)[:chosen])
