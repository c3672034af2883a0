"""A view as Markdown for a pull request: its tables, and how their figures were measured."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

from engine.store import TraceStore
from fitui import clock
from fitui import format as form
from fitui.copying.conditions import (
    MOST_READ,
    condition_lines,
    conditions_of,
    conditions_of_comparison,
    coverage_line,
    traces_of_rows,
)
from fitui.copying.tables import Snapshot, Table, left_out, markdown_of
from fitui.run_view import RunView
from fitui.screens.compare_model import CompareRow, interval_words, ratio_words, totals_of


def markdown(store: TraceStore, snapshot: Snapshot) -> str:
    """A list or a matrix.

    Args:
        store: The dataset.
        snapshot: What is on the screen.
    """
    traces = traces_of_rows(store, snapshot.rows)
    footer = []
    if traces:
        found = conditions_of(store, traces)
        footer = [*condition_lines(found), coverage_line(store, traces)]
        timed = sum(row.latency_ms is not None for row in traces)
        if timed > MOST_READ:
            footer.append(f"conditions are those of the first {MOST_READ} of {timed} evaluations")
    return _text(snapshot, [_table(snapshot)], footer)


def comparison(
    store: TraceStore,
    snapshot: Snapshot,
    rows: Sequence[CompareRow],
    runs: Sequence[RunView],
    names: tuple[str, str],
) -> str:
    """Two solutions, with the geomean of all workloads that are shown.

    Args:
        store: The dataset.
        snapshot: What is on the screen.
        rows: The workloads that it is about.
        runs: Newest first.
        names: Of the solutions, A and B.
    """
    found = condition_lines(conditions_of_comparison(store, runs, names, rows))
    compared = [row for row in rows if row.compared is not None]
    together = sum(row.compared.processes > 0 for row in rows if row.compared is not None)
    footer = [
        *found,
        f"coverage: {len(compared)} of {form.count(len(rows), 'workload')} compared, "
        f"{together} of them measured in turns",
    ]
    first = f"A = `{form.clean(names[0])}`, B = `{form.clean(names[1])}`; below 1, B is faster."
    tables = [first, _table(snapshot)]
    if any(isinstance(row, CompareRow) for row in snapshot.rows):
        tables.append(markdown_of(totals_table(rows)))
    return _text(snapshot, tables, footer)


def totals_table(rows: Sequence[CompareRow]) -> Table:
    """What workloads come to: all of them, then each length of those axes that have few."""
    cells = []
    for row in totals_of(rows):
        found = row.totals
        cells.append(
            (
                form.clean(row.label),
                str(found.workloads),
                ratio_words(found.geomean) or "-",
                interval_words(found.low, found.high) or "-",
                ratio_words(found.weighted) or "-",
                ", ".join(f"{number} {verdict}" for verdict, number in found.verdicts.items()),
            )
        )
    titles = ("of", "workloads", "geomean B/A", "95 % interval", "total B/A", "B is")
    right = (False, True, True, True, True, False)
    return Table(titles=titles, right=right, rows=tuple(cells))


def _table(snapshot: Snapshot) -> str:
    missing = left_out(snapshot)
    return markdown_of(snapshot.table) + (f"\n\n{missing}" if missing else "")


def _text(snapshot: Snapshot, tables: Sequence[str], footer: Sequence[str]) -> str:
    when = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y-%m-%d %H:%M UTC")
    command = snapshot.command or shlex.join(["fitui", snapshot.view])
    last = f"`{form.clean(command)}`, as of {when}"
    if any(title.endswith("us") for title in snapshot.table.titles):
        last += "; latencies in us"
    lines = "\n".join(f"- {line}" for line in [*snapshot.notes, *footer, last])
    return "\n\n".join([*tables, lines]) + "\n"
