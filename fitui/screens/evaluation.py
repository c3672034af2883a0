"""An evaluation of a run as its events tell it, until its trace is there."""

from __future__ import annotations

from typing import Any

from engine.run.progress import Cell
from engine.schema import Status
from engine.schema.run import Kind
from engine.store import TraceRow
from fitui.run_view import RunView
from fitui.screens.reasons import cell_lines
from fitui.screens.trace import EvaluationPage
from fitui.view import View
from fitui.widgets.lines import Span

LOG_LIMIT = 64 * 1024 * 1024
"""Bytes of a log file that are read."""


class EvaluationOfRun(EvaluationPage):
    """An evaluation that may have no trace yet."""

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self._text: tuple[tuple[int, int], str] = ((0, 0), "")

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
        self.put_with_log(cell_lines(cell, self.width), log, whole=True)

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
        """Its log, read again only where it has grown."""
        path = (view.folder / (cell.log or f"logs/{cell.evaluation}.txt")).resolve()
        if not path.is_relative_to(view.folder.resolve()):
            return ""
        try:
            status = path.stat()
            seen = (status.st_size, status.st_mtime_ns)
            if seen != self._text[0]:
                with path.open("rb") as stream:
                    self._text = (seen, stream.read(LOG_LIMIT).decode("utf-8", "replace"))
        except OSError:
            return ""
        return self._text[1]

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
