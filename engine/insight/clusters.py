"""Failures of the same cause as one row: how many, of what, since when, how many are new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import attrgetter

from msgspec import Struct

from engine.insight.causes import Cause, CauseKind
from engine.insight.failing_axes import EVERYWHERE, Pattern
from engine.insight.folding import key_of

Patterns = Mapping[tuple[str, str], Pattern]
"""What the failing workloads have in common, by definition and solution."""


class Failure(Struct, frozen=True, gc=False):
    """One evaluation that failed, as far as clusters need it."""

    trace: int
    definition: str
    solution: str
    workload: str
    status: str
    time: float | None
    cause: Cause


class Cluster(Struct, frozen=True, kw_only=True):
    """Failures of the same cause.

    Args:
        key: The same in every run; ``cause:KEY`` in a filter of traces.
        status: That most of them have.
        kind: Of the cause.
        line: The cause as the newest one says it.
        hint: What to try, or "".
        traces: How many.
        solutions: How many different ones; likewise the others.
        since: Unix seconds of the oldest.
        last: Unix seconds of the newest.
        new: How many came since the last visit.
        muted: Whether the user wants to see it no more.
        example: Id of the newest.
    """

    key: str
    status: str
    kind: str
    line: str
    hint: str
    traces: int
    solutions: int
    workloads: int
    definitions: int
    since: float | None
    last: float | None
    new: int
    muted: bool
    example: int


def cluster_key(failure: Failure, patterns: Patterns) -> str:
    """Key of the cluster that a failure belongs to.

    Wrong values have no message that says why; they are told apart by definition, by the size of
    the error and by where they occur.
    """
    if failure.cause.kind is not CauseKind.NUMERICAL:
        return failure.cause.key
    pattern = patterns.get((failure.definition, failure.solution), EVERYWHERE)
    return key_of(failure.cause.key, failure.definition, pattern.name)


def by_cluster(failures: Iterable[Failure], patterns: Patterns) -> dict[str, list[Failure]]:
    """Failures by the key of their cluster."""
    members: dict[str, list[Failure]] = {}
    for failure in failures:
        members.setdefault(cluster_key(failure, patterns), []).append(failure)
    return members


def cluster_up(
    failures: Iterable[Failure], patterns: Patterns, *, last_visit: float, muted: Iterable[str]
) -> list[Cluster]:
    """The clusters of some failures, the most frequent first, those that are muted last.

    Args:
        failures: In any order.
        patterns: For wrong values.
        last_visit: Unix seconds from which on a failure is new; 0 where nobody was here before.
        muted: Keys.
    """
    unwanted = frozenset(muted)
    clusters = [
        _cluster(key, found, patterns, last_visit, key in unwanted)
        for key, found in by_cluster(failures, patterns).items()
    ]
    return sorted(clusters, key=lambda item: (item.muted, -item.traces, item.key))


def _cluster(
    key: str, members: list[Failure], patterns: Patterns, last_visit: float, muted: bool
) -> Cluster:
    newest = max(members, key=lambda item: (item.time or 0.0, item.trace))
    times = [item.time for item in members if item.time is not None]
    line = newest.cause.line
    if newest.cause.kind is CauseKind.NUMERICAL:
        pattern = patterns.get((newest.definition, newest.solution), EVERYWHERE)
        line = f"{newest.definition}: {line} {pattern.text}"
    return Cluster(
        key=key,
        status=Counter(item.status for item in members).most_common(1)[0][0],
        kind=newest.cause.kind.value,
        line=line,
        hint=newest.cause.hint,
        traces=len(members),
        solutions=len({item.solution for item in members}),
        workloads=len({(item.definition, item.workload) for item in members}),
        definitions=len({item.definition for item in members}),
        since=min(times, default=None),
        last=max(times, default=None),
        new=sum(moment > last_visit for moment in times) if last_visit else 0,
        muted=muted,
        example=newest.trace,
    )


SORTS = (
    "status",
    "traces",
    "line",
    "solutions",
    "workloads",
    "definitions",
    "since",
    "last",
    "new",
)
"""Fields that clusters are sorted by."""


def sort_clusters(clusters: Iterable[Cluster], sort: str) -> list[Cluster]:
    """Clusters in order of a field, ``-`` before it for descending; muted ones stay last.

    Raises:
        LookupError: They have no such field.
    """
    rows = list(clusters)
    name = sort.lstrip("-")
    if not name:
        return rows
    if name not in SORTS:
        raise LookupError(f"clusters are not sorted by {name!r} but by {', '.join(SORTS)}")
    rows.sort(key=attrgetter("key"))
    rows.sort(key=lambda row: _sort_key(row, name), reverse=sort.startswith("-"))
    rows.sort(key=attrgetter("muted"))
    return rows


def _sort_key(row: Cluster, name: str) -> tuple[bool, str | float]:
    value: str | float | None = getattr(row, name)
    return (False, 0) if value is None else (True, value)
