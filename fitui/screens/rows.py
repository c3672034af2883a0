"""Sources of rows for the table: fields that know how to show a row, and where rows come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from fitui.widgets.table_source import Column

PAGE = 200
"""Rows that are fetched at once."""


def _plain(_row: Any) -> str:
    return ""


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
    """

    title: str
    width: int
    text: Callable[[Any], str]
    grow: int = 0
    right: bool = False
    sort: str = ""
    mark: Callable[[Any], str] = _plain


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
        self.columns = [
            Column(item.title, item.width, item.grow, item.right, item.sort) for item in fields
        ]
        self.row_count = count
        self._fields = fields
        self._fetch = fetch
        self._key_of = key_of
        self._pages: dict[int, Sequence[Any]] = {}

    def row(self, index: int) -> Any:
        """A row, None if it has gone meanwhile."""
        page, inner = divmod(index, PAGE)
        rows = self._pages.get(page)
        if rows is None:
            if len(self._pages) > 50:
                self._pages.clear()
            rows = self._pages[page] = self._fetch(PAGE, page * PAGE)
        return rows[inner] if inner < len(rows) else None

    def cell(self, row: int, column: int) -> str:
        """Text of a cell."""
        item = self.row(row)
        return "" if item is None else self._fields[column].text(item)

    def mark(self, row: int, column: int) -> str:
        """Style of a cell."""
        item = self.row(row)
        return "" if item is None else self._fields[column].mark(item)

    def key(self, row: int) -> str:
        """What identifies a row."""
        item = self.row(row)
        return "" if item is None else self._key_of(item)

    def find(self, key: str) -> int | None:
        """Row of a key, looked for in the first pages only."""
        for index in range(min(self.row_count, 5 * PAGE)):
            if self.key(index) == key:
                return index
        return None


def listed_rows(
    fields: Sequence[Field], rows: Sequence[Any], key_of: Callable[[Any], str]
) -> FetchedRows:
    """A source over rows that are at hand."""
    return FetchedRows(
        fields, len(rows), lambda limit, offset: rows[offset : offset + limit], key_of
    )


def keep_matching(fields: Sequence[Field], rows: Sequence[Any], words: str) -> list[Any]:
    """Rows in whose cells every word occurs, whatever its case."""
    wanted = words.casefold().split()
    if not wanted:
        return list(rows)

    def text(row: Any) -> str:
        return " ".join(field.text(row) for field in fields).casefold()

    return [row for row in rows if all(word in text(row) for word in wanted)]
