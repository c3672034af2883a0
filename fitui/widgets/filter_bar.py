"""One line in which a filter, a search or a command is typed, without a blinking cursor.

It reports every change, so that the rows follow as you type, and underlines the part of the text
that an error is about. It knows no filter language.
"""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.message import Message
from textual.strip import Strip

from fitui.format import clean
from fitui.widgets.lines import LineWidget, Span


class FilterBar(LineWidget, can_focus=True, inherit_bindings=False):
    """A line editor with the keys of a shell: Ctrl+A, E, U, W, arrows, Home, End."""

    DEFAULT_CSS = "FilterBar { height: 1; width: 100%; }"

    class Changed(Message):
        """The text changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Kept(Changed):
        """Enter."""

    class Left(Message):
        """Escape."""

    def __init__(self, *, prompt: str = "/", id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.prompt = prompt
        self.text = ""
        self.note = ""
        self._at = 0
        self._wrong: tuple[int, int] | None = None

    def begin(self, prompt: str, text: str) -> None:
        """Start editing a text."""
        self.prompt, self.text, self._at = prompt, text, len(text)
        self._wrong, self.note = None, ""
        self.repaint()

    def judge(self, note: str, wrong: tuple[int, int] | None = None) -> None:
        """Say something at the right end, and underline what is wrong.

        Args:
            note: E.g. how many rows are left.
            wrong: First and last-plus-one character of the error.
        """
        self.note, self._wrong = note, wrong
        self.repaint()

    def paint(self, y: int) -> Strip:
        """Prompt, text with the cursor and the error, and the note."""
        spans: list[Span] = [(f"{self.prompt} ", "accent")]
        start, end = self._wrong or (0, 0)
        if self._wrong:
            end = max(end, start + 1)
        for index, letter in enumerate(self.text + " "):
            style = "wrong" if start <= index < end else "title"
            spans.append((letter, "match" if index == self._at else style))
        used = len(self.prompt) + 2 + len(self.text)
        room = self.size.width - used - len(self.note) - 1
        if room > 0:
            spans += [(" " * room, ""), (self.note, "wrong" if self._wrong else "dim")]
        return self.strip(spans, left=max(0, used - self.size.width))

    def on_key(self, event: events.Key) -> None:
        """Edit. No key gets past."""
        event.stop()
        event.prevent_default()
        key = event.key
        if key == "enter":
            self.post_message(self.Kept(self.text))
        elif key in ("escape", "ctrl+c"):
            self.post_message(self.Left())
        elif key in _MOVES:
            self._at = max(0, min(len(self.text), _MOVES[key](self)))
            self.repaint()
        elif key in _CUTS:
            start = max(0, _CUTS[key](self))
            self._edit(start, max(self._at, start + (key == "delete")), "")
        elif event.character and event.is_printable:
            self._edit(self._at, self._at, event.character)
        else:
            self.on_other_key(key)

    def on_other_key(self, key: str) -> None:
        """A key that edits nothing; for a subclass."""

    def on_paste(self, event: events.Paste) -> None:
        """Insert pasted text, as one line."""
        event.stop()
        self._edit(self._at, self._at, clean(event.text.strip()))

    def _edit(self, start: int, end: int, new: str) -> None:
        text = self.text[:start] + new + self.text[end:]
        self._at = start + len(new)
        if text == self.text:
            self.repaint()
            return
        self.text, self._wrong = text, None
        self.repaint()
        self.post_message(self.Changed(text))


def _word_start(bar: FilterBar) -> int:
    head = bar.text[: bar._at].rstrip()
    return head.rfind(" ") + 1


_MOVES: dict[str, Callable[[FilterBar], int]] = {
    "left": lambda bar: bar._at - 1,
    "right": lambda bar: bar._at + 1,
    "home": lambda bar: 0,
    "ctrl+a": lambda bar: 0,
    "end": lambda bar: len(bar.text),
    "ctrl+e": lambda bar: len(bar.text),
}
_CUTS: dict[str, Callable[[FilterBar], int]] = {
    "backspace": lambda bar: bar._at - 1,
    "ctrl+h": lambda bar: bar._at - 1,
    "delete": lambda bar: bar._at,
    "ctrl+u": lambda bar: 0,
    "ctrl+w": _word_start,
}
