"""Sources of rows for the table: fields that know how to show a row, and where rows come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fitui.reading import Reading
from fitui.screens.patience import Wanted
from fitui.widgets.table_source import Column

PAGE = 200
"""Rows that are fetched at once."""

HELD = 50 * PAGE
"""Rows that are kept once they have been fetched."""

FIRST = 5 * PAGE
"""Rows at the beginning among which a key is looked for."""

_AHEAD = 20
"""Pages that are read at once at most, on the way to a row that is looked for."""

SIGN = 2
"""Cells for the sign before a row that is marked."""


def _plain(_row: Any) -> str:
    return ""


def slug(title: str) -> str:
    """A heading as a name: its words in small letters."""
    return "_".join(re.findall(r"\w+", title.lower()))


class Field(Struct, frozen=True):
    """A column, and what it shows of a row.

    Args:
        title: Heading.
        width: Cells needed.
        text: The cell of a row.
        grow: Cells it may take beyond that.
        right: True for numbers.
        sort: Name to sort by, "" for none.
        mark: Style of the cell of a row.
        name: What ``cols:`` and ``group:`` call it, "" for as ``sort``, or else as the title.
        reads: How its values are filtered by, where by more than the text of the cell.
        value: The value of a row for that.
        extra: True for a column that is shown only where it is asked for.
        middle: True for names, of which the end says as much as the beginning.
    """

    title: str
    width: int
    text: Callable[[Any], str]
    grow: int = 0
    right: bool = False
    sort: str = ""
    mark: Callable[[Any], str] = _plain
    name: str = ""
    reads: Reading | None = None
    value: Callable[[Any], Any] | None = None
    extra: bool = False
    middle: bool = False

    @property
    def called(self) -> str:
        """What ``cols:`` and ``group:`` call it."""
        return self.name or self.sort or slug(self.title)

    @property
    def reading(self) -> Reading:
        """How its values are filtered by."""
        return self.reads or Reading(self.called)

    def value_of(self, row: Any) -> Any:
        """The value of a row, of the form that the reading says."""
        return self.value(row) if self.value is not None else self.text(row)


class FetchedRows:
    """Rows fetched a page at a time, so that a million of them cost what is seen.

    What is missing is fetched where it is asked for, by whatever thread asks; once :attr:`later`
    is set, reading the rows never waits for more than that does, and only the methods that say so
    fetch.

    Args:
        fields: The columns.
        count: Number of rows.
        fetch: Rows from (limit, offset).
        key_of: What identifies a row.
    """

    def __init__(
        self,
        fields: Sequence[Field],
        count: int,
        fetch: Callable[[int, int], Sequence[Any]],
        key_of: Callable[[Any], str],
    ) -> None:
        self.row_count = count
        self.near: tuple[int, ...] = ()
        """Rows around which a key is looked for first."""
        self.later: Callable[[int], None] | None = None
        """Has the rows around one fetched elsewhere, now or later."""
        self.at_hand = False
        """True where fetching takes no time."""
        self._fetch = fetch
        self._key_of = key_of
        self._pages: dict[int, Sequence[Any]] = {}
        self.show_fields(fields)

    def show_fields(
        self, fields: Sequence[Field], sign: Callable[[str], str] | None = None
    ) -> None:
        """Show other columns.

        Args:
            fields: The columns.
            sign: A letter for before the row of a key, "" for none; None where no row has one.
        """
        self._fields, self._sign = fields, sign
        self._dots = next((at for at, item in enumerate(fields) if item.width >= 3), 0)
        wider = SIGN if sign else 0
        self.columns = [
            Column(item.title, item.width, item.grow, item.right, item.sort, item.middle)
            for item in fields
        ]
        if wider:
            first = fields[0]
            title = first.title if first.right else " " * wider + first.title
            self.columns[0] = replace(self.columns[0], title=title, width=first.width + wider)

    def row(self, index: int) -> Any:
        """A row, None if it has gone meanwhile or has not been fetched yet."""
        page, inner = divmod(index, PAGE)
        if page not in self._pages:
            if self.later is None:
                self.fetch(index, index + 1)
            else:
                self.later(index)
        rows = self._pages.get(page, ())
        return rows[inner] if inner < len(rows) else None

    def is_missing(self, index: int) -> bool:
        """True for a row that has not been fetched yet."""
        return index // PAGE not in self._pages

    def cell(self, row: int, column: int) -> str:
        """Text of a cell; three dots in a row that is still to come."""
        item = self.row(row)
        if item is None:
            return "..." if column == self._dots and self.is_missing(row) else ""
        text = self._fields[column].text(item)
        if column or self._sign is None:
            return text
        # In the text of the cell, so that a row with a mark is no more pieces than others.
        return f"{self._sign(self._key_of(item)):<{SIGN}}{text}"

    def mark(self, row: int, column: int) -> str:
        """Style of a cell."""
        item = self.row(row)
        if item is None:
            return "dim" if self.is_missing(row) else ""
        return self._fields[column].mark(item)

    def key(self, row: int) -> str:
        """What identifies a row."""
        item = self.row(row)
        return "" if item is None else self._key_of(item)

    def find(self, key: str) -> int | None:
        """Row of a key, looked for where it is likely and in the first pages only."""
        if not key:
            return None
        for middle in self.near:
            around = range(max(0, middle - PAGE), min(self.row_count, middle + PAGE))
            for index in sorted(around, key=lambda index: abs(index - middle)):
                if self._has(index, key):
                    return index
        for index in range(min(self.row_count, FIRST)):
            if self._has(index, key):
                return index
        return None

    def _has(self, index: int, key: str) -> bool:
        return not (self.later and self.is_missing(index)) and self.key(index) == key

    # What follows fetches, however long that takes

    def fetch(self, first: int, stop: int) -> None:
        """Fetch what is missing of some rows.

        Args:
            first: The first of them.
            stop: The one behind the last.
        """
        stop = max(1, min(stop, self.row_count))
        pages = range(max(0, first) // PAGE, -(-stop // PAGE))
        missing = [page for page in pages if page not in self._pages]
        if missing:
            self._keep(self._read(missing[0], missing[-1] - missing[0] + 1))

    def _read(self, page: int, number: int) -> dict[int, Sequence[Any]]:
        rows = self._fetch(number * PAGE, page * PAGE)
        return {page + each: rows[each * PAGE : (each + 1) * PAGE] for each in range(number)}

    def _keep(self, pages: Mapping[int, Sequence[Any]]) -> None:
        self._pages.update(pages)
        # The first page stays: it is what is copied.
        spare = max(0, len(self._pages) - HELD // PAGE)
        for page in [page for page in self._pages if page][:spare]:
            del self._pages[page]

    def fetch_around(self, index: int) -> None:
        """Fetch what may be on the screen together with a row."""
        self.fetch(index - PAGE // 2, index + PAGE // 2)

    def locate(self, key: str) -> int | None:
        """Row of a key, as :meth:`find`, in rows that are fetched for that."""
        for reach in (PAGE // 2, PAGE):
            for middle in self.near:
                self.fetch(middle - reach, middle + reach)
            if (found := self.find(key)) is not None:
                return found
        self.fetch(0, FIRST)
        return self.find(key)

    def keep(self) -> None:
        """Fetch everything, so that nothing changes any more; of few rows only."""
        if self.row_count <= HELD:
            self.fetch(0, self.row_count)

    def keys(self, first: int, stop: int) -> list[str]:
        """What identifies each of some rows."""
        self.fetch(first, stop)
        return [self.key(index) for index in range(first, stop)]

    def seek(
        self, test: Callable[[Any], bool], start: int, step: int, most: int, goes_on: Wanted
    ) -> int | None:
        """The next row that passes a test, round the end; what is passed over is not kept.

        Args:
            test: The test.
            start: Row behind which it begins.
            step: 1 for down, -1 for up.
            most: Rows to look at.
            goes_on: False to look no further; asked now and then.
        """
        held: dict[int, Sequence[Any]] = {}
        last, ahead = (self.row_count - 1) // PAGE, 1
        for distance in range(1, min(self.row_count, most) + 1):
            index = (start + step * distance) % self.row_count
            page, inner = divmod(index, PAGE)
            if page not in held and page in self._pages:
                held[page] = self._pages[page]
            elif page not in held:
                if not goes_on():
                    return None
                first = page if step > 0 else max(0, page - ahead + 1)
                held = self._read(first, min(ahead, last - first + 1))
                # Few rows where a hit is near, few questions where it is far.
                ahead = min(2 * ahead, _AHEAD)
            rows = held[page]
            if inner < len(rows) and test(rows[inner]):
                self._keep({page: rows})
                self.fetch_around(index)
                return index
        return None


def listed_rows(
    fields: Sequence[Field], rows: Sequence[Any], key_of: Callable[[Any], str]
) -> FetchedRows:
    """A source over rows that are at hand."""
    found = FetchedRows(
        fields, len(rows), lambda limit, offset: rows[offset : offset + limit], key_of
    )
    found.at_hand = True
    return found
