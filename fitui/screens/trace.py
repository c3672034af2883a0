"""Trace: one evaluation, opening on why it is as it is; log, environment and raw JSON as tabs.

An evaluation of a run that has no trace yet is shown by the same page from its events, and turns
into its trace when that arrives.
"""

from __future__ import annotations

from typing import Any

from engine.run.progress import Cell
from engine.schema import Status, Trace, encode_pretty
from engine.schema.run import Kind
from engine.store import TraceRow
from fitui.format import clean, clean_lines
from fitui.run_view import RunView, Target
from fitui.screens.definition_tabs import pair_target
from fitui.screens.documents import Line, heading
from fitui.screens.log_places import LogPlaces
from fitui.screens.page import Page
from fitui.screens.reasons import cell_lines, environment_lines, trace_lines
from fitui.view import View
from fitui.widgets.code import CodeLines
from fitui.widgets.lines import Span
from fitui.widgets.log import LogLines
from fitui.widgets.text import Document, Joined, Lines

LOG_LIMIT = 64 * 1024 * 1024
"""Bytes of a log file that are read."""


class EvaluationPage(Page):
    """What trace and evaluation have in common."""

    body = "text"
    _definition = ""
    _solution = ""
    _workload = ""
    _axes: dict[str, int]

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self._axes = {}
        self._log = LogPlaces(self.session.store)

    @property
    def width(self) -> int:
        """Columns to wrap at."""
        return self.bench.text.size.width or 80

    def put(self, lines: Lines) -> None:
        """Show a text where the former one stood."""
        self.bench.text.show(lines, keep=True)

    def put_with_log(self, lines: list[Line], log: str) -> None:
        """Show lines, and below them a log."""
        if not clean_lines(log.strip()):
            self.put(Document(lines))
            return
        above = Document([*lines, *heading("log"), []])
        self._log.start = len(above)
        self.put(Joined([above, LogLines(log)]))

    def resized(self) -> None:
        """Wrap anew."""
        self.show()

    def scopes(self) -> set[str]:
        """A text with errors in it, of something that can be run."""
        scopes = {"text", "search", "runnable", "definition", "sources", "failures", "copy"}
        if self.tabs:
            scopes.add("tabs")
        if self._log.place is not None:
            scopes.add("places")
        return scopes | {"live"} if self.live_run() else scopes

    def hint(self) -> list[Span]:
        """Which line of the source its log speaks of."""
        place = self._log.place
        if place is None:
            return []
        return [(f" Enter shows {clean(place.path)}, line {place.line}", "dim")]

    def do_place(self) -> None:
        """To the line of the source that the marked line speaks of, else the cause."""
        here = self.bench.text.here if self.view.tab in ("", "log") else None
        view = self._log.view_of(None if here is None else here - self._log.start)
        if view is None:
            self.bench.say("this line speaks of no line of the solution's sources")
        else:
            self.bench.go(view)

    def definition(self) -> str:
        """Its definition."""
        return self._definition

    def solution(self) -> str:
        """Its solution."""
        return self._solution

    def workload(self) -> str:
        """Its workload."""
        return self._workload

    def target(self) -> Target | None:
        """The pair, once more."""
        return pair_target(self._definition, self._solution, self._workload, self._axes)

    def remember(self, definition: str, solution: str, workload: str, axes: dict[str, int]) -> None:
        """Keep what it is about."""
        self._definition, self._solution = definition, solution
        self._workload, self._axes = workload, axes


class TracePage(EvaluationPage):
    """A trace of the dataset."""

    tabs = (("", "why"), ("log", "log"), ("environment", "environment"), ("json", "json"))

    def trace(self) -> Trace:
        """The trace.

        Raises:
            LookupError: There is none of this id.
        """
        try:
            return self.session.store.trace(int(self.view.subject))
        except ValueError:
            raise LookupError(f"no trace {self.view.subject!r}: an id is a number") from None

    def show(self) -> None:
        """Read the trace and show the tab."""
        trace = self.trace()
        self.remember(
            trace.definition, trace.solution or "", trace.workload.uuid, trace.workload.axes
        )
        log = trace.evaluation.log if trace.evaluation else ""
        self._log.read_trace(trace)
        tab = self.view.tab
        if tab == "log":
            self.put(LogLines(log) if log.strip() else _no_log())
        elif tab == "environment":
            self.put(Document(environment_lines(trace)))
        elif tab == "json":
            text = encode_pretty(trace).decode("utf-8", "replace")
            self.put(CodeLines(text, "json", numbers=False))
        else:
            self.put_with_log(trace_lines(trace, self.width), log)

    def crumb(self) -> str:
        """What it is a trace of."""
        return f"trace {self.view.subject}"

    def bar(self) -> tuple[list[Span], list[Span]]:
        """Tabs and the solution."""
        return self.tab_spans(), [(f"{self._solution} ", "title")]

    def copied(self) -> str:
        """The command that shows it."""
        return f"fitui show {self.view.subject}"

    def store_changed(self) -> None:
        """A trace never changes."""


class EvaluationOfRun(EvaluationPage):
    """An evaluation as its run's events tell it, until its trace is there."""

    def _find(self) -> tuple[RunView, Cell]:
        run, _slash, evaluation = self.view.subject.partition("/")
        view = self.session.runs.get(run)
        cell = view.cells.get(evaluation) if view else None
        if view is None or cell is None:
            raise LookupError(f"no evaluation {self.view.subject}")
        return view, cell

    def show(self) -> None:
        """Show its trace, or how far it is."""
        view, cell = self._find()
        self.remember(cell.definition, cell.solution, cell.workload, cell.axes)
        row = self._stored(view, cell)
        if row is not None:
            self.bench.turn(View("trace", str(row.id)))
            return
        log = self._read_log(view, cell)
        if cell.status not in (None, Status.PASSED):
            self._log.read(cell.solution, cell.status or "", log)
        self.put_with_log(cell_lines(cell, self.width), log)

    def _stored(self, view: RunView, cell: Cell) -> TraceRow | None:
        if cell.status is None:
            return None
        for row in self.session.store.history(cell.solution, cell.workload, limit=50):
            if row.evaluation == cell.evaluation and row.run in ("", view.run):
                return row
            if cell.phase is Kind.SKIPPED and _names(cell.message, row.evaluation):
                return row
        return None

    def _read_log(self, view: RunView, cell: Cell) -> str:
        path = (view.folder / (cell.log or f"logs/{cell.evaluation}.txt")).resolve()
        if not path.is_relative_to(view.folder.resolve()):
            return ""
        try:
            with path.open("rb") as stream:
                return stream.read(LOG_LIMIT).decode("utf-8", "replace")
        except OSError:
            return ""

    def crumb(self) -> str:
        """Where in which run."""
        return f"evaluation {self.view.subject.partition('/')[2]}"

    def bar(self) -> tuple[list[Span], list[Span]]:
        """The solution."""
        return [(f" {self._solution}", "title")], [(f"{self._definition} ", "dim")]

    def live_run(self) -> RunView | None:
        """Its run, if it goes on."""
        view, _cell = self._find()
        return view if view.live else None

    def copied(self) -> str:
        """Run and evaluation."""
        return self.view.subject

    def runs_changed(self, runs: frozenset[str]) -> None:
        """Show how far it is."""
        if self.view.subject.partition("/")[0] in runs:
            self.show()


def _names(message: str, evaluation: str) -> bool:
    """True if a message says that this evaluation stands for another."""
    return bool(evaluation) and evaluation in message.split()


def _no_log() -> Document:
    return Document([[], [(" This evaluation left no log.", "dim")]])
