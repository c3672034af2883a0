"""What timers are called, and whose figures can be ranked with one another.

A time by ``flashinfer`` contains what the host takes, one by ``cupti`` does not: the faster of two
solutions can be the slower one if each was timed in its own way.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def ranking_timer(counts: Mapping[str, int]) -> str:
    """The timer by which figures are ranked: that of most of them, else the best of those.

    Args:
        counts: Figures by timer; "" for traces that do not name theirs, such as flashinfer-bench's.
    """
    most = max(counts.values(), default=0)
    return best_of({timer for timer, number in counts.items() if number == most})


def _place(timer: str) -> tuple[int, str]:
    return (TIMERS.index(timer) if timer in TIMERS else len(TIMERS), timer)
