"""A histogram as lines of a text: bars of blocks, or of ASCII where the terminal is plain.

Knows nothing of what the values are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from fitui.widgets.lines import Span

_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN = " .:#"
_WIDEST = 4
"""Columns that a bar takes at most."""
_FAR = 3.0
"""Spreads beyond the upper mark after which a value is not drawn but counted."""
_INDENT = "   "


class Histogram:
    """Counts of values in equal steps.

    Args:
        values: At least one, all finite.
        low: Below which few of them lie, ``high`` above which few do; the spread between them
            says how far out a value is still drawn.
        columns: Columns that there are.
    """

    def __init__(self, values: Sequence[float], low: float, high: float, columns: int) -> None:
        spread = max(high - low, 1e-9 * abs(high))
        self.first = max(min(values), low - _FAR * spread)
        self.last = min(max(values), high + _FAR * spread)
        self.below = sum(value < self.first for value in values)
        self.above = sum(value > self.last for value in values)
        shown = sorted(value for value in values if self.first <= value <= self.last)
        bins = max(1, min(columns, _bins(shown)))
        self._each = max(1, min(_WIDEST, columns // bins))
        self.counts = [0] * bins
        for value in shown:
            self.counts[self._bin(value)] += 1

    @property
    def width(self) -> int:
        """Columns that it takes."""
        return len(self.counts) * self._each

    def _bin(self, value: float) -> int:
        if self.last <= self.first:
            return 0
        share = (value - self.first) / (self.last - self.first)
        return max(0, min(len(self.counts) - 1, int(share * len(self.counts))))

    def column(self, value: float) -> int:
        """The column that a value is in the middle of."""
        return self._bin(value) * self._each + (self._each - 1) // 2

    def bars(self, height: int, *, plain: bool = False) -> list[str]:
        """The bars, from the top.

        Args:
            height: Lines.
            plain: Only ASCII.
        """
        levels = _PLAIN if plain else _BLOCKS
        steps = len(levels) - 1
        tallest = max(self.counts)
        # What is there at all is seen.
        heights = [math.ceil(number / tallest * height * steps) for number in self.counts]
        return [
            "".join(
                levels[max(0, min(steps, filled - line * steps))] * self._each for filled in heights
            )
            for line in range(height - 1, -1, -1)
        ]

    def marks(self, places: Sequence[tuple[float, str]]) -> str:
        """A line with a letter below each of some values; of two in one place the last counts."""
        line = [" "] * self.width
        for value, letter in places:
            if self.first <= value <= self.last:
                line[self.column(value)] = letter
        return "".join(line)


def _bins(ordered: Sequence[float]) -> int:
    """As many as their number bears, and no more than their own steps are fine."""
    bins = max(1, math.ceil(2 * math.sqrt(len(ordered))))
    gaps = [after - before for before, after in pairwise(ordered)]
    finest = min((gap for gap in gaps if gap > 0), default=0.0)
    if not finest:
        return 1
    return min(bins, round((ordered[-1] - ordered[0]) / finest) + 1)


def histogram_lines(
    histogram: Histogram,
    marks: Sequence[tuple[float, str]],
    ends: tuple[str, str],
    height: int,
    *,
    plain: bool = False,
) -> list[list[Span]]:
    """A histogram, its marks, and its ends in words.

    Args:
        histogram: The histogram.
        marks: Values and the letters that stand below them.
        ends: Least and greatest value that are drawn, in words.
        height: Lines of the bars.
        plain: Only ASCII.
    """
    lines: list[list[Span]] = [
        [(_INDENT, ""), (bar, "accent")] for bar in histogram.bars(height, plain=plain)
    ]
    lines.append([(_INDENT, ""), (histogram.marks(marks), "warn")])
    gap = " " * max(2, histogram.width - sum(map(len, ends)))
    lines.append([(f"{_INDENT}{ends[0]}{gap}{ends[1]}", "dim")])
    return lines
