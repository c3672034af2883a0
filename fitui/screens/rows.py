"""Sources of rows for the table: fields that know how to show a row, and where rows come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from fitui.reading import Reading
from fitui.widgets.table_source import Column

PAGE = 200
"""Rows that are fetched at once."""

HELD = 50 * PAGE
"""Rows that are kept once they have been fetched."""

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
        wider = SIGN if sign else 0
        self.columns = [
            Column(item.title, item.width, item.grow, item.right, item.sort) for item in fields
        ]
        if wider:
            first = fields[0]
            title = first.title if first.right else " " * wider + first.title
            self.columns[0] = Column(
                title, first.width + wider, first.grow, first.right, first.sort
            )

    def row(self, index: int) -> Any:
        """A row, None if it has gone meanwhile."""
        page, inner = divmod(index, PAGE)
        rows = self._pages.get(page)
        if rows is None:
            if len(self._pages) > HELD // PAGE:
                self._pages.clear()
            rows = self._pages[page] = self._fetch(PAGE, page * PAGE)
        return rows[inner] if inner < len(rows) else None

    def cell(self, row: int, column: int) -> str:
        """Text of a cell."""
        item = self.row(row)
        if item is None:
            return ""
        text = self._fields[column].text(item)
        if column or self._sign is None:
            return text
        # In the text of the cell, so that a row with a mark is no more pieces than others.
        return f"{self._sign(self._key_of(item)):<{SIGN}}{text}"

    def mark(self, row: int, column: int) -> str:
        """Style of a cell."""
        item = self.row(row)
        return "" if item is None else self._fields[column].mark(item)

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
                if self.key(index) == key:
                    return index
        for index in range(min(self.row_count, 5 * PAGE)):
            if self.key(index) == key:
                return index
        return None

    def keep(self) -> None:
        """Fetch what has not been fetched, so that nothing changes any more; of few rows only."""
        if self.row_count <= HELD:
            for index in range(0, self.row_count, PAGE):
                self.row(index)


def listed_rows(
    fields: Sequence[Field], rows: Sequence[Any], key_of: Callable[[Any], str]
) -> FetchedRows:
    """A source over rows that are at hand."""
    return FetchedRows(
        fields, len(rows), lambda limit, offset: rows[offset : offset + limit], key_of
    )
