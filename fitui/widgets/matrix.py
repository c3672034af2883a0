"""The matrix: a table whose cursor is a cell. The first column names the rows and stays."""

from __future__ import annotations

from fitui.widgets.table import VirtualTable


class Matrix(VirtualTable):
    """Rows by columns with a cell under the cursor; the first column is never under it."""

    DEFAULT_CSS = "Matrix { height: 1fr; width: 100%; }"

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(frozen=1, cells=True, id=id)
        self.column = 1

    def select_column(self, column: int) -> None:
        """Select a column to the right of the names."""
        super().select_column(max(1, column))

    def go_to(self, row: int, column: int) -> None:
        """Put the cursor on a cell."""
        self.column = max(1, min(column, len(self.source.columns) - 1))
        self.move_to(row)
