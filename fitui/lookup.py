"""Something that is found out on a thread of its own while a page shows what it knows already.

A page owns it; it knows neither pages nor widgets. Nobody waits for it: whoever asks is told when
there is something else to show.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Lookup(Generic[T]):
    """Finds something out, one time after the other, for as long as somebody wants it.

    Args:
        find: What is to be found out; called on the thread.
        tell: Called on the thread when something else was found, with "", or with what went wrong.
        wanted: False once nobody looks any more; asked on the thread.
        every: Seconds after which it is found out anew by itself; 0 for only when asked.
    """

    def __init__(
        self,
        find: Callable[[], T],
        tell: Callable[[str], None],
        wanted: Callable[[], bool],
        *,
        every: float = 0.0,
    ) -> None:
        self.found: T | None = None
        self._find = find
        self._tell = tell
        self._wanted = wanted
        self._every = every
        self._problem = ""
        self._asked = False
        self._busy = False
        self._lock = threading.Lock()
        self._wake = threading.Event()

    def ask(self) -> None:
        """Have it found out, once more if that is going on just now."""
        with self._lock:
            self._asked = True
            self._wake.set()
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._run, name="fitui-lookup", daemon=True).start()

    def forget(self) -> None:
        """What is known now came another way: tell what is found next, whatever it is."""
        self.found = None

    def _goes_on(self) -> bool:
        with self._lock:
            self._busy = self._asked and self._wanted()
            self._asked = False
            self._wake.clear()
            return self._busy

    def _run(self) -> None:
        while self._goes_on():
            found, problem = self.found, ""
            try:
                found = self._find()
            except Exception as error:  # What is broken is said; the rest goes on.
                problem = str(error) or type(error).__name__
            if self._wanted() and (found != self.found or problem != self._problem):
                self.found, self._problem = found, problem
                with suppress(RuntimeError):  # The screen has just gone.
                    self._tell(problem)
            if self._every:
                self._wake.wait(self._every)
                with self._lock:
                    self._asked = True
