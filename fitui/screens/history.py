"""History: evaluations of a solution over time, as a chart and as a table below it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from engine.schema.run import Verdict
from engine.store import QueryError
from fitui import format as form
from fitui.format import clean
from fitui.lookup import Lookup
from fitui.run_view import Target
from fitui.screens.compare_model import ratio_words
from fitui.screens.fields import LETTERS, axes_text, status_mark
from fitui.screens.history_model import (
    History,
    HistoryRow,
    look_up,
    points_of,
    short_hash,
)
from fitui.screens.listing import ListPage
from fitui.screens.matching import keep_matching
from fitui.screens.rows import FetchedRows, Field, listed_rows
from fitui.screens.solution import split_version
from fitui.screens.store_list import TraceRows
from fitui.screens.targets import solution_target
from fitui.view import View
from fitui.widgets.lines import Span
from fitui.widgets.series import Curve, Point


def _h(row: Any) -> HistoryRow:
    assert isinstance(row, HistoryRow)
    return row


def _when(row: Any) -> str:
    moment = _h(row).trace.time
    if moment is None:
        return clean(_h(row).trace.timestamp)
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _verdict(row: Any) -> str:
    found = _h(row).verdict
    return found.value if found else ""


_MARKS = {Verdict.SLOWER: "failed", Verdict.FASTER: "passed"}


def _verdict_mark(row: Any) -> str:
    found = _h(row).verdict
    return _MARKS.get(found, "") if found else ""


_WORKLOAD = Field("WORKLOAD", 12, lambda r: clean(axes_text(_h(r).trace.axes)), grow=12)

HISTORY_FIELDS = (
    Field("TIME", 16, _when, sort="time"),
    Field(
        "S",
        1,
        lambda r: LETTERS.get(_h(r).trace.status, "?"),
        mark=lambda r: status_mark(_h(r).trace.status),
    ),
    Field("LAT us", 7, lambda r: form.latency(_h(r).trace.latency_ms), right=True, sort="latency"),
    Field("CI", 6, lambda r: form.interval(_h(r).interval), right=True),
    Field("IS", 6, _verdict, mark=_verdict_mark),
    Field("VERSION", 8, lambda r: short_hash(_h(r).trace.version)),
    Field("CHANGED", 26, lambda r: clean(_h(r).change), grow=40, mark=lambda _r: "warn"),
    Field("DEVICE", 10, lambda r: clean(_h(r).trace.hardware), grow=14),
    Field("TIMER", 8, lambda r: clean(_h(r).trace.timer), grow=4),
    Field("RUN", 20, lambda r: clean(_h(r).trace.run)),
)

_SORTS: dict[str, Callable[[HistoryRow], float]] = {
    "time": lambda row: row.trace.time or 0.0,
    "latency": lambda row: row.trace.latency_ms or 0.0,
}


class HistoryPage(ListPage, TraceRows):
    """Every evaluation of a solution on a workload, or on all, newest first."""

    noun = "trace"

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self.fields = HISTORY_FIELDS
        self._name, self._on = self.about()
        if not self._on:
            self.fields = (*HISTORY_FIELDS[:2], _WORKLOAD, *HISTORY_FIELDS[2:])
        self._words = view.filter
        self._shown: list[HistoryRow] = []
        self._points: tuple[Point, ...] = ()
        known: dict[int, Any] = {}
        self._looked: Lookup[History] = Lookup(
            lambda: look_up(self.session.store, self._name, self._on, known),
            bench.looked_up,
            lambda: bench.shows(self),
        )

    def about(self) -> tuple[str, str]:
        """The solution, and the workload or "" for all."""
        return split_version(self.session.store, self.view.subject)[0], self.view.other

    # Rows

    def show(self) -> None:
        """Show what is known, and look for more."""
        super().show()
        self._looked.ask()

    def apply(self, words: str) -> None:
        """Show the evaluations that a filter keeps, in the chart as well."""
        self._words = words
        found = self._looked.found
        kept = keep_matching(self.fields, found.rows if found else [], words)
        points = points_of(kept, relative=not self._on)
        if points != self._points:
            # Else the same tuple, so that the chart need not be drawn again.
            self._points = points
        self._shown = kept
        super().apply(words)

    def load(self, words: str, sort: str) -> FetchedRows:
        """Evaluations in whose cells every word occurs."""
        found = self._looked.found
        rows = keep_matching(self.fields, found.rows if found else [], words)
        if sort:
            if sort.lstrip("-") not in _SORTS:
                raise QueryError(f"sorted by one of {', '.join(_SORTS)}", 0, len(sort))
            rows.sort(key=_SORTS[sort.lstrip("-")], reverse=sort.startswith("-"))
        return listed_rows(self.fields, rows, lambda row: str(row.trace.id))

    def empty(self) -> list[str]:
        """What is being done, or how to get traces."""
        if self._looked.found is None:
            return ["Reading the traces ..."]
        where = " on this workload" if self._on else ""
        return [f"{clean(self._name)} has never been run{where}.", "Press r to run it."]

    def found(self) -> None:
        """Show what was found; only lines that changed are painted."""
        self.apply(self._words)

    def store_changed(self) -> None:
        """There may be new traces."""
        self._looked.ask()

    # What is under the cursor

    def _row(self) -> HistoryRow | None:
        row = self.current()
        return row if isinstance(row, HistoryRow) else None

    def opened(self) -> View | None:
        """The trace."""
        row = self._row()
        return self.view_of(row.trace) if row else None

    def definition(self) -> str:
        """The definition that it solves."""
        row = self._row()
        return row.trace.definition if row else ""

    def solution(self) -> str:
        """Its own."""
        return self._name if self._row() else ""

    def workload(self) -> str:
        """The workload under the cursor."""
        row = self._row()
        return row.trace.workload if row else ""

    def target(self) -> Target | None:
        """The pair under the cursor, else the solution."""
        row = self._row()
        if row is not None:
            return self.target_of(row.trace)
        definition = self.session.store.solution(self._name).definition
        return solution_target(definition, self._name)

    def is_failure(self, row: object) -> bool:
        """Everything but PASSED."""
        return isinstance(row, HistoryRow) and row.trace.status != "PASSED"

    # Chrome

    def scopes(self) -> set[str]:
        """A table of something that can be run."""
        return super().scopes() | {"runnable"}

    def crumb(self) -> str:
        """What it is the history of."""
        return f"history {self.view.subject}"

    def bar(self) -> tuple[list[Span], list[Span]]:
        """On what, and how many."""
        left, right = super().bar()
        found = self._looked.found
        if found is None:
            return left, right
        if self._on and found.rows:
            left = [(f" on {axes_text(found.rows[0].trace.axes)}", "title"), *left]
        if found.every > len(found.rows):
            right = [(f"the newest of {found.every:,}  ".replace(",", " "), "warn"), *right]
        return left, right

    def hint(self) -> list[Span]:
        """Verdict, and where and how it was measured."""
        row = self._row()
        if row is None:
            return []
        spans = self.hint_of(self.session, row.trace)[:1]
        if row.change:
            spans.append((f"  {clean(row.change)}", "warn"))
        trace = row.trace
        by = f" by {trace.timer}" if trace.timer else ""
        run = f"  run {trace.run}" if trace.run else ""
        return [*spans, (clean(f"  {trace.hardware}{by}{run}"), "dim")]

    def curve(self) -> Curve | None:
        """Latencies from the oldest to the newest."""
        if not self._points:
            return None
        values = [point.value for point in self._points if point.value is not None]
        words = form.latency if self._on else ratio_words
        unit = "us" if self._on else "of the workload's median"
        row = self._row()
        at = next((i for i, item in enumerate(self._shown) if item is row), None)
        return Curve(
            f"{unit}, old to new: v version or e environment changed, x failed",
            self._points,
            top=words(max(values)) if values else "",
            bottom=words(min(values)) if len(set(values)) > 1 else "",
            cursor=None if at is None else len(self._shown) - 1 - at,
        )
