"""What stands between Textual and the terminal: writes of each frame only what changed.

Pinned to the Textual of pyproject.toml: it overrides how the Linux driver writes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from textual import events
from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from fitui.frames import Shadow

QUESTION = "\x1b[6n"
_FRAME = re.compile(r"\x1b\[\d+;\d+H")
_QUIET = re.compile(r"(?:\x1b\[[?<>=]?[\d;]*[$ ]?[a-ln-zA-IK-Z]|\x1b\][^\x07\x1b]*\x07)+")
"""Sequences that change no cell: modes, questions, the clipboard, the title."""


class ThinDriver(LinuxDriver):
    """A terminal that is written to as little as possible."""

    def __init__(self, *args: object, **options: object) -> None:
        self._shadow = Shadow()
        self._opening = ""
        self._when_asked: Callable[[], None] | None = None
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def write(self, data: str) -> None:
        """Write data; of a frame, what the terminal does not show yet."""
        if data == SYNC_START:
            self._opening = data
            return
        if data == SYNC_END:
            opened, self._opening = not self._opening, ""
            if opened:
                super().write(data)
            return
        if _FRAME.match(data):
            data = self._shadow.reduce(data, self._window())
            if not data:
                return
            if self._when_asked is not None:
                data += QUESTION
                self._when_asked()
                self._when_asked = None
        elif not _QUIET.fullmatch(data):
            self.forget()
        super().write(self._opening + data)
        self._opening = ""

    def ask_behind_next_frame(self, when_asked: Callable[[], None]) -> None:
        """Ask the terminal where its cursor is once it has the next frame, if there is any.

        Args:
            when_asked: Called then. The answer comes as an event ``CursorPosition``.
        """
        self._when_asked = when_asked

    def forget(self) -> None:
        """The terminal may show anything now."""
        self._shadow.forget()

    def start_application_mode(self) -> None:
        """Take the terminal over, at the start and after something else had it."""
        self.forget()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def process_message(self, message: Message) -> None:
        """Hand on what the terminal says. One of another size may have lost cells."""
        if isinstance(message, events.Resize):
            self.forget()
        super().process_message(message)

    def _window(self) -> tuple[int, int]:
        try:
            columns, lines = os.get_terminal_size(self.fileno)
        except OSError:
            columns, lines = 80, 24
        return columns, lines
