"""The column chooser: which columns a table shows, and in what order."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.strip import Strip

from fitui.screens.columns import usual_columns
from fitui.screens.dialog import Dialog
from fitui.screens.rows import Field, listed_rows
from fitui.widgets.lines import LineWidget
from fitui.widgets.table import VirtualTable

_KEYS = " Space shows, hides  J K move  u usual ones  Enter keeps  Esc leaves"


class _Keys(LineWidget):
    """The last line: what keys do."""

    DEFAULT_CSS = "_Keys { height: 1; width: 100%; }"

    def paint(self, y: int) -> Strip:
        """The keys."""
        return self.strip([(_KEYS, "dim")])


class ColumnChooser(Dialog[tuple[Field, ...]]):
    """Shows and hides columns, and moves them; the answer is the columns that are to be shown.

    Args:
        fields: All that there are.
        shown: Those that are shown, in their order.
    """

    def __init__(self, fields: Sequence[Field], shown: Sequence[Field]) -> None:
        super().__init__()
        self._fields = fields
        self._shown = {field.called for field in shown}
        self.order = _placed(fields, shown)
        self.table = VirtualTable(id="chooser-table")

    def compose(self) -> ComposeResult:
        """The list, and what keys do."""
        with Vertical(id="box"):
            yield self.table
            yield _Keys()

    def on_mount(self) -> None:
        """As many lines as there are columns, as far as they fit."""
        self.table.styles.height = min(len(self.order) + 1, max(3, self.size.height - 6))
        self._paint()

    @property
    def chosen(self) -> tuple[Field, ...]:
        """What is shown now, in order."""
        return tuple(field for field in self.order if field.called in self._shown)

    def _paint(self) -> None:
        fields = (
            Field("SHOWN", 5, lambda field: "  x" if field.called in self._shown else ""),
            Field("COLUMN", 16, lambda field: str(field.title), grow=8),
            Field("IN cols:", 14, lambda field: str(field.called), grow=10),
        )
        self.table.show(listed_rows(fields, list(self.order), lambda field: str(field.called)))

    def on_key(self, event: events.Key) -> None:
        """Show, hide, move, keep or leave."""
        event.stop()
        at, key = self.table.cursor, event.key
        if key in ("escape", "q", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif key == "enter":
            self._keep()
        elif key in _MOVES:
            getattr(self.table, f"do_{_MOVES[key]}")()
        elif key == "space":
            self._shown ^= {self.order[at].called}
            self._paint()
        elif key in ("J", "K", "shift+down", "shift+up"):
            self._move(at, 1 if key in ("J", "shift+down") else -1)
        elif key == "u":
            self._shown = {field.called for field in usual_columns(self._fields)}
            self.order = list(self._fields)
            self._paint()

    def _move(self, at: int, by: int) -> None:
        to = at + by
        if 0 <= to < len(self.order):
            self.order[at], self.order[to] = self.order[to], self.order[at]
            self._paint()

    def _keep(self) -> None:
        # A table without columns would show nothing to come back by.
        self.dismiss(self.chosen or None)

    @on(VirtualTable.Opened)
    def clicked(self, message: VirtualTable.Opened) -> None:
        """Clicked twice: show or hide."""
        message.stop()
        self._shown ^= {self.order[self.table.cursor].called}
        self._paint()


_MOVES = {
    "j": "down",
    "down": "down",
    "k": "up",
    "up": "up",
    "g": "first",
    "home": "first",
    "G": "last",
    "end": "last",
}


def _placed(fields: Sequence[Field], shown: Sequence[Field]) -> list[Field]:
    """All columns: the shown ones in their order, each other one after what it stands after."""
    names = [field.called for field in shown]
    if [field.called for field in fields if field.called in names] == names:
        return list(fields)
    return [*shown, *(field for field in fields if field.called not in names)]
