"""Reading again what a page shows, on a thread, as often as it changes and not more often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Reread(Generic[T]):
    """One reading after the other; what was asked for during one is one more behind it.

    Args:
        read: Reads; called on a thread.
        tell: Called on the thread when there is something to :meth:`take`, with "", or with
            why it could not be read.
    """

    def __init__(self, read: Callable[[], T], tell: Callable[[str], None]) -> None:
        self._read = read
        self._tell = tell
        self._asked = self._busy = False
        self._found: T | None = None
        self._lock = threading.Lock()

    def ask(self) -> None:
        """Have it read as it is now, or a little later."""
        with self._lock:
            self._asked = True
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._run, name="fitui-reread", daemon=True).start()

    def take(self) -> T | None:
        """What was read last, once."""
        with self._lock:
            found, self._found = self._found, None
        return found

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._asked:
                    self._busy = False
                    return
                self._asked = False
            words = ""
            try:
                found = self._read()
            except Exception as error:  # What cannot be read is said; what is shown stays.
                words = f"{type(error).__name__}: {error}"
            else:
                with self._lock:
                    self._found = found
            with suppress(RuntimeError):  # The screen has just gone.
                self._tell(words)
