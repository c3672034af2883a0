"""Compare: is B faster or slower than A? Workload by workload, and what that comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.measure.totals import Compared
from engine.run.progress import Cell
from engine.schema.run import Kind, Verdict
from engine.store import QueryError
from fitui import format as form
from fitui.copying import pull_request
from fitui.copying.command import compare_command, dataset_options
from fitui.copying.subject import Subject
from fitui.copying.tables import snapshot_of
from fitui.format import clean
from fitui.lookup import Lookup
from fitui.run_view import RunView, Target
from fitui.screens.compare_model import (
    SORTS,
    CompareRow,
    Comparison,
    Records,
    TotalRow,
    comparing,
    find_pair,
    interval_words,
    look_up,
    ratio_words,
    rows_of,
    totals_of,
)
from fitui.screens.documents import Line, columns, fact, heading, wrapped
from fitui.screens.fields import phase_words
from fitui.screens.listing import ListPage
from fitui.screens.matching import keep_matching
from fitui.screens.rows import FetchedRows, Field, listed_rows
from fitui.view import View
from fitui.widgets.lines import Span
from fitui.widgets.text import Document, Lines

_PREVIEW_WIDTH = 74

VERDICT_MARKS = {
    Verdict.SAME: "",
    Verdict.FASTER: "passed",
    Verdict.SLOWER: "failed",
    Verdict.UNCLEAR: "warn",
    Verdict.FAILED: "failed",
}


def _c(row: Any) -> Compared | None:
    assert isinstance(row, CompareRow)
    return row.compared


def _of(row: Any, name: str) -> float | None:
    """A figure of what is known, None where nothing is."""
    value: float | None = getattr(_c(row), name, None)
    return value


def _interval(row: Any) -> str:
    found = _c(row)
    return interval_words(found.time.low, found.time.high) if found and found.time else ""


def _verdict(row: Any) -> str:
    cell, found = row.cell, _c(row)
    if row.at_work:
        return phase_words(cell)
    return found.verdict.value if found else ""


def _verdict_mark(row: Any) -> str:
    found = _c(row)
    if row.at_work:
        return "dim" if row.cell.phase is Kind.QUEUED else "live"
    return VERDICT_MARKS[found.verdict] if found else ""


def _why(row: Any) -> str:
    found = _c(row)
    cell = row.cell
    if row.at_work:
        return clean(cell.message)
    if cell is not None and cell.phase is Kind.NOT_RUN and not (found and found.processes):
        return clean(f"not run: {cell.message}")
    if found is None:
        return "never measured"
    return clean("; ".join(filter(None, [found.reason, *found.flags])))


COMPARE_FIELDS = (
    Field("WORKLOAD", 12, lambda r: clean(r.label), grow=30),
    Field("A us", 7, lambda r: form.latency(_of(r, "a_ms")), right=True, sort="a"),
    Field("B us", 7, lambda r: form.latency(_of(r, "b_ms")), right=True, sort="b"),
    Field("B/A", 6, lambda r: ratio_words(_of(r, "value")), right=True, sort="ratio"),
    Field("INTERVAL", 11, _interval, grow=2, right=True),
    Field("B IS", 8, _verdict, sort="verdict", mark=_verdict_mark),
    Field("WHY", 21, _why, grow=60),
)


def _t(row: Any) -> TotalRow:
    assert isinstance(row, TotalRow)
    return row


def _counts(row: TotalRow) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in row.totals.verdicts.items())


TOTAL_FIELDS = (
    Field("OF", 16, lambda r: clean(_t(r).label), grow=20),
    Field("N", 3, lambda r: str(_t(r).totals.workloads), right=True),
    Field("GEOMEAN", 7, lambda r: ratio_words(_t(r).totals.geomean), right=True),
    Field(
        "INTERVAL",
        11,
        lambda r: interval_words(_t(r).totals.low, _t(r).totals.high),
        grow=2,
        right=True,
    ),
    Field("TOTAL", 6, lambda r: ratio_words(_t(r).totals.weighted), right=True),
    Field("B IS", 20, lambda r: _counts(_t(r)), grow=60),
    Field("SUM A us", 8, lambda r: form.latency(_t(r).totals.a_ms), right=True),
    Field("SUM B us", 8, lambda r: form.latency(_t(r).totals.b_ms), right=True),
)


class ComparePage(ListPage):
    """Two solutions of a definition on all its workloads."""

    fields: Sequence[Field] = COMPARE_FIELDS
    noun = "workload"
    tabs = (("", "workloads"), ("totals", "totals"))
    previews = True

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self.names = (view.subject, view.other)
        self.every: list[CompareRow] = []
        self.totals: list[TotalRow] = []
        self._definition = ""
        self._words = view.filter
        self._previewed: tuple[object, Lines] | None = None
        records = Records()
        self._looked: Lookup[Comparison] = Lookup(
            lambda: look_up(
                self.session.store, list(self.session.runs.values()), self.names, records
            ),
            bench.looked_up,
            lambda: bench.shows(self),
        )

    # Rows

    def show(self) -> None:
        """Show what is known, and look for more."""
        self._definition = find_pair(self.session.store, self.names)[0].definition
        super().show()
        self._looked.ask()

    def apply(self, words: str) -> None:
        """Show the workloads that a filter keeps."""
        self._words = words
        found = self._looked.found or Comparison([], {})
        self.every = rows_of(found, list(self.session.runs.values()), self.names)
        self.totals = totals_of(self.every)
        super().apply(words)

    def load(self, words: str, sort: str) -> FetchedRows:
        """Workloads in which every word occurs."""
        rows = keep_matching(self.fields, self.every, words)
        if sort:
            if sort.lstrip("-") not in SORTS:
                raise QueryError(f"sorted by one of {', '.join(SORTS)}", 0, len(sort))
            rows.sort(key=SORTS[sort.lstrip("-")], reverse=sort.startswith("-"))
        return listed_rows(self.fields, rows, lambda row: str(row.workload))

    def empty(self) -> list[str]:
        """What is being done, or what is missing."""
        if self._looked.found is None:
            return ["Reading what was measured ..."]
        return [f"No workloads of {clean(self._definition)}: nothing can be compared."]

    def found(self) -> None:
        """Show what was found; only lines that changed are painted."""
        self.apply(self._words)

    def store_changed(self) -> None:
        """There may be other traces."""
        self._looked.ask()

    def runs_changed(self, runs: frozenset[str]) -> None:
        """Show how far they are, and read what they have measured."""
        if any(run.run in runs for run in self._runs()):
            self.apply(self._words)
            self._looked.ask()

    def _runs(self) -> list[RunView]:
        return comparing(list(self.session.runs.values()), self.names)

    # What is under the cursor, and running

    def _row(self) -> CompareRow | None:
        row = self.current()
        return row if isinstance(row, CompareRow) else None

    def _cell(self) -> Cell | None:
        row = self._row()
        return row.cell if row else None

    def opened(self) -> View | None:
        """How it was measured."""
        cell = self._cell()
        return View("evaluation", f"{self._runs()[0].run}/{cell.evaluation}") if cell else None

    def do_open(self) -> None:
        """Enter the measurement, if there was one."""
        if self._cell() is None and self._row() is not None:
            self.bench.say("not measured together: r measures both in turns")
        else:
            super().do_open()

    def definition(self) -> str:
        """The one that both are for."""
        return self._definition

    def solution(self) -> str:
        """The second one."""
        return self.view.other if self._row() else ""

    def workload(self) -> str:
        """The workload under the cursor."""
        row = self._row()
        return row.workload if row else ""

    def live_run(self) -> RunView | None:
        """The run that measures them."""
        return next((run for run in self._runs() if run.live), None)

    def target(self) -> Target | None:
        """Both in turns, on all workloads."""
        return self._target("in turns")

    def targets(self) -> list[Target]:
        """All workloads, or that under the cursor."""
        result, row = [self._target("in turns")], self._row()
        if row is not None:
            result.append(self._target(f"on {row.label or row.workload}", (row.workload,)))
        return result

    def _target(self, how: str, workloads: tuple[str, ...] = ()) -> Target:
        a, b = self.names
        return Target(
            title=f"{a} and {b} {how}",
            definition=self._definition,
            definitions=(self._definition,),
            solutions=tuple(dict.fromkeys(name.rpartition("@")[0] or name for name in self.names)),
            workloads=workloads,
            compare=self.names,
        )

    def copied(self) -> str:
        """The workload under the cursor."""
        return self.workload() or f"{self.view.subject} {self.view.other}"

    def subject(self) -> Subject:
        """The second solution, and the command that compares it with the first."""
        measured = any(row.compared and row.compared.processes for row in self.every)
        rest = ["--measure"] if measured else []
        return Subject(
            name=self.copied(),
            definition=self._definition,
            solution=self.view.other,
            workload=self.workload(),
            command=compare_command(
                self.names, [*rest, *dataset_options(self.session.store.layers)]
            ),
        )

    def markdown(self) -> Callable[[], str] | None:
        """The workloads that are shown, and what they come to."""
        snapshot = snapshot_of(self.bench.table.source, str(self.view))
        if snapshot is None:
            return None
        store, runs = self.session.store, list(self.session.runs.values())
        rows = keep_matching(COMPARE_FIELDS, self.every, self._words if not self.view.tab else "")
        return lambda: pull_request.comparison(store, snapshot, rows, runs, self.names)

    # Chrome

    def scopes(self) -> set[str]:
        """A table of something that can be measured."""
        return super().scopes() | {"runnable", "definition"}

    def crumb(self) -> str:
        """Both names."""
        return f"A {self.view.subject}  B {self.view.other}"

    def tab_view(self, tab: str) -> View:
        """Another tab about the same two."""
        return View("compare", self.view.subject, tab, other=self.view.other)

    def bar(self) -> tuple[list[Span], list[Span]]:
        """Tabs, and the verdicts."""
        left, right = super().bar()
        counts = _counts(self.totals[0]) if self.totals else ""
        return left, [(f"B is {counts}  ", "title") if counts else ("", ""), *right]

    def hint(self) -> list[Span]:
        """The verdict in words."""
        row = self._row()
        if row is None:
            return []
        of_b = " B is" if row.compared is not None and not row.at_work else ""
        spans: list[Span] = [(f"{of_b} {_verdict(row)}", _verdict_mark(row))]
        if row.compared is not None and row.compared.processes:
            spans.append((f"  {row.compared.processes} processes of each", ""))
        why = _why(row)
        apart = row.compared is None or not row.compared.processes
        if apart and not self.live_run():
            why = "; ".join(filter(None, (why, "r measures both in turns")))
        return [*spans, (f"  {why}", "dim")]

    def below(self) -> list[list[Span]]:
        """What it comes to."""
        if not self.totals or not self.totals[0].totals.workloads:
            return []
        found = self.totals[0].totals
        line: list[Span] = [(f" of {found.workloads}:", "dim")]
        line.append((f" geomean B/A {ratio_words(found.geomean)}", "title"))
        if interval := interval_words(found.low, found.high):
            line.append((f" ({interval})", ""))
        line.append((f"  by latency {ratio_words(found.weighted)}", "title"))
        line.append((f"  A {form.latency(found.a_ms)} us, B {form.latency(found.b_ms)} us", "dim"))
        return [line]

    def preview(self) -> Lines | None:
        """The subtotals, and all that is known of the workload under the cursor."""
        row = self._row()
        if row is None:
            return None
        if self._previewed is None or self._previewed[0] != (row, self.totals):
            lines = _row_lines(row) + _total_lines(self.totals)
            self._previewed = ((row, self.totals), Document(lines))
        return self._previewed[1]


class CompareTotals(ComparePage):
    """What the comparisons come to: all of them, and by the lengths of the axes."""

    fields = TOTAL_FIELDS
    noun = "total"
    previews = False

    def load(self, words: str, sort: str) -> FetchedRows:
        """Totals in which every word occurs, in their order."""
        known = self.totals if self._looked.found is not None else []
        rows = keep_matching(self.fields, known, words)
        return listed_rows(self.fields, rows, lambda row: str(row.label))

    def hint(self) -> list[Span]:
        """What the columns mean."""
        return [(" below 1, B is faster; TOTAL weights a workload by its latency", "dim")]


def _row_lines(row: CompareRow) -> list[Line]:
    lines: list[Line] = [[], [(f" {clean(row.label)}", "title")], []]
    lines.append(fact("axes", " ".join(f"{name}={length}" for name, length in row.axes.items())))
    lines.append(fact("workload", row.workload))
    found = row.compared
    if found is None:
        return lines
    lines.append(fact("B is", found.verdict.value, VERDICT_MARKS[found.verdict]))
    for name, ratio in (("time B/A", found.time), ("cycles B/A", found.cycles)):
        if ratio is not None:
            interval = interval_words(ratio.low, ratio.high)
            lines.append(fact(name, f"{ratio_words(ratio.value)}   {interval}"))
    lines.append(fact("device", found.hardware))
    lines.append(fact("timer", found.timer))
    if found.processes:
        lines.append(fact("processes", f"{found.processes} of each"))
    for text in filter(None, [found.reason, *found.flags]):
        lines += wrapped(text, _PREVIEW_WIDTH, "warn", indent="   ")
    return lines


def _total_lines(rows: list[TotalRow]) -> list[Line]:
    table = [
        (
            row.label,
            f"{row.totals.workloads}",
            ratio_words(row.totals.geomean),
            interval_words(row.totals.low, row.totals.high),
            ratio_words(row.totals.weighted),
            _counts(row),
        )
        for row in rows
    ]
    titles = ("of", "n", "geomean", "interval", "total", "B is")
    return [*heading("totals"), *columns([titles, *table], ("accent", "", "title", "", "title"))]
