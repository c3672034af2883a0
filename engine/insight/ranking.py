"""Means of figures that can be compared: those that were taken by the same timer."""

from __future__ import annotations

import math
from collections.abc import Iterable

from engine.schema.names import Status
from engine.store import TraceRow


def timer_words(timer: str) -> str:
    """A timer's name for a sentence."""
    return timer or "an unnamed timer"


def geomeans(rows: Iterable[TraceRow], timer: str) -> dict[str, float]:
    """Geometric mean of each solution's speedups by one timer.

    Args:
        rows: Latest evaluations of one definition.
        timer: The others are left out.

    Returns:
        By the name of the solution, for those that have any.
    """
    logarithms: dict[str, list[float]] = {}
    for row in rows:
        if row.timer == timer and row.status == Status.PASSED and row.speedup:
            logarithms.setdefault(row.solution, []).append(math.log(row.speedup))
    return {name: math.exp(math.fsum(found) / len(found)) for name, found in logarithms.items()}
