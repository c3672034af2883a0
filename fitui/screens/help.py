"""Help: the keys that are valid where ``?`` was pressed, from the registry."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from fitui.command_table import Command
from fitui.commands import shown_key
from fitui.screens.dialog import Dialog
from fitui.screens.documents import Line
from fitui.widgets.lines import Span
from fitui.widgets.one_line import OneLine
from fitui.widgets.text import Document, TextView

LEGEND: tuple[tuple[str, str], ...] = (
    ("P", "passed"),
    ("N", "incorrect numerical"),
    ("S", "incorrect shape"),
    ("D", "incorrect dtype"),
    ("R", "runtime error"),
    ("C", "compile error"),
    ("T", "timeout"),
    ("q w b f k t v", "queued, waiting, building, first call, checking, timing, verifying"),
    (".", "never run"),
    ("-", "not run in this run: the status line says why"),
    ("q r p s f c x", "a run: queued, running, paused, stopped, finished, cancelled, failed"),
)


class HelpScreen(Dialog[None]):
    """Keys, and what the letters mean.

    Args:
        commands: Those that are valid.
    """

    DEFAULT_CSS = "HelpScreen TextView { height: 1fr; } HelpScreen > #box { height: 90%; }"
    _MOVES: ClassVar[dict[str, str]] = {
        "j": "do_down",
        "down": "do_down",
        "k": "do_up",
        "up": "do_up",
        "pagedown": "do_page_down",
        "space": "do_page_down",
        "ctrl+d": "do_half_down",
        "ctrl+u": "do_half_up",
        "pageup": "do_page_up",
        "g": "do_first",
        "home": "do_first",
        "G": "do_last",
        "end": "do_last",
    }

    def __init__(self, commands: list[Command]) -> None:
        super().__init__()
        self._commands = commands
        self.text = TextView(id="keys")

    def compose(self) -> ComposeResult:
        """A title, the text, a footer."""
        with Vertical(id="box"):
            yield OneLine(id="help-title")
            yield self.text

    def on_mount(self) -> None:
        """Say what it is."""
        title: list[Span] = [(" keys valid here", "title")]
        self.query_one("#help-title", OneLine).show(title, [("Esc closes ", "dim")])

    def on_resize(self) -> None:
        """Wrap at the width that there is."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        self.text.show(Document(help_lines(self._commands, self.text.size.width)), keep=True)

    def on_key(self, event: events.Key) -> None:
        """Scroll, or close."""
        event.stop()
        if event.key in ("escape", "q", "question_mark", "f1", "enter", "ctrl+q", "ctrl+c"):
            self.dismiss()
        elif name := self._MOVES.get(event.key):
            getattr(self.text, name)()


def help_lines(commands: list[Command], width: int) -> list[Line]:
    """Keys and sentences, then the letters of verdicts and phases.

    Args:
        commands: Those that are valid.
        width: Columns to wrap at.
    """
    commands = sorted(commands, key=lambda item: item.footer or len(commands))
    keys = [" ".join(shown_key(key) for key in item.keys) for item in commands]
    column = max((len(key) for key in keys), default=0)
    room = max(20, width - column - 4)

    def entry(key: str, words: str) -> list[Line]:
        first, *rest = textwrap.wrap(words, room)
        head: Line = [(f" {key:<{column}}  ", "accent"), (first, "")]
        return [head, *([(" " * (column + 3) + part, "")] for part in rest)]

    lines = [
        line for key, item in zip(keys, commands, strict=True) for line in entry(key, item.help)
    ]
    lines += [[], [(" letters in a cell", "title")]]
    return lines + [line for letters, words in LEGEND for line in entry(letters, words)]
