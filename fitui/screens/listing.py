"""Pages that are a table: where its rows come from, and what may be done with the one below the
cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fitui.format import count
from fitui.screens.column_keys import ColumnKeys
from fitui.screens.following import Following
from fitui.screens.marks import RowMarks
from fitui.screens.preview_feed import PreviewFeed
from fitui.screens.rows import FetchedRows, Field
from fitui.view import View
from fitui.widgets.lines import Span
from fitui.widgets.text import Lines


class ListPage(ColumnKeys, RowMarks, Following):
    """A table of rows; a subclass says which."""

    body = "table"
    fields: Sequence[Field] = ()
    noun = "row"
    default_sort = ""

    counts = False
    """True where the values of a column can be counted."""

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self.rows: FetchedRows | None = None
        self.total = 0
        self._feed: PreviewFeed | None = None

    def load(self, words: str, sort: str) -> FetchedRows:
        """Rows for a filter and a sort, with all columns that there are.

        Raises:
            QueryError: The filter cannot be understood.
        """
        raise NotImplementedError

    def count_all(self) -> int:
        """Rows without the filter."""
        return self.load("", "").row_count

    def count_now(self) -> int:
        """Rows that the filter keeps now."""
        return self.load(self.view.filter, "").row_count

    def empty(self) -> list[str]:
        """What to say, and to do next, where there are no rows at all."""
        return [f"No {self.noun}s."]

    def show(self) -> None:
        """Load and show the rows."""
        self.apply(self.view.filter)

    def apply(self, words: str) -> None:
        """Show the rows that a filter keeps.

        Raises:
            QueryError: The filter, or a name in the view, cannot be understood; what is shown
                stays.
        """
        sort = self.view.sort or self.default_sort
        rows = self.load(words, sort)
        self._put_columns(rows)
        if self.rows is None:
            # The row of another page would be looked for in vain.
            self.bench.table.put_cursor("")
        else:
            # Rows that came in push the others down by as many.
            cursor = self.bench.table.cursor
            rows.near = (cursor + max(0, rows.row_count - self.rows.row_count), cursor)
        self.rows = rows
        self.total = self.count_all() if words else rows.row_count
        if words and not rows.row_count and self.total:
            lines = [
                f"Nothing matches `{words}`.",
                f"{count(self.total, self.noun)} without the filter: press / and change it.",
            ]
        else:
            lines = self.empty()
        self.bench.table.show(rows, empty=lines, sort=sort)

    def _put_columns(self, rows: FetchedRows) -> None:
        group, marks = self.mark_group(), self.bench.marks
        signed = bool(group) and marks.number(group) > 0
        rows.show_fields(self.columns(), (lambda key: marks.sign(group, key)) if signed else None)

    def show_marks(self) -> None:
        """Paint what is marked now; the first mark makes room before the first column."""
        if self.rows is not None:
            self._put_columns(self.rows)
            self.bench.table.show(self.rows, sort=self.bench.table.sort)

    def current(self) -> Any:
        """The row under the cursor, or None."""
        index = self.bench.table.current
        return self.rows.row(index) if self.rows is not None and index is not None else None

    def scopes(self) -> set[str]:
        """Those of a table."""
        scopes = {"rows", "columns", "choosing", "filter"}
        if self.tabs:
            scopes.add("tabs")
        if self.counts:
            scopes.add("counting")
        if self.follows:
            scopes.add("follow")
        if self.freezes:
            scopes.add("freeze")
        if type(self).is_failure is not ListPage.is_failure:
            scopes.add("failures")
        if self.mark_group():
            scopes.add("marks")
        if self.current() is not None:
            scopes |= {"copy", "values"}
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
        """Tabs or filter; marks, what is unseen, and counts."""
        left: list[Span] = self.tab_spans() if self.tabs else []
        if self.view.filter:
            left += [(" / ", "accent"), (self.view.filter, "title")]
        shown = self.rows.row_count if self.rows else 0
        text = count(shown, self.noun)
        if self.view.filter:
            text = f"{shown:,} of {self.total:,}".replace(",", " ")
        if self.view.sort:
            text += f"  sort {self.view.sort}"
        right: list[Span] = []
        if number := len(self.marked()):
            right.append((f"{number} marked  ", "accent"))
        return left, [*right, *self.live_spans(), (f"{text} ", "dim")]

    def anchor(self) -> str:
        """Key of the row under the cursor, and where it is, so that it is found again at once."""
        table = self.bench.table
        return f"{table.held}\t{table.cursor}" if table.held else ""

    def copied(self) -> str:
        """Key of the row under the cursor."""
        return self.bench.table.held

    def restore(self, anchor: str) -> None:
        """Put the cursor on a row's key, or on the first row."""
        key, _tab, number = anchor.partition("\t")
        if self.rows is not None and number.isdigit():
            self.rows.near = (int(number),)
        if self.view.follow or not self.bench.table.put_cursor(key):
            self.bench.table.move_to(0)

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

    # Beside the table

    def preview_of(self, row: Any) -> Lines:
        """A text about a row; made on a thread."""
        raise NotImplementedError

    def preview(self) -> Lines | None:
        """What was made last; that of the row under the cursor once it has stayed there."""
        if type(self).preview_of is ListPage.preview_of:
            return None
        if self._feed is None:
            self._feed = PreviewFeed(
                self.preview_of, self.bench.looked_up, lambda: self.bench.shows(self)
            )
        self._feed.ask(self.current())
        return self._feed.lines
