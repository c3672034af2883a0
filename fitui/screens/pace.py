"""When news may be painted: at most four times a second, and never ahead of the terminal.

Behind each live frame the terminal is asked where its cursor is (``ESC[6n``). Its answer comes
when it has painted the frame, so a slow line gets as many frames as it can carry, and a key's own
frame waits for one live frame at most. A terminal that never answers is paced by time. Knows no
Textual, and no clock.
"""

from __future__ import annotations

PERIOD_S = 0.25
"""Seconds between two live frames at least."""

PATIENCE_S = 2.0
"""Seconds after which an answer is not waited for any longer."""

PROBES = 3
"""Questions without an answer after which none is asked any more."""

BLIND_S = 0.5
"""Seconds between two live frames where the terminal does not answer."""


class Pace:
    """The pace of live frames. Times are seconds of any clock that only goes forward."""

    def __init__(self) -> None:
        self._next = 0.0
        self._asked: float | None = None
        self._unanswered = 0

    @property
    def asks(self) -> bool:
        """True where the terminal may answer, and does not owe an answer."""
        return self._unanswered < PROBES and self._asked is None

    def wait(self, now: float) -> float:
        """Seconds until the next live frame, or until it is to be asked again; 0.0 for now."""
        if self._asked is not None:
            left = self._asked + PATIENCE_S - now
            if left > 0:
                return left
            self._asked = None
            self._unanswered += 1
        return max(0.0, self._next - now)

    def painted(self, now: float) -> None:
        """A live frame is being painted."""
        self._next = now + (PERIOD_S if self._unanswered < PROBES else BLIND_S)

    def asked(self, now: float) -> None:
        """The terminal was asked whether it has painted it."""
        self._asked = now

    def answered(self) -> None:
        """It has."""
        self._asked = None
        self._unanswered = 0
