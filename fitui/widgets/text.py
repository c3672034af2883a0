"""A scrolled text on the Line API: styled lines, search, jump to marked lines.

Lines come from a :class:`Lines` source and are asked for only when they are painted, so a log of
a hundred megabytes costs what is visible; looking through them is a thread's work. Knows nothing of
what the text is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Protocol

from rich.cells import cell_len
from textual import events, on
from textual.message import Message
from textual.strip import Strip

from fitui.widgets.lines import LineWidget, Span
from fitui.widgets.scan import Scan
from fitui.widgets.spans import mark_hits, seen_spans


class Lines(Protocol):
    """A text of styled lines."""

    @property
    def noun(self) -> str:
        """What a line worth jumping to is."""

    def __len__(self) -> int:
        """Number of lines."""

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""

    def plain(self, index: int) -> str:
        """A line as it is searched."""

    def is_mark(self, index: int) -> bool:
        """True for a line worth jumping to (an error)."""


class Document:
    """Lines held as spans, for short texts made by the program.

    Args:
        lines: Spans of each line.
        marks: Lines worth jumping to.
    """

    noun = "error"

    def __init__(self, lines: Sequence[list[Span]] = (), marks: Sequence[int] = ()) -> None:
        self.lines = list(lines)
        self._marks = frozenset(marks)

    def __len__(self) -> int:
        return len(self.lines)

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""
        return self.lines[index]

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        return "".join(text for text, _style in self.lines[index])

    def is_mark(self, index: int) -> bool:
        """True for a line worth jumping to."""
        return index in self._marks


class Part:
    """Some lines of a text.

    Args:
        lines: The text.
        first: Line that it begins with.
        last: Line before which it ends.
    """

    def __init__(self, lines: Lines, first: int, last: int) -> None:
        self._lines, self.noun = lines, lines.noun
        self._range = range(max(0, first), min(last, len(lines)))

    def __len__(self) -> int:
        return len(self._range)

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""
        return self._lines.spans(self._range[index])

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        return self._lines.plain(self._range[index])

    def is_mark(self, index: int) -> bool:
        """True for a line worth jumping to."""
        return self._lines.is_mark(self._range[index])


class Joined:
    """Several texts one below the other."""

    def __init__(self, parts: Sequence[Lines]) -> None:
        self._parts = [part for part in parts if len(part)]
        self.noun = self._parts[-1].noun if self._parts else Document.noun
        self._starts: list[int] = []
        total = 0
        for part in self._parts:
            self._starts.append(total)
            total += len(part)
        self._total = total

    def __len__(self) -> int:
        return self._total

    def _find(self, index: int) -> tuple[Lines, int]:
        at = bisect_right(self._starts, index) - 1
        return self._parts[at], index - self._starts[at]

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""
        part, inner = self._find(index)
        return part.spans(inner)

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        part, inner = self._find(index)
        return part.plain(inner)

    def is_mark(self, index: int) -> bool:
        """True for a line worth jumping to."""
        part, inner = self._find(index)
        return part.is_mark(inner)


class TextView(LineWidget):
    """A text that scrolls both ways. The cursor is the line that was jumped to, if any."""

    DEFAULT_CSS = "TextView { height: 1fr; width: 1fr; }"

    class Searched(Message):
        """A search or a jump ended; ``text`` says how."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Scanned(Message):
        """More is known of which lines are looked for."""

        def __init__(self, scan: Scan) -> None:
            super().__init__()
            self.scan = scan

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lines: Lines = Document()
        self.needle = ""
        self.here: int | None = None
        self._top = 0
        self._left = 0
        self._hits: Scan | None = None
        self._errors: Scan | None = None
        self._sought: tuple[Scan, int, int] | None = None
        self._reported: tuple[Scan, int] | None = None

    def show(self, lines: Lines, *, keep: bool = False) -> None:
        """Show a text, from its beginning unless the place is to be kept."""
        self._drop_hits()
        if self._errors is not None:
            self._errors.stop()
            self._errors = None
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
            spans = mark_hits(spans, self.needle)
        if index == self.here:
            spans = [(text, style if style == "match" else "cursor") for text, style in spans]
        width = self.size.width
        spans, left = seen_spans(spans, self._left, width)
        body = self.strip(spans, left=left, fill="cursor" if index == self.here else "")
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
        self._drop_hits()
        self.needle = needle
        if needle:
            self._seek(self._find_hits(), 1, self._place - 1)
        self.repaint()

    @property
    def _place(self) -> int:
        return self.here if self.here is not None else self._top

    def _find_hits(self) -> Scan:
        if self._hits is None:
            wanted, lines = self.needle.casefold(), self.lines
            self._hits = self._scan(lambda index: wanted in lines.plain(index).casefold())
        return self._hits

    def _find_errors(self) -> Scan:
        if self._errors is None:
            self._errors = self._scan(self.lines.is_mark)
        return self._errors

    def _scan(self, wanted: Callable[[int], bool]) -> Scan:
        return Scan(len(self.lines), wanted, self._place, self._tell)

    def _tell(self, scan: Scan) -> None:
        """On the thread of a scan."""
        self.post_message(self.Scanned(scan))

    def _drop_hits(self) -> None:
        if self._hits is not None:
            self._hits.stop()
            self._hits = None

    def _seek(self, scan: Scan, step: int, line: int) -> None:
        """Go to the next found line, at once or as soon as it is known."""
        found = scan.after(line) if step > 0 else scan.before(line)
        self._sought = (scan, step, line) if found is None and not scan.done else None
        if self._sought is not None:
            self.post_message(self.Searched("looking ..."))
        elif found is None:
            noun = self.lines.noun
            what = f"no {noun}s here" if scan is self._errors else f"no {self.needle!r} here"
            self.post_message(self.Searched(what))
        else:
            self.go_to(found)
            self._report(scan, found)

    def _report(self, scan: Scan, line: int) -> None:
        self._reported = (scan, line)
        noun = self.lines.noun if scan is self._errors else "hit"
        # While it is being looked for, a number among all would have to change again.
        which = f"{scan.rank(line) + 1} of {scan.total}" if scan.done else f"{scan.total} so far"
        self.post_message(self.Searched(f"line {line + 1} of {len(self.lines)}, {noun} {which}"))

    @on(Scanned)
    def scanned(self, message: Scanned) -> None:
        """Go where it was not known before, and say how many there are."""
        message.stop()
        scan = message.scan
        if scan is not self._hits and scan is not self._errors:
            return
        if self._sought is not None and self._sought[0] is scan:
            self._seek(*self._sought)
        elif self._reported is not None and self._reported == (scan, self.here):
            self._report(*self._reported)

    # Commands

    def do_next_hit(self) -> None:
        """Next hit."""
        if self.needle:
            before = self.here if self.here is not None else self._top - 1
            self._seek(self._find_hits(), 1, before)

    def do_previous_hit(self) -> None:
        """Previous hit."""
        if self.needle:
            self._seek(self._find_hits(), -1, self._place)

    def do_next_failure(self) -> None:
        """Next error line."""
        self._seek(self._find_errors(), 1, self.here if self.here is not None else -1)

    def do_previous_failure(self) -> None:
        """Previous error line."""
        self._seek(self._find_errors(), -1, self.here if self.here is not None else -1)

    def do_next_change(self) -> None:
        """Next changed part."""
        self.do_next_failure()

    def do_previous_change(self) -> None:
        """Changed part before."""
        self.do_previous_failure()

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
