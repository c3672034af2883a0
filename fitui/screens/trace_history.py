"""Trace, tab of its history: what the same solution did on the same workload at other times."""

from __future__ import annotations

from engine.store import NotFound
from fitui.screens.history import HistoryPage
from fitui.screens.trace import TRACE_TABS
from fitui.widgets.lines import Span


class TraceHistory(HistoryPage):
    """The evaluations of the pair of a trace, with the cursor on this one."""

    tabs = TRACE_TABS

    def about(self) -> tuple[str, str]:
        """Solution and workload of the trace; of one that is gone none."""
        try:
            trace = self.session.store.trace(int(self.view.subject))
        except (ValueError, NotFound):
            return "", ""
        return trace.solution or "", trace.workload.uuid

    def show(self) -> None:
        """Show what is known, and look for more.

        Raises:
            LookupError: There is no such trace.
        """
        if not self._name:
            raise LookupError(f"no trace {self.view.subject!r}")
        super().show()

    def restore(self, anchor: str) -> None:
        """Put the cursor on the trace itself, or where it was left."""
        super().restore(anchor or self.view.subject)

    def bar(self) -> tuple[list[Span], list[Span]]:
        """The tabs where they are on the other tabs."""
        left, right = super().bar()
        tabs = self.tab_spans()
        return [*tabs, *(span for span in left if span not in tabs)], right

    def crumb(self) -> str:
        """What it is a trace of."""
        return f"trace {self.view.subject}"
