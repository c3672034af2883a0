"""A small chart on the Line API: values in their order, from the left, with letters below them.

Every point has a column, or shares one with its neighbours where there are more than columns; a
column shows the span of its values. Braille dots make four levels of a line of the terminal; where
a terminal cannot show them, asterisks make one. Nothing here knows what the values are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from textual.strip import Strip

from fitui.widgets.lines import LineWidget, Span

LABEL = 8
"""Columns of the figures at the left."""

_WIDEST = 8
"""Columns that a point takes at most."""

_LEVELS = 4
_DOTS = (0xC0, 0x24, 0x12, 0x09)
"""Both dots of each level of a braille character, from the lowest."""

_BRAILLE = 0x2800
_BESIDE = 3
"""Lines that are no plot: the title, the letters and the cursor."""


class Point(Struct, frozen=True):
    """One value.

    Args:
        value: None where there is none; that shows as ``x``.
        letter: What stands below it, or "".
    """

    value: float | None
    letter: str = ""


class Curve(Struct, frozen=True):
    """What a chart shows.

    Args:
        title: Its first line.
        points: From left to right.
        top: The greatest value in words, ``bottom`` the least; at most :data:`LABEL` - 1 columns.
        cursor: Index of the point that is marked, or None.
    """

    title: str
    points: tuple[Point, ...]
    top: str = ""
    bottom: str = ""
    cursor: int | None = None


def is_plain(environment: Mapping[str, str], encoding: str | None) -> bool:
    """True for a terminal that has no braille: the Linux console, or not UTF-8."""
    terminal = environment.get("TERM", "")
    return terminal in ("linux", "dumb") or "utf" not in (encoding or "").lower()


class Series(LineWidget):
    """A chart of one curve.

    Args:
        plain: Only ASCII.
    """

    DEFAULT_CSS = "Series { height: 10; width: 100%; }"

    def __init__(self, *, plain: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._plain = plain
        self._curve = Curve("", ())
        self._drawn: tuple[Curve, int, int] | None = None
        self._rows: list[str] = []
        self._letters = ""

    def show(self, curve: Curve) -> None:
        """Show a curve."""
        self._curve = curve
        self.repaint()

    def on_resize(self) -> None:
        """Draw it for another size."""
        self._painted.clear()
        self.repaint()

    def paint(self, y: int) -> Strip:
        """The title, a line of the plot, the letters, or where the cursor is."""
        return self.strip(self._spans(y))

    def _spans(self, y: int) -> list[Span]:
        width, height = self.size.width - LABEL - 1, max(1, self.size.height - _BESIDE)
        if y == 0:
            return [(f" {self._curve.title}", "dim")]
        if width < 1:
            return []
        self._draw(width, height)
        if y <= height:
            label = self._curve.top if y == 1 else self._curve.bottom if y == height else ""
            return [(f"{label:>{LABEL}} ", "dim"), (self._rows[y - 1], "accent")]
        margin = " " * (LABEL + 1)
        if y == height + 1:
            return [(margin, ""), (self._letters, "warn")]
        cursor = self._curve.cursor
        if y > height + 2 or cursor is None or not self._curve.points:
            return []
        column = column_of(cursor, len(self._curve.points), width)
        return [(margin + " " * column + "^", "")]

    def _draw(self, width: int, height: int) -> None:
        """Draw plot and letters anew, unless only the cursor has moved."""
        key = (self._curve, width, height)
        if self._drawn is not None:
            curve, *size = self._drawn
            if size == [width, height] and curve.points is self._curve.points:
                return
        self._drawn = key
        self._rows, self._letters = draw(self._curve.points, width, height, plain=self._plain)


def column_of(index: int, count: int, width: int) -> int:
    """Column of a point among all.

    Args:
        index: Of the point.
        count: Of points.
        width: Columns that there are.
    """
    bar = _bar(index, count, width)
    return bar[len(bar) // 2]


def _bar(index: int, count: int, width: int) -> range:
    """Columns of a point; from three on with a gap behind it."""
    if count > width:
        return range(index * width // count, index * width // count + 1)
    step = max(1, min(_WIDEST, width // count))
    return range(index * step, (index + 1) * step - (step > 2))


def draw(
    points: Sequence[Point], width: int, height: int, *, plain: bool = False
) -> tuple[list[str], str]:
    """Draw points.

    Args:
        points: From left to right.
        width: Columns; ``height`` lines.
        plain: Only ASCII.

    Returns:
        The lines of the plot from the top, and the line of letters below it. Where several points
        share a column, the last letter counts.
    """
    columns: list[list[float]] = [[] for _ in range(width)]
    missing, letters = set[int](), [" "] * width
    for index, point in enumerate(points):
        column = column_of(index, len(points), width)
        if point.value is None:
            missing.add(column)
        else:
            for at in _bar(index, len(points), width):
                columns[at].append(point.value)
        if point.letter:
            letters[column] = point.letter
    values = [value for column in columns for value in column]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    steps = height if plain else height * _LEVELS
    lines = [[" "] * width for _ in range(height)]
    for column, found in enumerate(columns):
        if found:
            first, last = (_level(value, low, high, steps) for value in (min(found), max(found)))
            _fill(lines, column, first, last, plain)
        if column in missing:
            lines[-1][column] = "x"
    return ["".join(line) for line in lines], "".join(letters)


def _level(value: float, low: float, high: float, steps: int) -> int:
    """Level of a value, 0 for the lowest; in the middle where all are the same."""
    if high <= low:
        return steps // 2
    return min(steps - 1, int((value - low) / (high - low) * steps))


def _fill(lines: list[list[str]], column: int, first: int, last: int, plain: bool) -> None:
    """Mark the levels from ``first`` to ``last`` in a column."""
    if plain:
        for level in range(first, last + 1):
            lines[-1 - level][column] = "*"
        return
    for row in range(first // _LEVELS, last // _LEVELS + 1):
        dots = 0
        for level, bits in enumerate(_DOTS):
            if first <= row * _LEVELS + level <= last:
                dots |= bits
        lines[-1 - row][column] = chr(_BRAILLE | dots)
