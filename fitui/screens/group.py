"""Frequency table: the values of one field over all rows of a view, or its histogram by rows."""

from __future__ import annotations

from typing import Any

from engine.store import QueryError
from fitui import clock
from fitui.format import clean, count
from fitui.frequency import Frequency, Group, count_rows, count_traces
from fitui.lookup import Lookup
from fitui.reading import narrowed, opposite
from fitui.screens.columns import find_field
from fitui.screens.listing import ListPage
from fitui.screens.rows import FetchedRows, Field, listed_rows
from fitui.screens.store_list import TraceList
from fitui.view import View
from fitui.where import within
from fitui.widgets.lines import Span

BAR = 24
"""Cells of the longest bar."""

_SORTS = {
    "value": lambda group: group.place,
    "count": lambda group: group.count,
}


class GroupPage(ListPage):
    """What the rows of another page read in one field, and how often.

    Args:
        bench: The screen.
        view: With ``group``.
        counted: The page of the same view without it.
    """

    noun = "value"

    def __init__(self, bench: Any, view: View, counted: ListPage) -> None:
        super().__init__(bench, view)
        if not counted.counts:
            raise LookupError(f"{counted.noun}s cannot be grouped here")
        self.counted = counted
        self.field = find_field(counted.fields, view.group)
        self._words = view.filter
        self._most = 1
        self.fields = (
            Field(self.field.title, 30, lambda row: clean(row.label), grow=60, sort="value"),
            Field(
                "ROWS", 9, lambda row: f"{row.count:,}".replace(",", " "), right=True, sort="count"
            ),
            Field("SHARE", 6, lambda row: f"{100 * row.share:.1f}%", right=True),
            Field("", BAR, self._bar),
        )
        self._looked: Lookup[tuple[str, Frequency]] = Lookup(
            self._count, bench.looked_up, lambda: bench.shows(self)
        )

    def _bar(self, row: Group) -> str:
        return "#" * max(1 if row.count else 0, round(BAR * row.count / self._most))

    def _count(self) -> tuple[str, Frequency]:
        """Count; on a thread."""
        words = self._words
        if isinstance(self.counted, TraceList):
            where = within(self.counted.base(), words)[0]
            return words, count_traces(self.session.store, where, self.field, clock.now())
        rows = self.counted.load(words, "")
        every = (rows.row(index) for index in range(rows.row_count))
        return words, count_rows([row for row in every if row is not None], self.field, clock.now())

    # Rows

    def apply(self, words: str) -> None:
        """Count the rows that a filter keeps; those counted before are shown meanwhile."""
        self.counted.check(words)
        self._words = words
        self._show_known()
        self._looked.ask()

    def _show_known(self) -> None:
        super().apply(self._words)

    def load(self, words: str, sort: str) -> FetchedRows:
        """What has been counted."""
        found = self._looked.found
        groups = list(found[1].groups) if found else []
        self._most = max((group.count for group in groups), default=1) or 1
        if sort:
            if sort.lstrip("-") not in _SORTS:
                raise QueryError(f"sorted by one of {', '.join(_SORTS)}", 0, len(sort))
            groups.sort(key=_SORTS[sort.lstrip("-")], reverse=sort.startswith("-"))
        return listed_rows(self.fields, groups, lambda group: str(group.label))

    def count_all(self) -> int:
        """Values that are shown."""
        return self.rows.row_count if self.rows else 0

    def empty(self) -> list[str]:
        """What is being done, or that there is nothing to count."""
        found = self._looked.found
        if found is None or found[0] != self._words:
            return ["Counting ..."]
        return [f"No {self.counted.noun}s to count."]

    def found(self) -> None:
        """Show what was counted."""
        self._show_known()

    def store_changed(self) -> None:
        """There may be other rows."""
        self._looked.ask()

    # What is under the cursor

    def _group(self) -> Group | None:
        row = self.current()
        return row if isinstance(row, Group) and row.term else None

    def opened(self) -> View | None:
        """The rows that read like this."""
        row = self._group()
        return self._with(row.term) if row else None

    def do_drop_value(self) -> None:
        """The rows that read otherwise."""
        row = self._group()
        if row is not None:
            self.bench.go(self._with(opposite(row.term)))

    def _with(self, term: str) -> View:
        return self.view.but(group="", sort="", filter=narrowed(self.view.filter, term))

    # Chrome

    def scopes(self) -> set[str]:
        """A table of values."""
        scopes = {"rows", "columns", "filter"}
        if self._group():
            scopes |= {"groups", "copy"}
        return scopes | {"tabs"} if self.tabs else scopes

    def crumb(self) -> str:
        """Of what, and by what."""
        return f"{self.counted.crumb()} by {self.field.called}"

    def bar(self) -> tuple[list[Span], list[Span]]:
        """By what, and how many."""
        left: list[Span] = [(f" by {self.field.called}", "title")]
        if self.view.filter:
            left += [("  / ", "accent"), (self.view.filter, "title")]
        found = self._looked.found
        if found is None:
            return left, [("counting ", "live")]
        rows = count(found[1].rows, self.counted.noun)
        return left, [(f"{count(len(found[1].groups), 'value')}, {rows} ", "dim")]

    def hint(self) -> list[Span]:
        """What Enter filters by."""
        row = self._group()
        return [(f" Enter: {row.term}   ! the others", "dim")] if row else []
