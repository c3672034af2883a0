"""A text about the row under the cursor, made on a thread once the cursor has come to rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fitui.widgets.text import Document, Lines

REST_S = 0.08
"""Seconds that the cursor stays on a row before the text about it is made."""


class PreviewFeed:
    """Makes one text after the other, always for the row that was asked for last.

    Args:
        make: Makes the text about a row; called on the thread.
        tell: Called on the thread when there is another text, with "".
        wanted: False once nobody looks any more; asked on the thread.
    """

    def __init__(
        self,
        make: Callable[[Any], Lines],
        tell: Callable[[str], None],
        wanted: Callable[[], bool],
    ) -> None:
        self.lines: Lines = Document()
        self._make = make
        self._tell = tell
        self._wanted = wanted
        self._row: Any = None
        self._due = 0.0
        self._asked = False
        self._busy = False
        self._lock = threading.Lock()

    def ask(self, row: Any) -> None:
        """Have the text about a row made, unless it is the one that is there or on its way."""
        with self._lock:
            if row is self._row or row == self._row:
                return
            self._row, self._asked = row, True
            self._due = time.monotonic() + REST_S
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._run, name="fitui-preview", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                rest, row = self._due - time.monotonic(), self._row
                if rest <= 0:
                    if not self._asked or not self._wanted():
                        self._busy = False
                        return
                    self._asked = False
            if rest > 0:
                time.sleep(rest)
                continue
            try:
                lines = self._make(row) if row is not None else Document()
            except Exception as error:  # What is broken is said; the table goes on.
                lines = Document([[], [(f" {error}", "failed")]])
            with self._lock:
                if not self._asked:
                    self.lines = lines
            with suppress(RuntimeError):  # The screen has just gone.
                self._tell("")
