"""What stands beside a table about the row under the cursor: a trace or a definition in short."""

from __future__ import annotations

from engine.store import DefinitionRow, TraceRow, TraceStore
from fitui import clock
from fitui import format as form
from fitui.format import clean
from fitui.screens.documents import Line, columns, fact, heading, wrapped
from fitui.screens.fields import axes_text, share
from fitui.screens.reasons import trace_lines
from fitui.screens.triage_preview import failure_lines
from fitui.where import exact
from fitui.widgets.text import Document

WIDTH = 74
"""Columns of a preview, without its border and scroll bar."""

_SOLUTIONS = 12


def trace_preview(store: TraceStore, row: TraceRow) -> Document:
    """Verdict and figures of a trace; of one that failed its log and its source, where they tell.

    Args:
        store: The dataset.
        row: The trace.
    """
    try:
        trace = store.trace(row.id)
    except (LookupError, ValueError, OSError) as error:
        return Document([[], *wrapped(str(error), WIDTH, "failed")])
    lines = trace_lines(trace, WIDTH)
    lines += [[], fact("solution", row.solution, width=10)]
    lines.append(fact("of", row.definition, width=10))
    lines.append(fact("on", row.hardware, width=10))
    lines.append(fact("at", row.timestamp, width=10))
    if row.run:
        lines.append(fact("run", row.run, width=10))
    return Document(lines + failure_lines(store, trace))


def definition_preview(store: TraceStore, row: DefinitionRow) -> Document:
    """What a definition computes, on what, and how its solutions do, the best first.

    Args:
        store: The dataset.
        row: The definition.
    """
    lines: list[Line] = [
        [],
        [(f" {clean(row.name)}", "title"), (f"   {clean(row.op_type)}", "dim")],
    ]
    lines += [[], *wrapped(row.description or "No description.", WIDTH)]
    if row.tags:
        lines += [[], *wrapped(" ".join(row.tags), WIDTH, "dim")]
    where = exact("definition", row.name)
    workloads = store.workloads(where, limit=_SOLUTIONS)
    lines += heading(form.count(row.n_workloads, "workload"))
    lines += [[(f" {clean(axes_text(item.axes))}", "")] for item in workloads]
    if row.n_workloads > len(workloads):
        lines.append([(f" and {row.n_workloads - len(workloads)} more", "dim")])
    solutions = store.solutions(f"{where} is:latest", "-speedup,name", _SOLUTIONS)
    lines += heading(form.count(row.n_solutions, "solution"))
    lines += columns(
        (
            (
                item.name[:36],
                item.language,
                share(item.n_passed, item.n_failed),
                form.speedup(item.geomean_speedup),
                form.age(item.last_run, clock.now()),
            )
            for item in solutions
        ),
        ("", "dim", "", "title", "dim"),
    )
    if row.n_solutions > len(solutions):
        lines.append([(f" and {row.n_solutions - len(solutions)} more", "dim")])
    return Document(lines)
