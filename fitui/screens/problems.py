"""Bad files: every file and line of the dataset that could not be read, with the reason."""

from __future__ import annotations

from engine.schema import Problem
from fitui.format import clean
from fitui.screens.fields import PROBLEM_FIELDS
from fitui.screens.listing import ListPage
from fitui.screens.rows import FetchedRows, keep_matching, listed_rows
from fitui.widgets.lines import Span


class ProblemsPage(ListPage):
    """What could not be read."""

    fields = PROBLEM_FIELDS
    noun = "problem"

    def load(self, words: str, sort: str) -> FetchedRows:
        """Problems in which every word occurs."""
        rows = keep_matching(self.fields, self.session.store.problems(), words)
        return listed_rows(self.fields, rows, str)

    def empty(self) -> list[str]:
        """Good news."""
        return ["Every file of the dataset could be read.", "Bad ones are listed here."]

    def crumb(self) -> str:
        """In the words of the screen."""
        return "bad files"

    def hint(self) -> list[Span]:
        """The whole problem."""
        row = self.current()
        return [(f" {clean(str(row))}", "warn")] if isinstance(row, Problem) else []

    def do_open(self) -> None:
        """Say the place: there is nothing to go into."""
        row = self.current()
        if isinstance(row, Problem):
            self.bench.say(str(row), "warn")
