"""What timers are called. Nothing here knows torch."""

from __future__ import annotations

FLASHINFER = "flashinfer"
FLASHINFER_EVENTS = "flashinfer-events"

NAMES = ("auto", "cupti", "kineto", "events", FLASHINFER)
"""What may be asked for; "auto" is the best that works."""

TIMERS = (
    "cupti",
    "kineto",
    "events-blocked",
    "events",
    FLASHINFER,
    FLASHINFER_EVENTS,
    "cpu-clock",
)
"""What a result can name; of those that stand in for one another, the better one first."""


def best_of(timers: set[str]) -> str:
    """The best of some timers; one that is not known here is the last choice, "" without any."""
    return min(timers, key=_place, default="")


def _place(timer: str) -> tuple[int, str]:
    return (TIMERS.index(timer) if timer in TIMERS else len(TIMERS), timer)
