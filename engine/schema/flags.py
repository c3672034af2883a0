"""Flags: what a reader should know of a measurement, as words among a trace's own figures.

A flag is a word ("host_sync") or a word with a detail ("throttled: power cap", "low clock: 1200 of
1980 MHz"). ``engine.measure`` and ``engine.run`` raise them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

ALARMS = frozenset({"faster than the limit", "below an empty call", "no device work", "late work"})
"""Flags of times that cannot be true of an honest solution: somebody has to look at it.

Every index has sums of them: raise ``engine.store.tables.VERSION`` with a change.
"""


def is_alarm(flags: Collection[str]) -> bool:
    """Whether one of a measurement's flags is an alarm."""
    return not ALARMS.isdisjoint(flags)


def word_of(flag: str) -> str:
    """A flag without its detail."""
    return flag.partition(": ")[0]


def plain_flags(flags: Iterable[str]) -> list[str]:
    """Flags without details that have figures in them, each once and in order.

    Figures differ from trace to trace; without them few different sets of flags are left.
    """
    return sorted(
        {word_of(flag) if any(map(str.isdigit, flag)) else flag for flag in flags if flag}
    )
