"""Printing: aligned tables for people, JSON lines for programs."""

from __future__ import annotations

import shutil
import sys
import textwrap
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
READABLE = 20
"""Cells that a name needs to be told from others."""


class Column(msgspec.Struct, frozen=True):
    """A column of a table.

    Args:
        title: Its heading.
        right: Numbers stand at the right edge.
        shrinks: May be cut where the terminal is too narrow.
        middle: Is cut in the middle: of names, the end says as much as the beginning.
        spare: Above 0 it may be left out where the terminal is too narrow; the highest goes first.
        least: Cells to which it is cut at most as long as others can be left out.
        wraps: Of the last one: it goes on in the lines below instead of being cut.
    """

    title: str
    right: bool = False
    shrinks: bool = False
    middle: bool = False
    spare: int = 0
    least: int = READABLE
    wraps: bool = False


def name_column(title: str, spare: int = 0) -> Column:
    """A column of names."""
    return Column(title, shrinks=True, middle=True, spare=spare)


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

    On a terminal, columns are cut or left out to its width, which is said on standard error;
    elsewhere nothing is missing.

    Args:
        columns: What each cell of a row is.
        rows: Texts, one for each column.
        out: Where to; standard output where None.
    """
    stream = out if out is not None else sys.stdout
    cells = [[formats.clean(cell) for cell in row] for row in rows]
    titles = [column.title for column in columns]
    widths = [max(map(width_of, found)) for found in zip(titles, *cells, strict=True)]
    kept = list(range(len(columns)))
    if stream.isatty():
        available = shutil.get_terminal_size().columns
        kept = _kept(columns, widths, available)
        widths = _shrunk(columns, kept, widths, available, [NARROWEST] * len(columns))
    for row in [titles, *cells]:
        *before, last = row
        lines = [last]
        if columns[-1].wraps and width_of(last) > widths[-1]:
            lines = textwrap.wrap(last, widths[-1])
        for line in lines:
            texts = [*before, line]
            parts = [_pad(texts[at], widths[at], columns[at]) for at in kept]
            stream.write("  ".join(parts).rstrip() + "\n")
            before = [""] * len(before)
    if missing := [title for at, title in enumerate(titles) if at not in kept]:
        stream.flush()
        print(f"fitui: too narrow for: {', '.join(missing)}", file=sys.stderr)


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


def shorten(text: str, width: int, *, middle: bool = False) -> str:
    """``text`` in at most ``width`` columns, with an ellipsis where something is missing."""
    if width_of(text) <= width:
        return text
    if middle and text.isascii():
        tail = width // 3
        return text[: width - 1 - tail] + "…" + text[len(text) - tail :]
    kept, used = "", 0
    for character in text:
        used += _width(character)
        if used > width - 1:
            break
        kept += character
    return kept + "…"


def _pad(text: str, width: int, column: Column) -> str:
    text = shorten(text, width, middle=column.middle)
    gap = " " * (width - width_of(text))
    return gap + text if column.right else text + gap


def _kept(columns: Sequence[Column], widths: Sequence[int], available: int) -> list[int]:
    """Positions of the columns that stay: spare ones go as long as names are not readable."""
    kept = list(range(len(columns)))
    least = [column.least for column in columns]
    while True:
        shrunk = _shrunk(columns, kept, widths, available, least)
        spare = [at for at in kept if columns[at].spare]
        if not spare or _excess(kept, shrunk, available) <= 0:
            return kept
        kept.remove(max(spare, key=lambda at: (columns[at].spare, at)))


def _excess(kept: Sequence[int], widths: Sequence[int], available: int) -> int:
    return sum(widths[at] for at in kept) + 2 * (len(kept) - 1) - available


def _shrunk(
    columns: Sequence[Column],
    kept: Sequence[int],
    widths: Sequence[int],
    available: int,
    least: Sequence[int],
) -> list[int]:
    """Take from the widest column that may shrink until the row fits or none is left."""
    result = list(widths)
    for _ in range(_excess(kept, result, available)):
        wide = [at for at in kept if columns[at].shrinks and result[at] > least[at]]
        if not wide:
            break
        result[max(wide, key=lambda at: result[at])] -= 1
    return result
