"""Traces: every evaluation of the dataset, newest first."""

from __future__ import annotations

from engine.insight.triage import WORD
from fitui.screens.store_list import TraceList


class TracesPage(TraceList):
    """Every trace."""

    def base(self) -> str:
        """All of them."""
        return ""

    def triage_changed(self) -> None:
        """Other traces may fail for the cause that the filter names."""
        if f"{WORD}:" in self.view.filter and not self.frozen:
            self.store_changed()

    def empty(self) -> list[str]:
        """How to get traces."""
        return [
            "No traces: nothing has been run yet.",
            "1 shows the definitions; r there runs all solutions of one.",
        ]
