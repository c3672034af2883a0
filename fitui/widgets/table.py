"""A virtual table on the Line API: any number of rows, work in proportion to the visible ones.

It knows a source by the small :class:`TableSource` protocol only. The header and the first
``frozen`` columns stay; the cursor is a row and, for a matrix, a cell. Nothing here knows what
the rows mean.
"""

from __future__ import annotations

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip

from fitui.widgets.lines import LineWidget, fit
from fitui.widgets.table_source import EmptySource, TableSource

GAP = 1


class VirtualTable(LineWidget):
    """A table with a cursor row, a selected column, and a sticky header and first columns.

    Args:
        frozen: Number of columns that stay while the others scroll sideways.
        cells: True if the cursor is a cell rather than a row.
    """

    DEFAULT_CSS = "VirtualTable { height: 1fr; width: 100%; }"

    class Opened(Message):
        """A row was clicked twice."""

    class CursorMoved(Message):
        """Another row or column is under the cursor."""

    class HeaderClicked(Message):
        """The heading of the selected column was clicked."""

    def __init__(self, *, frozen: int = 1, cells: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.source: TableSource = EmptySource()
        self.empty: list[str] = []
        self.sort = ""
        self.cursor = 0
        self.column = 0
        self._anchor = ""
        self._frozen = frozen
        self._cells = cells
        self._top = 0
        self._first = frozen
        self._layout_key: tuple[object, ...] = ()
        self._widths: list[int] = []

    # What is shown

    def show(self, source: TableSource, *, empty: list[str] | None = None, sort: str = "") -> None:
        """Show a source. The cursor stays on its row's key, if that is still there."""
        self.source, self.sort = source, sort
        if empty is not None:
            self.empty = empty
        self._layout_key = ()
        self.column = min(self.column, max(0, len(source.columns) - 1))
        if self._anchor and (row := source.find(self._anchor)) is not None:
            # Rows that came in above move no line that is being read.
            self._top += row - self.cursor
            self.cursor = row
        self.cursor = max(0, min(self.cursor, source.row_count - 1))
        self._settle()

    def put_cursor(self, key: str) -> bool:
        """Put the cursor on the row of a key.

        Returns:
            False if there is no such row.
        """
        self._anchor = key
        row = self.source.find(key)
        if row is None:
            return False
        self.move_to(row)
        return True

    @property
    def current(self) -> int | None:
        """Row under the cursor, None if there is none."""
        return self.cursor if self.cursor < self.source.row_count else None

    @property
    def held(self) -> str:
        """Key of the row under the cursor."""
        return self._anchor

    @property
    def top(self) -> int:
        """The first row on the screen."""
        return self._top

    @property
    def header_height(self) -> int:
        """Lines of the header."""
        return max((item.title.count("\n") + 1 for item in self.source.columns), default=1)

    @property
    def body_height(self) -> int:
        """Rows that fit."""
        return max(1, self.size.height - self.header_height)

    # Moving

    def move_to(self, row: int) -> None:
        """Put the cursor on a row, as near as there is one."""
        left, stood = self.cursor, (self._top, self._first)
        self.cursor = max(0, min(row, self.source.row_count - 1))
        self._place()
        if (self._top, self._first) == stood:
            # Nothing scrolled: the heading and both rows are all that can look different.
            height = self.header_height
            rows = (height + at - self._top for at in (left, self.cursor))
            self.repaint([*range(height), *rows])
        else:
            self.repaint()
        self.post_message(self.CursorMoved())

    def select_column(self, column: int) -> None:
        """Select a column, scrolling sideways to it."""
        self.column = max(0, min(column, len(self.source.columns) - 1))
        self._settle()
        self.post_message(self.CursorMoved())

    def _settle(self) -> None:
        self._place()
        self.repaint()

    def _place(self) -> None:
        """Scroll so that the cursor is in sight."""
        count, height = self.source.row_count, self.body_height
        self._anchor = self.source.key(self.cursor) if self.cursor < count else self._anchor
        jump = max(1, min(8, height // 3))
        if self.cursor < self._top:
            self._top = max(0, self.cursor - jump + 1)
        elif self.cursor >= self._top + height:
            self._top = self.cursor - height + jump
        self._top = max(0, min(self._top, count - height))
        self._scroll_sideways()

    def _scroll_sideways(self) -> None:
        widths, frozen = self._column_widths(), self._frozen
        if self.column < frozen or not self.size.width:
            self._first = frozen
            return
        room = self.size.width - sum(widths[:frozen]) - GAP * frozen - 1
        while (
            self._first > frozen
            and sum(widths[self._first - 1 :]) + GAP * (len(widths) - self._first) <= room
        ):
            self._first -= 1
        self._first = max(frozen, min(self._first, self.column))
        while (
            self._first < self.column
            and sum(widths[self._first : self.column + 1]) + GAP * (self.column - self._first)
            > room
        ):
            self._first += 1

    def _column_widths(self) -> list[int]:
        columns = self.source.columns
        key = (id(self.source), self.size.width, len(columns))
        if key != self._layout_key:
            self._layout_key = key
            widths = [item.width for item in columns]
            spare = self.size.width - sum(widths) - GAP * len(widths) - 1
            for index, item in enumerate(columns):
                take = max(0, min(item.grow, spare))
                widths[index] += take
                spare -= take
            self._widths = widths
        return self._widths

    # Painting

    def paint(self, y: int) -> Strip:
        """A line of the header, a row, or a line of what is said where there are no rows."""
        header = self.header_height
        if not self.source.row_count:
            return self._paint_empty(y)
        if y < header:
            return self._paint_header(y)
        row = self._top + y - header
        if row >= self.source.row_count:
            return Strip.blank(self.size.width, self.style_of(""))
        return self._paint_row(row, self._thumb(y - header))

    def _paint_empty(self, y: int) -> Strip:
        if 1 <= y <= len(self.empty):
            return self.strip([(" " + self.empty[y - 1], "title" if y == 1 else "dim")])
        return Strip.blank(self.size.width, self.style_of(""))

    def _visible(self) -> list[int]:
        return [
            *range(min(self._frozen, len(self.source.columns))),
            *range(self._first, len(self.source.columns)),
        ]

    def _paint_header(self, y: int) -> Strip:
        widths, segments = self._column_widths(), []
        sorts = self.sort.split(",") if self.sort else []
        arrows = {item.lstrip("-"): "v" if item.startswith("-") else "^" for item in sorts}
        for index in self._visible():
            column = self.source.columns[index]
            lines = column.title.split("\n")
            offset = y - (self.header_height - len(lines))
            title = lines[offset] if 0 <= offset < len(lines) else ""
            if offset == 0 and (arrow := arrows.get(column.field)):
                title = title[: max(0, widths[index] - 1)] + arrow
            style = self.style_of("chosen" if index == self.column else "header")
            plain = self.style_of("header")
            text = fit(title, widths[index], right=column.right)
            bare = text.strip()
            before = len(text) - len(text.lstrip())
            segments += [
                Segment(text[:before], plain),
                Segment(bare, style),
                Segment(text[before + len(bare) :] + " " * GAP, plain),
            ]
        return (
            Strip([item for item in segments if item.text])
            .simplify()
            .crop_extend(0, self.size.width, self.style_of("header"))
        )

    def _paint_row(self, row: int, thumb: bool) -> Strip:
        widths, source = self._column_widths(), self.source
        on, room = row == self.cursor, self.size.width - 1
        line = self.style_of("cursor" if on and not self._cells else "")
        pieces: list[Segment] = []
        pending = ""
        for index in self._visible():
            if room <= 0:
                break
            column = source.columns[index]
            text = fit(
                source.cell(row, index), widths[index], right=column.right, middle=column.middle
            )
            mark = source.mark(row, index)
            if self._cells and on and index == self.column:
                mark = "cursor"
            elif self._cells and on and index < self._frozen:
                mark = "title"
            room -= widths[index] + GAP
            if not mark or (on and not self._cells):
                pending += text + " " * GAP
                continue
            if pending:
                pieces.append(Segment(pending, line))
            if mark == "cursor":
                pieces.append(Segment(text, self.style_of(mark)))
                pending = " " * GAP
                continue
            # The gap in the same style: neighbours of one style become one piece, fewer bytes.
            pieces.append(Segment(text + " " * GAP, self.style_of(mark)))
            pending = ""
        if pending:
            pieces.append(Segment(pending, line))
        body = Strip(pieces).simplify().crop_extend(0, self.size.width - 1, line)
        edge = Segment("▐" if thumb else " ", self.style_of("dim") if thumb else line)
        return Strip([*body, edge])

    def _thumb(self, y: int) -> bool:
        count, height = self.source.row_count, self.body_height
        if count <= height:
            return False
        size = max(1, height * height // count)
        start = round((height - size) * self._top / max(1, count - height))
        return start <= y < start + size

    # Commands

    def do_down(self) -> None:
        """Next row."""
        self.move_to(self.cursor + 1)

    def do_up(self) -> None:
        """Previous row."""
        self.move_to(self.cursor - 1)

    def do_half_down(self) -> None:
        """Half a page down."""
        self.move_to(self.cursor + self.body_height // 2)

    def do_half_up(self) -> None:
        """Half a page up."""
        self.move_to(self.cursor - self.body_height // 2)

    def do_page_down(self) -> None:
        """A page down."""
        self.move_to(self.cursor + self.body_height - 1)

    def do_page_up(self) -> None:
        """A page up."""
        self.move_to(self.cursor - self.body_height + 1)

    def do_first(self) -> None:
        """First row."""
        self.move_to(0)

    def do_last(self) -> None:
        """Last row."""
        self.move_to(self.source.row_count - 1)

    def do_left(self) -> None:
        """Column to the left."""
        self.select_column(self.column - 1)

    def do_right(self) -> None:
        """Column to the right."""
        self.select_column(self.column + 1)

    # Mouse and size

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        self._layout_key = ()
        self._painted.clear()
        self._settle()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Wheel."""
        event.stop()
        self.move_to(self.cursor + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Wheel."""
        event.stop()
        self.move_to(self.cursor - 3)

    def on_click(self, event: events.Click) -> None:
        """Select a row or cell; twice on one opens it; a heading sorts."""
        edge = 0
        for index in self._visible():
            edge += self._column_widths()[index] + GAP
            if event.x < edge:
                self.column = index
                break
        if event.y < self.header_height:
            self._settle()
            self.post_message(self.HeaderClicked())
            return
        row = self._top + event.y - self.header_height
        if row >= self.source.row_count:
            return
        self.move_to(row)
        if event.chain == 2:
            self.post_message(self.Opened())
