"""Texts that the program makes: headings, facts and wrapped sentences as lines of spans."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.cells import cell_len

from fitui.format import clean
from fitui.widgets.lines import Span

Line = list[Span]


def heading(text: str) -> list[Line]:
    """A heading after an empty line."""
    return [[], [(f" {text}", "header")]]


def fact(label: str, value: str, style: str = "", *, width: int = 12) -> Line:
    """A label and what it is."""
    return [(f"   {label:<{width}} ", "dim"), (clean(value), style)]


def wrapped(text: str, width: int, style: str = "", indent: str = " ") -> list[Line]:
    """A sentence on as many lines as it needs."""
    room = max(20, width - len(indent) - 1)
    return [[(indent + part, style)] for part in textwrap.wrap(clean(text), room)] or []


_ROOM = 24
"""Cells that a column of sentences needs beside the others; else each goes below its row."""


def described(rows: Iterable[tuple[str, ...]], styles: tuple[str, ...], width: int) -> list[Line]:
    """Rows as :func:`columns`, of which the last is a sentence that is wrapped where it is long."""
    table = list(rows)
    before = columns([row[:-1] for row in table], styles)
    at = max((sum(cell_len(text) for text, _style in line) for line in before), default=0)
    lines: list[Line] = []
    for line, row in zip(before, table, strict=True):
        words, style = row[-1], styles[-1]
        if width - at > cell_len(words) or not words:
            lines.append([*line, (clean(words), style)])
        elif width - at > _ROOM:
            first, *rest = wrapped(words, width, style, " " * at)
            lines += [[*line, (first[0][0][at:], style)], *rest]
        else:
            lines += [line, *wrapped(words, width, style, " " * 7)]
    return lines


def columns(rows: Iterable[tuple[str, ...]], styles: tuple[str, ...] = ()) -> list[Line]:
    """Rows as aligned columns, indented under a heading."""
    table = [tuple(clean(cell) for cell in row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    return [
        [(" " * 3, "")]
        + [
            (cell.ljust(widths[at]) + "  ", styles[at] if at < len(styles) else "")
            for at, cell in enumerate(row)
        ]
        for row in table
    ]
