"""Bad files: every file and line of the dataset that could not be read, with the reason."""

from __future__ import annotations

from engine.schema import Problem
from fitui.copying.subject import Subject
from fitui.format import clean
from fitui.screens.fields import PROBLEM_FIELDS
from fitui.screens.listing import ListPage
from fitui.screens.matching import keep_matching
from fitui.screens.rows import FetchedRows, listed_rows
from fitui.widgets.lines import Span


class ProblemsPage(ListPage):
    """What could not be read."""

    fields = PROBLEM_FIELDS
    noun = "problem"
    counts = True

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

    def subject(self) -> Subject:
        """The place."""
        row = self.current()
        if not isinstance(row, Problem):
            return Subject()
        place = row.file if row.line is None else f"{row.file}:{row.line}"
        return Subject(name=place, file=place, error=clean(str(row)))

    def do_open(self) -> None:
        """Say the place: there is nothing to go into."""
        row = self.current()
        if isinstance(row, Problem):
            self.bench.say(str(row), "warn")
