"""Which figures can be ranked with one another: those that were taken by the same timer.

A time by ``flashinfer`` contains what the host takes, one by ``cupti`` does not: the faster of two
solutions can be the slower one if each was timed in its own way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from engine.measure.names import best_of
from engine.schema.names import Status
from engine.store import TraceRow


def ranking_timer(counts: Mapping[str, int]) -> str:
    """The timer by which figures are ranked: that of most of them, else the best of those.

    Args:
        counts: Figures by timer; "" for traces that do not name theirs, such as flashinfer-bench's.
    """
    most = max(counts.values(), default=0)
    return best_of({timer for timer, number in counts.items() if number == most})


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
