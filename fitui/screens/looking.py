"""How a table comes by its rows: what takes long is looked for on a thread, while those that are
shown stay and keys go on working."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from fitui.format import count
from fitui.screens.column_keys import ColumnKeys
from fitui.screens.following import COUNT, NEWS, ROWS, Following
from fitui.screens.marks import MARKS
from fitui.screens.page import Page
from fitui.screens.patience import Patience, Wanted
from fitui.screens.rows import FIRST, PAGE, FetchedRows, Field, listed_rows
from fitui.view import View

PAGES, SEEK = "pages", "seek"
"""Questions about rows that are scrolled to, and about the next failure."""


class Found(Struct, frozen=True):
    """Rows that were asked for.

    Args:
        rows: The rows.
        total: How many there are without the filter.
        words: The filter.
        frozen: Whether they are held still.
        place: Row for the cursor.
    """

    rows: FetchedRows
    total: int
    words: str
    frozen: bool
    place: int


class Looking(ColumnKeys, Following):
    """A table whose rows are looked for."""

    body = "table"
    fields: Sequence[Field] = ()
    noun = "row"
    default_sort = ""

    patient = False
    """True where rows are looked for on a thread, since that may take long."""

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self.rows: FetchedRows | None = None
        self.total = 0
        self.kept = ""
        """The filter of the rows that are shown, whatever the view asks for."""
        self.patience = Patience(bench.looked_up)
        self._anchor = ""
        self._own = self._waited = self._kept_frozen = False
        self._asked: tuple[str, bool] | None = None
        self._missing = range(0)
        self._former: tuple[Looking, View] | None = None

    def begin(self, anchor: str, former: Page | None) -> None:
        """Have the rows of the former page until there are others."""
        self._anchor = anchor
        if not (isinstance(former, Looking) and self.patient and type(former) is type(self)):
            return
        if former.view.place == self.view.place:
            self.patience = former.patience
            own = (former, former.view.but(filter=former.kept))
            self._former = own if former._own else former._former
            self.rows = former.rows

    def load(self, words: str, sort: str) -> FetchedRows:
        """Rows for a filter and a sort, with all columns that there are.

        Raises:
            QueryError: The filter cannot be understood.
        """
        raise NotImplementedError

    def check(self, words: str) -> None:
        """Raise what is wrong with a filter.

        Raises:
            QueryError: It cannot be understood.
        """
        self.load(words, "")

    def count_all(self) -> int:
        """Rows without the filter."""
        return self.load("", "").row_count

    def count_now(self) -> int:
        """Rows that the filter keeps now."""
        return self.load(self.view.filter, "").row_count

    def empty(self) -> list[str]:
        """What to say, and to do next, where there are no rows at all."""
        return [f"No {self.noun}s."]

    # Looking

    def show(self) -> None:
        """Load and show the rows."""
        self.apply(self.view.filter)

    def look(
        self,
        slot: str,
        find: Callable[[Wanted], Any],
        then: Callable[[Any], None],
        failed: Callable[[Exception], None] | None = None,
        *,
        live: bool = False,
    ) -> None:
        """Find something out, on a thread where it may take long."""
        if self.patient:
            self.patience.ask(slot, find, then, failed, live=live)
        else:
            then(find(lambda: True))

    def found(self) -> None:
        """Show what took long."""
        self.patience.take()

    @property
    def waits(self) -> bool:
        """True while the rows that were asked for are still to come."""
        return self.patience.waits(ROWS)

    def apply(self, words: str) -> None:
        """Show the rows that a filter keeps, now or when they are there.

        Raises:
            QueryError: The filter, or a name in the view, cannot be understood; what is shown
                stays.
        """
        self.columns()
        asked = (words, self.frozen)
        if self.patient and self._own and asked == (self.kept, self._kept_frozen):
            # They are shown; what has come in meanwhile is told by itself.
            self.patience.drop(ROWS)
            self.look_again()
            return
        if self.waits and asked == self._asked:
            return
        self._asked, self._again = asked, False
        self.patience.drop(NEWS, COUNT)
        self.look(ROWS, self._finder(words), self._put, self._fail)
        if self.waits:
            self._wait()

    def reload(self) -> None:
        """Show what the filter keeps now."""
        if not self.patient:
            self.apply(self.view.filter)
        elif self._own:
            self.look(NEWS, self._finder(self.kept), self._put_news, live=True)

    def _finder(self, words: str) -> Callable[[Wanted], Found | None]:
        """Looks for the rows of a filter, and for that of them which the cursor is on.

        Returns:
            What does so, on any thread; it finds None where that was not wanted any more.
        """
        table, frozen, sort = self.bench.table, self.frozen, self._sort
        cursor, former, near = table.cursor, self.rows, True
        key = table.held if former is not None else ""
        if not self._own:
            view = self._former[1] if self._former is not None else self.view
            near = (view.filter, view.sort) == (self.view.filter, self.view.sort)
            former = None
            key, _tab, number = self._anchor.partition("\t")
            cursor = int(number) if number.isdigit() else 0
            if self.view.follow:
                key, cursor, near = "", 0, False
        elif words != self.kept:
            near = False
        own = self._own

        def find(wanted: Wanted) -> Found | None:
            rows = self.load(words, sort)
            if not wanted():
                return None
            if near:
                # Rows that came in push the others down by as many.
                grown = rows.row_count - former.row_count if former is not None else 0
                rows.near = (cursor + max(0, grown), cursor)
            # One question instead of two where the key is among the first or nowhere.
            rows.fetch(0, FIRST if key and not near else 1)
            place = rows.locate(key) if key else None
            if place is None:
                place = min(cursor, max(0, rows.row_count - 1)) if own else 0
            rows.fetch_around(place)
            if frozen:
                rows.keep()
            total = self.count_all() if words else rows.row_count
            return Found(rows, total, words, frozen, place)

        return find

    @property
    def _sort(self) -> str:
        return self.view.sort or self.default_sort

    def _wait(self) -> None:
        """Show what there was until the rows come."""
        self._waited = True
        table = self.bench.table
        if self.rows is None:
            table.put_cursor("")
            table.show(listed_rows(self.columns(), [], str), empty=["Reading the index ..."])
        elif not self._own:
            self.show_again()

    def _fail(self, error: Exception) -> None:
        """Say why there are no rows; those that are shown stay."""
        if self._waited and self.rows is None:
            words = ["The index could not be read.", str(error)]
            self.bench.table.show(listed_rows(self.columns(), [], str), empty=words)
        self._waited = False
        raise error

    def _put(self, found: Found) -> None:
        """Show rows that were asked for by a key."""
        table, first = self.bench.table, not self._own
        anchor = self._anchor if self._former is None else self.anchor()
        if first:
            # The row of another page would be looked for in vain.
            table.put_cursor("")
            table.cursor = found.place
        self.patience.drop(SEEK)
        self._former = None
        self._lay_out(found)
        if first and self._waited:
            self.restore(anchor)
        self._waited = False
        self.look_again()

    def _put_news(self, found: Found) -> None:
        """Show rows that came in."""
        stays_first, before = self.is_following, self.rows.row_count if self.rows else 0
        self._lay_out(found)
        self.came_in(found.rows.row_count - before, stays_first=stays_first)
        self.look_again()

    def _lay_out(self, found: Found) -> None:
        rows, words = found.rows, found.words
        self.rows, self.total, self._own = rows, found.total, True
        self.kept, self._kept_frozen = words, found.frozen
        self.patience.drop(PAGES)
        if self.patient and not rows.at_hand:
            rows.later = lambda index: self._fetch(rows, index)
        self.put_columns(rows)
        lines: list[str] | None = None
        if words and not rows.row_count and self.total:
            lines = [
                f"Nothing matches `{words}`.",
                f"{count(self.total, self.noun)} without the filter: press / and change it.",
            ]
        elif not rows.row_count:
            lines = self.empty()
        self.bench.table.show(rows, empty=lines, sort=self._sort)

    def _fetch(self, rows: FetchedRows, index: int) -> None:
        """Have rows fetched that are scrolled to."""
        if self.patience.waits(PAGES) and index in self._missing:
            return
        # More than stand on a screen, so that one question is enough.
        self._missing = range(index - PAGE // 2, index + PAGE // 2)
        table, late = self.bench.table, False

        def then(_none: None) -> None:
            if late and table.source is rows:
                table.show(rows, sort=table.sort)

        def failed(error: Exception) -> None:
            self.bench.say(str(error) or type(error).__name__, "failed")

        self.look(PAGES, lambda _wanted: rows.fetch_around(index), then, failed)
        late = True

    def give_up(self) -> bool:
        """Stay with the rows that are shown, and say in the view what they are."""
        page: Looking = self
        if self.waits and self._own:
            self.frozen = self._kept_frozen
            self.bench.put_back(self, self.view.but(filter=self.kept))
        elif self.waits and self._former is not None:
            page, view = self._former
            page.show_again()
            self.bench.put_back(page, view)
        elif self.waits or not self.patience.waits(SEEK, MARKS):
            return False
        self.patience.drop(ROWS, SEEK, MARKS)
        self.bench.say("given up")
        page._again = page._again or self._again
        page.look_again()
        return True

    def put_columns(self, rows: FetchedRows) -> None:
        """Have rows show the columns of the view."""
        rows.show_fields(self.columns())

    def show_again(self) -> None:
        """Paint the rows that are there, in the columns of the view."""
        if self.rows is not None:
            self.put_columns(self.rows)
            self.bench.table.show(self.rows, sort=self.bench.table.sort)
