"""Tables as Markdown, with latencies in microseconds. Values; knows neither store nor widgets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from engine.insight.ranking import geomeans, timer_words
from fitui import format as form
from fitui.screens.matrix_model import MatrixModel
from fitui.widgets.table_source import TableSource

MOST_ROWS = 200
"""Rows of a table that go into a text."""

_LATENCY = re.compile(r"(?P<before>.*?)(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s)$", re.DOTALL)


class Table(Struct, frozen=True, kw_only=True):
    """A table as texts.

    Args:
        titles: Of the columns.
        right: Which of them hold numbers.
        rows: Cells of each row.
    """

    titles: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


class Snapshot(Struct, frozen=True, kw_only=True):
    """What of a page goes into a text: taken where the page lives, made into Markdown elsewhere.

    Args:
        view: Text of the view.
        table: As far as it is shown.
        total: Rows that it has.
        rows: What its rows show: rows of lists, cells of runs, ...
        notes: Sentences below.
        command: What prints it, where that is not ``fitui VIEW``.
    """

    view: str
    table: Table
    total: int
    rows: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    command: str = ""


def snapshot_of(source: TableSource, view: str, most: int = MOST_ROWS) -> Snapshot | None:
    """The rows of a source, as far as they are not too many; None where it has none.

    Args:
        source: What a table shows.
        view: Text of the view.
        most: Rows that are taken.
    """
    number = min(most, source.row_count)
    columns = source.columns
    if not number:
        return None
    table = table_of(
        [" ".join(column.title.split()) for column in columns],
        [column.right for column in columns],
        ([source.cell(row, at) for at in range(len(columns))] for row in range(number)),
    )
    row_of = getattr(source, "row", None)
    return Snapshot(
        view=view,
        table=table,
        total=source.row_count,
        rows=tuple(row_of(index) for index in range(number)) if row_of else (),
    )


def matrix_snapshot(model: MatrixModel, view: str, metric: str) -> Snapshot | None:
    """A matrix with the geometric mean of each solution's speedups.

    Args:
        model: The matrix.
        view: Text of the view.
        metric: What its cells show, "latency" or "speedup".
    """
    if not model.row_count:
        return None
    unit = "us" if metric == "latency" else "speedup"
    labels = [" ".join(parts) or "all" for parts in model.labels]
    titles = ("solution", *(f"{label} {unit}" for label in labels), "passed", "geomean speedup")
    stored = {pair: row for pair, row in model.stored.items() if pair not in model.live}
    means = geomeans(stored.values(), model.timer)
    number = min(MOST_ROWS, model.row_count)
    cells = []
    for row in range(number):
        name = model.solutions[row].name
        places = range(1, len(labels) + 1)
        passed = sum(model.status(row, column) == "PASSED" for column in places)
        figures = [_matrix_cell(model.cell(row, column), unit) for column in places]
        mean = form.speedup(means.get(name)) or "-"
        cells.append((form.clean(name), *figures, f"{passed}/{len(labels)}", mean))
    done, failed, every = model.counts()
    notes = [
        f"{done} of {form.count(every, 'cell')} passed, {failed} failed, {every - done - failed} "
        "without a result: C did not compile, D wrong dtype, N wrong values, R raised an error, "
        "S wrong shape, T timed out, `-` never run, small letters not ended"
    ]
    if model.live:
        notes.append(
            f"{form.count(len(model.live), 'cell')} of runs not stored yet: not in the geomeans, "
            "and the conditions below are not theirs"
        )
    if model.mixed:
        notes.append(f"Figures with * are not by {timer_words(model.timer)}: in no geomean")
    shown = {item.name for item in model.solutions[:number]}
    return Snapshot(
        view=view,
        table=Table(titles=titles, right=(False, *(True for _ in titles[1:])), rows=tuple(cells)),
        total=model.row_count,
        rows=tuple(row for pair, row in stored.items() if pair[0] in shown),
        notes=tuple(notes),
    )


def _matrix_cell(text: str, unit: str) -> str:
    """A cell without the letter of those that passed, which the figure says as well."""
    if text == ".":
        return "-"
    letter, figure = text[:1], "".join(text[1:].split())
    figure = in_us(unit, figure)
    return figure if letter == "P" and figure else f"{letter} {figure}".strip()


def in_us(title: str, cell: str) -> str:
    """A cell of a column of microseconds, in microseconds also where it is shown in ms or s."""
    if not title.endswith("us"):
        return cell
    match = _LATENCY.fullmatch(cell.strip())
    if match is None:
        return cell
    factor = 1e3 if match["unit"] == "ms" else 1e6
    return f"{match['before']}{float(match['number']) * factor:.0f}"


def markdown_of(table: Table) -> str:
    """A table in the Markdown of pull requests."""
    rule = ["---:" if right else "---" for right in table.right]
    lines = [_line(map(_escaped, table.titles)), _line(rule)]
    lines += [_line(map(_escaped, row)) for row in table.rows]
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(cell: str) -> str:
    text = form.clean(cell).strip()
    text = re.sub(r"[\\|*`\[\]]", lambda match: f"\\{match[0]}", text)
    return text.replace("<", "&lt;")


def left_out(snapshot: Snapshot) -> str:
    """A line that says how many rows are not in the text, "" where all are."""
    missing = snapshot.total - len(snapshot.table.rows)
    of = f"{snapshot.total:,}".replace(",", " ")
    return f"... and {form.count(missing, 'row')} more, of {of}" if missing > 0 else ""


def table_of(titles: Sequence[str], right: Sequence[bool], rows: Iterable[Sequence[str]]) -> Table:
    """A table of cells, latencies made microseconds."""
    return Table(
        titles=tuple(titles),
        right=tuple(right),
        rows=tuple(
            tuple(in_us(title, cell) for title, cell in zip(titles, row, strict=True))
            for row in rows
        ),
    )
