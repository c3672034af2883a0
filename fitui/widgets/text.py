"""A scrolled text on the Line API: styled lines, search, jump to marked lines.

Lines come from a :class:`Lines` source and are asked for only when they are painted, so a log of
a hundred megabytes costs what is visible. Knows nothing of what the text is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.strip import Strip

from fitui.widgets.lines import LineWidget, Span


class Lines(Protocol):
    """A text of styled lines."""

    def __len__(self) -> int:
        """Number of lines."""

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""

    def plain(self, index: int) -> str:
        """A line as it is searched."""

    def marks(self) -> Sequence[int]:
        """Lines worth jumping to (errors), ascending."""


class Document:
    """Lines held as spans, for short texts made by the program.

    Args:
        lines: Spans of each line.
        marks: Lines worth jumping to.
    """

    def __init__(self, lines: Sequence[list[Span]] = (), marks: Sequence[int] = ()) -> None:
        self.lines = list(lines)
        self._marks = list(marks)

    def __len__(self) -> int:
        return len(self.lines)

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""
        return self.lines[index]

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        return "".join(text for text, _style in self.lines[index])

    def marks(self) -> Sequence[int]:
        """Lines worth jumping to."""
        return self._marks


class Joined:
    """Several texts one below the other."""

    def __init__(self, parts: Sequence[Lines]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._starts: list[int] = []
        total = 0
        for part in self._parts:
            self._starts.append(total)
            total += len(part)
        self._total = total

    def __len__(self) -> int:
        return self._total

    def _find(self, index: int) -> tuple[Lines, int]:
        at = max(at for at, start in enumerate(self._starts) if start <= index)
        return self._parts[at], index - self._starts[at]

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""
        part, inner = self._find(index)
        return part.spans(inner)

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        part, inner = self._find(index)
        return part.plain(inner)

    def marks(self) -> Sequence[int]:
        """Lines worth jumping to, of all parts."""
        pairs = zip(self._starts, self._parts, strict=True)
        return [start + mark for start, part in pairs for mark in part.marks()]


class TextView(LineWidget):
    """A text that scrolls both ways. The cursor is the line that was jumped to, if any."""

    DEFAULT_CSS = "TextView { height: 1fr; width: 1fr; }"

    class Searched(Message):
        """A search or a jump ended; ``text`` says how."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lines: Lines = Document()
        self.needle = ""
        self.here: int | None = None
        self._top = 0
        self._left = 0

    def show(self, lines: Lines, *, keep: bool = False) -> None:
        """Show a text, from its beginning unless the place is to be kept."""
        self.lines = lines
        if not keep:
            self.forget()
        self._scroll(self._top)

    def forget(self) -> None:
        """Forget the place and the search, since another text comes."""
        self._top = self._left = 0
        self.here, self.needle = None, ""

    def go_to(self, index: int) -> None:
        """Put a line on the screen and mark it."""
        self.here = index
        height = self.size.height
        if not self._top <= index < self._top + height:
            self._top = index - height // 3
        self._scroll(self._top)

    def _scroll(self, top: int) -> None:
        self._top = max(0, min(top, len(self.lines) - self.size.height))
        self.repaint()

    # Painting

    def paint(self, y: int) -> Strip:
        """A line of the text, hits of the search marked."""
        index = self._top + y
        if index >= len(self.lines):
            return Strip.blank(self.size.width, self.style_of(""))
        spans = self.lines.spans(index)
        if self.needle:
            spans = _mark_hits(spans, self.needle)
        if index == self.here:
            spans = [(text, style if style == "match" else "cursor") for text, style in spans]
        width = self.size.width
        body = self.strip(spans, left=self._left, fill="cursor" if index == self.here else "")
        if not self._thumb(y):
            return body
        return Strip.join([body.crop(0, width - 1), self.strip([("▐", "dim")]).crop(0, 1)])

    def _thumb(self, y: int) -> bool:
        count, height = len(self.lines), self.size.height
        if count <= height:
            return False
        size = max(1, height * height // count)
        start = round((height - size) * self._top / max(1, count - height))
        return start <= y < start + size

    # Search

    def search(self, needle: str) -> None:
        """Mark a text and go to its next hit, from the top of the screen on."""
        self.needle = needle
        if needle:
            self._seek(1, start=(self.here if self.here is not None else self._top) - 1)
        self.repaint()

    def _seek(self, step: int, start: int) -> None:
        wanted, count = self.needle.casefold(), len(self.lines)
        for distance in range(1, count + 1):
            index = (start + step * distance) % count
            if wanted in self.lines.plain(index).casefold():
                self.go_to(index)
                self.post_message(self.Searched(f"line {index + 1} of {count}"))
                return
        self.post_message(self.Searched(f"no {self.needle!r} here"))

    def _jump(self, step: int) -> None:
        marks = list(self.lines.marks())
        if not marks:
            self.post_message(self.Searched("no errors here"))
            return
        here = self.here if self.here is not None else -1
        if step > 0:
            found = next((mark for mark in marks if mark > here), marks[0])
        else:
            found = next((mark for mark in reversed(marks) if mark < here), marks[-1])
        self.go_to(found)

    # Commands

    def do_next_hit(self) -> None:
        """Next hit."""
        if self.needle:
            self._seek(1, self.here if self.here is not None else self._top - 1)

    def do_previous_hit(self) -> None:
        """Previous hit."""
        if self.needle:
            self._seek(-1, self.here if self.here is not None else self._top)

    def do_next_failure(self) -> None:
        """Next error line."""
        self._jump(1)

    def do_previous_failure(self) -> None:
        """Previous error line."""
        self._jump(-1)

    def do_down(self) -> None:
        """A line down."""
        self._scroll(self._top + 1)

    def do_up(self) -> None:
        """A line up."""
        self._scroll(self._top - 1)

    def do_half_down(self) -> None:
        """Half a page down."""
        self._scroll(self._top + self.size.height // 2)

    def do_half_up(self) -> None:
        """Half a page up."""
        self._scroll(self._top - self.size.height // 2)

    def do_page_down(self) -> None:
        """A page down."""
        self._scroll(self._top + self.size.height - 1)

    def do_page_up(self) -> None:
        """A page up."""
        self._scroll(self._top - self.size.height + 1)

    def do_first(self) -> None:
        """To the beginning."""
        self._scroll(0)

    def do_last(self) -> None:
        """To the end."""
        self._scroll(len(self.lines))

    def do_left(self) -> None:
        """Scroll to the left."""
        self._left = max(0, self._left - 8)
        self.repaint()

    def do_right(self) -> None:
        """Scroll to the right, as far as the visible lines are long."""
        visible = range(self._top, min(len(self.lines), self._top + self.size.height))
        longest = max((cell_len(self.lines.plain(index)) for index in visible), default=0)
        if longest > self._left + self.size.width:
            self._left += 8
            self.repaint()

    def on_resize(self) -> None:
        """Stay within the text."""
        self._painted.clear()
        self._scroll(self._top)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Wheel."""
        event.stop()
        self._scroll(self._top + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Wheel."""
        event.stop()
        self._scroll(self._top - 3)


def _mark_hits(spans: list[Span], needle: str) -> list[Span]:
    text = "".join(part for part, _style in spans)
    folded, wanted = text.casefold(), needle.casefold()
    if len(folded) != len(text) or wanted not in folded:
        return spans
    inside = bytearray(len(text))
    at = folded.find(wanted)
    while at >= 0:
        inside[at : at + len(wanted)] = b"\1" * len(wanted)
        at = folded.find(wanted, at + len(wanted))
    result: list[Span] = []
    position = 0
    for part, style in spans:
        start = 0
        for offset in range(1, len(part) + 1):
            border = offset == len(part)
            if border or inside[position + offset] != inside[position + start]:
                hit = inside[position + start]
                result.append((part[start:offset], "match" if hit else style))
                start = offset
        position += len(part)
    return result
