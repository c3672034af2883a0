"""Printing: aligned tables for people, JSON lines for programs."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

import msgspec

from engine.schema import encode, to_json_value
from engine.store import TraceStore
from fitui import clock
from fitui import format as formats

NOTHING = "-"
NARROWEST = 8


class Column(msgspec.Struct, frozen=True):
    """A column of a table.

    Args:
        title: Its heading.
        right: Numbers stand at the right edge.
        shrinks: May be cut where the terminal is too narrow.
    """

    title: str
    right: bool = False
    shrinks: bool = False


def print_json(value: object) -> None:
    """Print one JSON value on one line; non-finite numbers are strings as in the files."""
    if isinstance(value, msgspec.Struct):
        text = encode(value)
    else:
        text = msgspec.json.encode(to_json_value(value))
    sys.stdout.write(text.decode() + "\n")


def print_table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, out: TextIO | None = None
) -> None:
    """Print rows in aligned columns.

    On a terminal, columns that may shrink are cut to its width; elsewhere nothing is cut.

    Args:
        columns: What each cell of a row is.
        rows: Texts, one for each column.
        out: Where to; standard output where None.
    """
    stream = out if out is not None else sys.stdout
    cells = [[formats.clean(cell) for cell in row] for row in rows]
    titles = [column.title for column in columns]
    widths = [max(map(width_of, found)) for found in zip(titles, *cells, strict=True)]
    if stream.isatty():
        widths = _fit(columns, widths, shutil.get_terminal_size().columns)
    for row in [titles, *cells]:
        parts = [
            _pad(cell, width, column.right)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        stream.write("  ".join(parts).rstrip() + "\n")


def print_notices(store: TraceStore) -> None:
    """Say on standard error what a person should know about the dataset."""
    for notice in store.notices:
        print(f"fitui: {notice}", file=sys.stderr)
    problems = store.count("problems")
    if problems:
        noun = "problem" if problems == 1 else "problems"
        print(f"fitui: {problems} {noun} in the dataset: fitui ls problems", file=sys.stderr)


def format_latency(milliseconds: float | None) -> str:
    """Latency in microseconds with three significant digits; see :func:`fitui.format.latency`."""
    return formats.latency(milliseconds) or NOTHING


def format_ratio(value: float | None) -> str:
    """A speedup with three significant digits."""
    return formats.speedup(value) or NOTHING


def format_roofline(percent: float | None, *, alarm: bool = False) -> str:
    """Percent of the limit; see :func:`fitui.format.roofline`."""
    return formats.roofline(percent, alarm=alarm) or NOTHING


def format_age(moment: float | None) -> str:
    """How long ago a Unix time was: "2m", "3d"."""
    return formats.age(moment, clock.now()) or NOTHING


def width_of(text: str) -> int:
    """Columns that a terminal needs for ``text``."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, with an ellipsis where something is missing."""
    if width_of(text) <= width:
        return text
    kept, used = "", 0
    for character in text:
        used += _width(character)
        if used > width - 1:
            break
        kept += character
    return kept + "…"


def _pad(text: str, width: int, right: bool) -> str:
    text = shorten(text, width)
    gap = " " * (width - width_of(text))
    return gap + text if right else text + gap


def _fit(columns: Sequence[Column], widths: Sequence[int], available: int) -> list[int]:
    """Take from the widest column that may shrink until the row fits or none is left."""
    result = list(widths)
    excess = sum(result) + 2 * (len(result) - 1) - available
    while excess > 0:
        wide = [
            position
            for position, column in enumerate(columns)
            if column.shrinks and result[position] > NARROWEST
        ]
        if not wide:
            break
        widest = max(wide, key=lambda position: result[position])
        result[widest] -= 1
        excess -= 1
    return result
