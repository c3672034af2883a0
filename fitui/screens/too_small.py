"""What is shown instead of everything where the terminal is too small for it."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.geometry import Size

from fitui import commands
from fitui.screens.dialog import Dialog
from fitui.screens.documents import Line, wrapped
from fitui.widgets.text import Document, TextView

WIDTH, HEIGHT = 60, 15
"""Columns and lines that every page needs."""


def fits(size: Size) -> bool:
    """True for a terminal that is large enough."""
    return size.width >= WIDTH and size.height >= HEIGHT


class TooSmall(Dialog[None]):
    """Says how large it has to be; the app takes it away once it is."""

    DEFAULT_CSS = """
    TooSmall { background: $background; }
    TooSmall > TextView { width: 100%; height: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._text = TextView(id="too-small")

    def compose(self) -> ComposeResult:
        """A text."""
        yield self._text

    def on_resize(self, event: events.Resize) -> None:
        """Say it anew."""
        size, width = event.size, max(8, event.size.width)
        lines: list[Line] = wrapped(
            f"This terminal is {size.width}x{size.height}; {WIDTH}x{HEIGHT} is needed.",
            width,
            "warn",
        )
        leave = commands.key_of("leave")
        words = (
            "Make the window larger or its letters smaller; in tmux, prefix z gives the pane "
            f"the whole window. {leave} leaves; runs go on. `fitui ls` needs no screen."
        )
        self._text.show(Document([*lines, *wrapped(words, width)]))

    def on_key(self, event: events.Key) -> None:
        """Leaving is all that can be done."""
        event.stop()
        command = commands.for_key(event.key, {"app"})
        if command is not None and command.id == "leave":
            self.app.exit(0)
