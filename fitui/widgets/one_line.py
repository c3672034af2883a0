"""A line of spans, some at its left end and some at its right: crumbs, tabs, status, footer."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.strip import Strip

from fitui.widgets.lines import LineWidget, Span


class OneLine(LineWidget):
    """One line of the screen. Painted again only when its content changes."""

    DEFAULT_CSS = "OneLine { height: 1; width: 100%; }"

    def __init__(self, *, id: str | None = None, fill: str = "") -> None:  # noqa: A002
        super().__init__(id=id)
        self._left: list[Span] = []
        self._right: list[Span] = []
        self._fill = fill

    @property
    def text(self) -> str:
        """What it says, without styles."""
        return "".join(text for text, _style in (*self._left, *self._right))

    def show(self, left: Sequence[Span], right: Sequence[Span] = ()) -> None:
        """Set the content. Where both do not fit, the left part is cut at its beginning."""
        self._left, self._right = list(left), list(right)
        self.repaint()

    def paint(self, y: int) -> Strip:
        """The line."""
        room = self.size.width - sum(cell_len(text) for text, _style in self._right)
        used = sum(cell_len(text) for text, _style in self._left)
        if used <= room:
            return self.strip([*self._left, (" " * (room - used), self._fill), *self._right])
        cut = self.strip(self._left).crop(0, max(0, room - 1)) if room > 0 else Strip([])
        tail = self.strip([("…", "dim"), *self._right])
        return Strip.join([cut, tail]).crop(0, self.size.width)
