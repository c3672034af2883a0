"""What is shown where a view's subject does not exist, or its page failed."""

from __future__ import annotations

from typing import Any

from fitui.commands import key_of
from fitui.screens.documents import Line, wrapped
from fitui.screens.page import Page
from fitui.view import View
from fitui.widgets.text import Document


class NothingPage(Page):
    """A sentence, and what to do next.

    Args:
        bench: The screen.
        view: The view that cannot be shown.
        reason: Why.
    """

    body = "text"

    def __init__(self, bench: Any, view: View, reason: str) -> None:
        super().__init__(bench, view)
        self.reason = reason

    def show(self) -> None:
        """Say it."""
        width = self.bench.text.size.width or 80
        lines: list[Line] = [[], *wrapped(self.reason, width, "failed"), []]
        out, definitions, runs, bad = map(
            key_of, ("out", "go_definitions", "go_runs", "go_problems")
        )
        lines += wrapped(
            f"{out} goes back, {definitions} shows the definitions, {runs} the runs, {bad} files "
            "that could not be read.",
            width,
            "dim",
        )
        self.bench.text.show(Document(lines))

    def store_changed(self) -> None:
        """Perhaps it is there now."""
        self.bench.turn(self.view)

    def scopes(self) -> set[str]:
        """A text."""
        return {"text"}
