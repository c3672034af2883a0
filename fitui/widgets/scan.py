"""Which lines of a text something is true of: found on a thread where the text is long.

Lines are looked at from a place on and then from the beginning, so that what is near is known
first. Knows no widgets.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable

AT_ONCE = 2000
"""Lines that are looked at without a thread."""

_BREATH = 500
"""Lines after which a thread lets others have their turn."""


class Scan:
    """Looks through the lines of a text once.

    Args:
        count: Number of lines.
        wanted: Asked of each line, on the thread.
        start: Line to begin with.
        tell: Called on the thread when the first line was found, and at the end; never for a text
            that is looked through at once.
    """

    def __init__(
        self,
        count: int,
        wanted: Callable[[int], bool],
        start: int,
        tell: Callable[[Scan], None],
    ) -> None:
        self.count = count
        self.done = False
        self._wanted = wanted
        self._start = max(0, min(start, count - 1))
        self._tell = tell
        self._stopped = False
        self._above: list[int] = []
        self._below: list[int] = []
        if count <= AT_ONCE:
            for index in range(count):
                if wanted(index):
                    self._below.append(index)
            self._start, self.done = 0, True
        else:
            threading.Thread(target=self._run, name="fitui-scan", daemon=True).start()

    def stop(self) -> None:
        """Nobody wants to know any more."""
        self._stopped = True

    @property
    def total(self) -> int:
        """Lines found so far."""
        return len(self._above) + len(self._below)

    def rank(self, line: int) -> int:
        """How many of the found lines come before a line."""
        return bisect_left(self._above, line) + bisect_left(self._below, line)

    def after(self, line: int) -> int | None:
        """The next found line after one, from the beginning again if there is none below.

        None where there is none, or where that is not known yet.
        """
        if line + 1 >= self._start:
            at = bisect_right(self._below, line)
            if at < len(self._below):
                return self._below[at]
        if not self.done:
            return None
        every = self._above + self._below
        at = bisect_right(every, line)
        return every[at % len(every)] if every else None

    def before(self, line: int) -> int | None:
        """The last found line before one, from the end again if there is none above."""
        if not self.done:
            return None
        every = self._above + self._below
        at = bisect_left(every, line)
        return every[at - 1] if every else None

    def _run(self) -> None:
        told = False
        for part, found in (
            (range(self._start, self.count), self._below),
            (range(self._start), self._above),
        ):
            for index in part:
                if self._wanted(index):
                    found.append(index)
                    if not told:
                        told = True
                        self._tell(self)
                if index % _BREATH == 0:
                    if self._stopped:
                        return
                    time.sleep(0)
        self.done = True
        self._tell(self)
