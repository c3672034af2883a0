"""Traces: every evaluation of the dataset, newest first."""

from __future__ import annotations

from engine.insight.triage import WORD
from engine.store import TraceRow
from fitui.run_view import Target
from fitui.screens.definition_tabs import StoreTab, TraceRows
from fitui.screens.fields import TRACE_FIELDS
from fitui.view import View
from fitui.widgets.lines import Span


class TracesPage(StoreTab, TraceRows):
    """Every trace."""

    kind = "traces"
    noun = "trace"
    fields = TRACE_FIELDS
    default_sort = "-time"

    def base(self) -> str:
        """All of them."""
        return ""

    def key_of(self, row: object) -> str:
        """Id."""
        return str(row.id) if isinstance(row, TraceRow) else ""

    def triage_changed(self) -> None:
        """Other traces may fail for the cause that the filter names."""
        if f"{WORD}:" in self.view.filter:
            self.show()

    def empty(self) -> list[str]:
        """How to get traces."""
        return [
            "No traces: nothing has been run yet.",
            "1 shows the definitions; r there runs all solutions of one.",
        ]

    def opened(self) -> View | None:
        """The trace."""
        return self.view_of(self.current())

    def definition(self) -> str:
        """The definition under the cursor."""
        row = self.current()
        return row.definition if isinstance(row, TraceRow) else ""

    def solution(self) -> str:
        """The solution under the cursor."""
        row = self.current()
        return row.solution if isinstance(row, TraceRow) else ""

    def workload(self) -> str:
        """The workload under the cursor."""
        return self.workload_of(self.current())

    def target(self) -> Target | None:
        """The pair under the cursor."""
        return self.target_of(self.current())

    def hint(self) -> list[Span]:
        """Verdict and names."""
        return self.hint_of(self.session, self.current())

    def scopes(self) -> set[str]:
        """With failures to jump to."""
        return super().scopes() | {"failures"}

    def is_failure(self, row: object) -> bool:
        """Everything but PASSED."""
        return isinstance(row, TraceRow) and row.status != "PASSED"
