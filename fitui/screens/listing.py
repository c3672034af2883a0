"""Pages that are a table: where its rows come from, and what may be done with the one below the
cursor."""

from __future__ import annotations

from typing import Any

from fitui.format import count
from fitui.screens.looking import SEEK, Looking
from fitui.screens.marks import MARKS, RowMarks
from fitui.screens.patience import Wanted
from fitui.screens.preview_feed import PreviewFeed
from fitui.screens.rows import FetchedRows
from fitui.view import View
from fitui.widgets.lines import Span
from fitui.widgets.text import Lines

_SOUGHT = 20_000
"""Rows among which the next failure is looked for."""


class ListPage(Looking, RowMarks):
    """A table of rows; a subclass says which."""

    counts = False
    """True where the values of a column can be counted."""

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self._feed: PreviewFeed | None = None

    def put_columns(self, rows: FetchedRows) -> None:
        """Have rows show the columns of the view, and what is marked."""
        group, marks = self.mark_group(), self.bench.marks
        signed = bool(group) and marks.number(group) > 0
        rows.show_fields(self.columns(), (lambda key: marks.sign(group, key)) if signed else None)

    def show_marks(self) -> None:
        """Paint what is marked now; the first mark makes room before the first column."""
        self.show_again()

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
        if self.waits:
            text = "..."
        elif self.view.filter:
            text = f"{shown:,} of {self.total:,}".replace(",", " ")
        if self.view.sort:
            text += f"  sort {self.view.sort}"
        right: list[Span] = []
        if number := len(self.marked()):
            right.append((f"{number} marked  ", "accent"))
        if self.patience.waits(SEEK, MARKS):
            right.append(("looking  ", "live"))
        return left, [*right, *self.live_spans(), (f"{text} ", "dim")]

    def anchor(self) -> str:
        """Key of the row under the cursor, and where it is, so that it is found again at once."""
        table = self.bench.table
        return f"{table.held}\t{table.cursor}" if table.held else ""

    def copied(self) -> str:
        """Key of the row under the cursor."""
        return self.bench.table.held

    def restore(self, anchor: str) -> None:
        """Put the cursor on a row's key, or on the first row; not before the rows are there."""
        if self.waits:
            return
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
        rows, here = self.rows, self.bench.table.cursor
        if rows is None:
            return

        def find(wanted: Wanted) -> tuple[int, str] | None:
            index = rows.seek(self.is_failure, here, step, _SOUGHT, wanted)
            return None if index is None else (index, rows.key(index))

        self.look(SEEK, find, self._go_to)

    def _go_to(self, found: tuple[int, str] | None) -> None:
        """Put the cursor on a row, wherever it is by now."""
        if found is None or self.rows is None:
            self.bench.say("no failures here")
            return
        index, key = found
        self.rows.near = (index,)
        if not self.bench.table.put_cursor(key):
            self.bench.table.move_to(index)

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
