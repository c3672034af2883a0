"""Pages that are a table: where its rows come from, and what may be done with the one below the
cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fitui.format import count
from fitui.screens.page import Page
from fitui.screens.rows import FetchedRows, Field
from fitui.view import View
from fitui.widgets.lines import Span


class ListPage(Page):
    """A table of rows; a subclass says which."""

    body = "table"
    fields: Sequence[Field] = ()
    noun = "row"
    default_sort = ""

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self.rows: FetchedRows | None = None
        self.total = 0

    def load(self, words: str, sort: str) -> FetchedRows:
        """Rows for a filter and a sort.

        Raises:
            QueryError: The filter cannot be understood.
        """
        raise NotImplementedError

    def count_all(self) -> int:
        """Rows without the filter."""
        return self.load("", "").row_count

    def empty(self) -> list[str]:
        """What to say, and to do next, where there are no rows at all."""
        return [f"No {self.noun}s."]

    def show(self) -> None:
        """Load and show the rows."""
        self.apply(self.view.filter)

    def apply(self, words: str) -> None:
        """Show the rows that a filter keeps.

        Raises:
            QueryError: The filter cannot be understood; what is shown stays.
        """
        sort = self.view.sort or self.default_sort
        self.rows = self.load(words, sort)
        self.total = self.count_all() if words else self.rows.row_count
        if words and not self.rows.row_count and self.total:
            lines = [
                f"Nothing matches `{words}`.",
                f"{count(self.total, self.noun)} without the filter: press / and change it.",
            ]
        else:
            lines = self.empty()
        self.bench.table.show(self.rows, empty=lines, sort=sort)

    def current(self) -> Any:
        """The row under the cursor, or None."""
        index = self.bench.table.current
        return self.rows.row(index) if self.rows is not None and index is not None else None

    def scopes(self) -> set[str]:
        """Those of a table."""
        scopes = {"rows", "columns", "filter"}
        if self.tabs:
            scopes.add("tabs")
        if type(self).is_failure is not ListPage.is_failure:
            scopes.add("failures")
        if self.current() is not None:
            scopes.add("copy")
            if self.target() is not None:
                scopes.add("runnable")
            if self.definition():
                scopes.add("definition")
            if self.solution():
                scopes.add("sources")
            if self.live_run() is not None:
                scopes.add("live")
        return scopes

    def bar(self) -> tuple[list[Span], list[Span]]:
        """Tabs or filter, and counts."""
        left: list[Span] = self.tab_spans() if self.tabs else []
        if self.view.filter:
            left += [(" / ", "accent"), (self.view.filter, "title")]
        shown = self.rows.row_count if self.rows else 0
        text = count(shown, self.noun)
        if self.view.filter:
            text = f"{shown:,} of {self.total:,}".replace(",", " ")
        if self.view.sort:
            text += f"  sort {self.view.sort}"
        return left, [(f"{text} ", "dim")]

    def anchor(self) -> str:
        """Key of the row under the cursor."""
        return self.bench.table.held

    def restore(self, anchor: str) -> None:
        """Put the cursor on a row's key, or on the first row."""
        if not self.bench.table.put_cursor(anchor):
            self.bench.table.move_to(0)

    def do_sort(self) -> None:
        """Sort by the selected column: descending, ascending, off."""
        column = self.bench.table.column
        field = self.fields[column].sort
        if not field:
            self.bench.say(f"{self.fields[column].title} cannot be sorted by")
            return
        first, second = field, f"-{field}"
        if self.fields[column].right:
            first, second = second, first
        following = {first: second, second: ""}
        self.bench.turn(self.view.but(sort=following.get(self.view.sort, first)))

    def is_failure(self, row: Any) -> bool:
        """True for a row to which ``e`` goes."""
        return False

    def do_next_failure(self) -> None:
        """Next row that failed."""
        self._seek(1)

    def do_previous_failure(self) -> None:
        """Previous row that failed."""
        self._seek(-1)

    def _seek(self, step: int) -> None:
        if self.rows is None:
            return
        number, here = self.rows.row_count, self.bench.table.cursor
        for distance in range(1, min(number, 20_000) + 1):
            index = (here + step * distance) % number
            if self.is_failure(self.rows.row(index)):
                self.bench.table.move_to(index)
                return
        self.bench.say("no failures here")
