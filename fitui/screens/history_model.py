"""Evaluations of a solution in their order: what changed between them, and who got slower.

Reads the store; knows no widgets, so that it can work on a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from msgspec import Struct

from engine.measure.verdicts import Latency, verdict_of_separate
from engine.schema import Status
from engine.schema.run import Verdict
from engine.store import TraceRow, TraceStore
from fitui.screens.reasons import own_figures
from fitui.where import exact
from fitui.widgets.series import Point

MOST = 2000
"""Traces that are shown, the newest."""

READ = 300
"""Traces of which the whole line is read, for interval and packages; the newest."""

NO_HASH = "other"
"""What stands for the version of a trace that another program made."""

_NAMED = 3


class Line(Struct, frozen=True):
    """What only the whole trace tells.

    Args:
        interval: Relative half width of the 95 % interval of its latency, or None.
        libs: Versions of packages and of the driver.
    """

    interval: float | None
    libs: dict[str, str]


class HistoryRow(Struct, frozen=True, kw_only=True):
    """One evaluation.

    Args:
        trace: As the store has it.
        interval: Relative half width of the 95 % interval of its latency, or None.
        change: What is different since the evaluation before, in words, or "".
        letter: ``v`` where the version of the solution changed, ``e`` where the environment did.
        verdict: Slower or faster than the last one on the same workload, hardware and timer.
    """

    trace: TraceRow
    interval: float | None
    change: str
    letter: str
    verdict: Verdict | None


class History(Struct, frozen=True):
    """Evaluations, newest first.

    Args:
        rows: At most :data:`MOST`.
        every: How many there are.
    """

    rows: list[HistoryRow]
    every: int


def look_up(store: TraceStore, solution: str, workload: str, known: dict[int, Line]) -> History:
    """Read the history of a solution.

    Args:
        store: With the traces.
        solution: Name; all its versions count.
        workload: uuid, or "" for all.
        known: What was read before, by the trace's id; more is added.
    """
    if workload:
        found = store.history(solution, workload)
    else:
        found = store.traces(exact("solution", solution), sort="-time", limit=MOST)
    every = len(found)
    if every == MOST:
        every = store.count("traces", exact("solution", solution))
    shown = list(found[:MOST])
    for row in shown[:READ]:
        if row.id not in known:
            known[row.id] = _read(store, row.id)
    return History(rows_of(shown, known), every)


def _read(store: TraceStore, number: int) -> Line:
    try:
        evaluation = store.trace(number).evaluation
    except (LookupError, ValueError, OSError):
        # Its file has just changed: the next look has it.
        return Line(None, {})
    if evaluation is None:
        return Line(None, {})
    interval = own_figures(evaluation.correctness).get("ci")
    libs = {
        name: version
        for name, version in evaluation.environment.libs.items()
        if not name.startswith("fitui.")
    }
    return Line(interval if isinstance(interval, float) else None, libs)


def rows_of(traces: Sequence[TraceRow], lines: Mapping[int, Line]) -> list[HistoryRow]:
    """What there is to say of evaluations.

    Args:
        traces: Newest first.
        lines: What is known of their lines, by id.

    Returns:
        A row for each, in the same order.
    """
    # Only of those before: a regression must not count as the noise that it is measured by.
    spread = _Spread()
    passed: dict[tuple[str, str, str], TraceRow] = {}
    before: TraceRow | None = None
    rows: list[HistoryRow] = []
    for trace in reversed(traces):
        line = lines.get(trace.id)
        version, environment = "", ""
        if before is not None:
            version = _version_change(before, trace)
            environment = _environment_change(before, trace, lines)
        key = _group(trace)
        verdict = None
        if is_timed(trace):
            if (last := passed.get(key)) is not None:
                found, _why = verdict_of_separate(_latency(last), _latency(trace), spread.value)
                verdict = found if found in (Verdict.SLOWER, Verdict.FASTER) else None
            passed[key] = trace
            spread.add(trace, line)
        rows.append(
            HistoryRow(
                trace=trace,
                interval=line.interval if line else None,
                change="; ".join(filter(None, (version, environment))),
                letter="v" if version else "e" if environment else "",
                verdict=verdict,
            )
        )
        before = trace
    rows.reverse()
    return rows


def is_timed(trace: TraceRow) -> bool:
    """True for an evaluation whose latency means something."""
    return trace.status == Status.PASSED and trace.latency_ms is not None


def _latency(trace: TraceRow) -> Latency:
    return Latency(latency_ms=trace.latency_ms or 0.0, timer=trace.timer, hardware=trace.hardware)


class _Spread:
    """By how much evaluations of one and the same thing have differed so far, relatively."""

    def __init__(self) -> None:
        self.value = 0.0
        self._ends: dict[tuple[object, ...], tuple[float, float]] = {}

    def add(self, trace: TraceRow, line: Line | None) -> None:
        """Take one more into account; a trace that does not say its version tells nothing."""
        latency = trace.latency_ms or 0.0
        if not trace.version or latency <= 0:
            return
        libs = tuple(sorted(line.libs.items())) if line else ()
        key = (trace.version, *_group(trace), libs)
        low, high = self._ends.get(key, (latency, latency))
        self._ends[key] = low, high = min(low, latency), max(high, latency)
        self.value = max(self.value, high / low - 1)


def _version_change(before: TraceRow, after: TraceRow) -> str:
    if before.version == after.version:
        return ""
    return f"version {short_hash(before.version)} -> {short_hash(after.version)}"


def short_hash(version: str) -> str:
    """The beginning of a content hash."""
    return version[:8] or NO_HASH


def _environment_change(before: TraceRow, after: TraceRow, lines: Mapping[int, Line]) -> str:
    pairs = [
        ("hardware", before.hardware, after.hardware),
        ("timer", before.timer, after.timer),
    ]
    one, other = lines.get(before.id), lines.get(after.id)
    if one is not None and other is not None and one.libs and other.libs:
        names = sorted(one.libs.keys() | other.libs.keys())
        pairs += [(name, one.libs.get(name, ""), other.libs.get(name, "")) for name in names]
    changed = [
        f"{name} {old or 'none'} -> {new or 'none'}" for name, old, new in pairs if old != new
    ]
    more = len(changed) - _NAMED
    return ", ".join(changed[:_NAMED] + ([f"{more} more"] if more > 0 else []))


def points_of(rows: Sequence[HistoryRow], *, relative: bool) -> tuple[Point, ...]:
    """Latencies for a chart, oldest first.

    Args:
        rows: Newest first.
        relative: To the median of the same workload, hardware and timer, since those of different
            ones have no common scale; else in milliseconds.
    """
    groups: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        if is_timed(row.trace):
            groups.setdefault(_group(row.trace), []).append(row.trace.latency_ms or 0.0)
    middles = {key: median(found) or 1.0 for key, found in groups.items()}
    points: list[Point] = []
    for row in reversed(rows):
        value: float | None = None
        if is_timed(row.trace):
            value = row.trace.latency_ms or 0.0
            if relative:
                value /= middles[_group(row.trace)]
        points.append(Point(value, row.letter))
    return tuple(points)


def _group(trace: TraceRow) -> tuple[str, str, str]:
    return (trace.workload, trace.hardware, trace.timer)
