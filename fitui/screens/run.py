"""A run: the live table of its evaluations with phase, samples, running median and interval."""

from __future__ import annotations

from engine.run.progress import Cell
from engine.schema import Status
from fitui.format import clean
from fitui.run_view import RunView, Target
from fitui.screens.fields import CELL_FIELDS, axes_text
from fitui.screens.listing import ListPage
from fitui.screens.matching import keep_matching
from fitui.screens.rows import FetchedRows, listed_rows
from fitui.screens.run_keys import RunKeys
from fitui.screens.runs import run_words, trouble
from fitui.screens.targets import pair_target
from fitui.view import View
from fitui.widgets.lines import Span

_SORTS = {
    "status": lambda cell: cell.status.value if cell.status else f"~{cell.phase}",
    "solution": lambda cell: cell.solution,
    "latency": lambda cell: cell.latency_ms or 0.0,
    "speedup": lambda cell: cell.speedup or 0.0,
}


class RunPage(RunKeys, ListPage):
    """The evaluations of one run."""

    fields = CELL_FIELDS
    noun = "evaluation"
    counts = True

    def run_view(self) -> RunView:
        """The run as it stands.

        Raises:
            LookupError: There is no such run.
        """
        view = self.session.runs.get(self.view.subject)
        if view is None:
            raise LookupError(f"no run named {self.view.subject}")
        return view

    def load(self, words: str, sort: str) -> FetchedRows:
        """Evaluations in which every word occurs, in the order in which they were queued."""
        rows = keep_matching(self.fields, list(self.run_view().cells.values()), words)
        if key := _SORTS.get(sort.lstrip("-")):
            rows.sort(key=key, reverse=sort.startswith("-"))
        return listed_rows(self.fields, rows, lambda cell: str(cell.evaluation))

    def empty(self) -> list[str]:
        """What a run without evaluations means."""
        view = self.run_view()
        if view.live:
            return ["The run is starting: its evaluations are listed here in a moment."]
        return [f"This run has no evaluations ({view.state}).", clean(view.message)]

    def crumb(self) -> str:
        """The run's id."""
        return f"run {self.view.subject}"

    def bar(self) -> tuple[list[Span], list[Span]]:
        """How far it is."""
        left, right = super().bar()
        view = self.run_view()
        style = "passed"
        if view.broken or view.failed:
            style = "failed"
        if view.live:
            style = "live"
        return [*left, (f" {run_words(view)}", style)], right

    def _cell(self) -> Cell | None:
        row = self.current()
        return row if isinstance(row, Cell) else None

    def opened(self) -> View | None:
        """The evaluation: its trace, once there is one."""
        cell = self._cell()
        return View("evaluation", f"{self.view.subject}/{cell.evaluation}") if cell else None

    def definition(self) -> str:
        """The definition under the cursor."""
        cell = self._cell()
        return cell.definition if cell else ""

    def solution(self) -> str:
        """The solution under the cursor."""
        cell = self._cell()
        return cell.solution if cell else ""

    def workload(self) -> str:
        """The workload under the cursor."""
        cell = self._cell()
        return cell.workload if cell else ""

    def run_here(self) -> RunView | None:
        """This run."""
        return self.run_view()

    def targets(self) -> list[Target]:
        """The pair under the cursor."""
        cell = self._cell()
        if cell is None:
            return []
        return [pair_target(cell.definition, cell.solution, cell.workload, cell.axes)]

    def scopes(self) -> set[str]:
        """Keys of the run, and of the evaluation under the cursor."""
        return super().scopes() | {"failures"} | self.run_scopes()

    def hint(self) -> list[Span]:
        """Message of the evaluation under the cursor."""
        cell, view = self._cell(), self.run_view()
        if view.broken:
            return [(f" {trouble(view)}", "warn")]
        if cell is None:
            return []
        words = cell.message or f"{cell.solution} on {axes_text(cell.axes)}"
        failed = cell.status not in (None, Status.PASSED)
        return [(f" {clean(words)}", "failed" if failed else "dim")]

    def is_failure(self, row: object) -> bool:
        """Everything that ended but PASSED."""
        return isinstance(row, Cell) and row.status not in (None, Status.PASSED)

    def runs_changed(self, runs: frozenset[str]) -> None:
        """Show how far it is; only lines that changed are painted."""
        if self.view.subject in runs:
            self.apply(self.view.filter)

    def store_changed(self) -> None:
        """Nothing here is from the dataset."""
