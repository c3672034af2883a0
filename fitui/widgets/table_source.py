"""What a table shows: the small protocol between rows of any kind and the widget that paints."""

from __future__ import annotations

from typing import ClassVar, Protocol

from msgspec import Struct


class Column(Struct, frozen=True):
    """A column of a table.

    Args:
        title: Its heading; several lines for a matrix.
        width: Cells it needs.
        grow: Cells it may take beyond that, where there is room.
        right: True for numbers.
        field: Name of the field to sort by, "" if it cannot be sorted.
        middle: True for names, of which the end says as much as the beginning.
    """

    title: str
    width: int
    grow: int = 0
    right: bool = False
    field: str = ""
    middle: bool = False


class TableSource(Protocol):
    """What a table shows."""

    @property
    def columns(self) -> list[Column]:
        """The columns."""

    @property
    def row_count(self) -> int:
        """Number of rows."""

    def cell(self, row: int, column: int) -> str:
        """Text of a cell, without control characters."""

    def mark(self, row: int, column: int) -> str:
        """Name of a cell's style, "" for plain."""

    def key(self, row: int) -> str:
        """What the cursor holds on to when rows come and go."""

    def find(self, key: str) -> int | None:
        """Row of a key, None if it is unknown."""


class EmptySource:
    """No rows."""

    columns: ClassVar[list[Column]] = []
    row_count = 0

    def cell(self, row: int, column: int) -> str:
        """Nothing."""
        return ""

    def mark(self, row: int, column: int) -> str:
        """Nothing."""
        return ""

    def key(self, row: int) -> str:
        """Nothing."""
        return ""

    def find(self, key: str) -> int | None:
        """Nothing."""
        return None
