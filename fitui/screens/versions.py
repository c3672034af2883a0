"""Versions of a solution: those that were kept and those that were run, and how they did.

Reads the store and the kept versions; knows no widgets, so that it can work on a thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from engine.schema import Solution
from engine.store import TraceRow, TraceStore, kept_versions
from fitui.screens.history_model import MOST
from fitui.where import exact


class Version(Struct, frozen=True, kw_only=True):
    """One version of a solution.

    Args:
        version: Content hash.
        since: Unix seconds since when it is known, or None.
        current: True for what the dataset has now.
        kept: True where its sources are at hand.
        n_passed: Workloads whose latest evaluation of this version passed, ``n_failed`` did not.
        geomean_speedup: Over the workloads that passed.
        note: Of the newest run of it, ``commit`` likewise.
    """

    version: str
    since: float | None
    current: bool
    kept: bool
    n_passed: int = 0
    n_failed: int = 0
    geomean_speedup: float | None = None
    note: str = ""
    commit: str = ""


def versions_of(store: TraceStore, name: str) -> list[Version]:
    """Every version of a solution that something is known of, newest first.

    Args:
        store: The dataset.
        name: Of the solution.
    """
    current = _current(store, name)
    now = current.content_hash() if current else ""
    since = {solution.content_hash(): when for solution, when in kept_versions(name)}
    kept = {*since, now}
    rows: dict[str, list[TraceRow]] = {}
    for row in store.traces(exact("solution", name), sort="-time", limit=MOST):
        if row.version:
            rows.setdefault(row.version, []).append(row)
            if row.time is not None:
                since[row.version] = min(since.get(row.version, math.inf), row.time)
    found = [
        _version(store, version, since.get(version), version == now, version in kept, ran)
        for version, ran in {**dict.fromkeys((*since, now), ()), **rows}.items()
        if version
    ]
    # What the dataset has now is the newest, whenever it was written.
    return sorted(found, key=lambda item: (item.current, item.since or 0.0), reverse=True)


def _current(store: TraceStore, name: str) -> Solution | None:
    try:
        return store.solution(name)
    except (LookupError, ValueError, OSError):
        return None


def _version(
    store: TraceStore,
    version: str,
    since: float | None,
    current: bool,
    kept: bool,
    rows: Sequence[TraceRow],
) -> Version:
    latest: dict[str, TraceRow] = {}
    for row in rows:
        latest.setdefault(row.workload, row)
    passed = [row for row in latest.values() if row.status == "PASSED"]
    speedups = [row.speedup for row in passed if row.speedup]
    mean = math.exp(math.fsum(map(math.log, speedups)) / len(speedups)) if speedups else None
    libs: dict[str, str] = {}
    if rows:
        try:
            evaluation = store.trace(rows[0].id).evaluation
        except (LookupError, ValueError, OSError):
            evaluation = None
        libs = evaluation.environment.libs if evaluation else {}
    return Version(
        version=version,
        since=since,
        current=current,
        kept=kept,
        n_passed=len(passed),
        n_failed=len(latest) - len(passed),
        geomean_speedup=mean,
        note=libs.get("fitui.note", ""),
        commit=libs.get("fitui.commit", ""),
    )
