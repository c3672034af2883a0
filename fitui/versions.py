"""Versions of solutions, as they were when they ran."""

from __future__ import annotations

from engine.schema import Solution
from engine.store import TraceStore


def find_version(store: TraceStore, name: str, version: str) -> tuple[Solution, str] | None:
    """A solution as it was when it ran, else as it is now, and what a view calls it.

    Args:
        store: The dataset.
        name: Of the solution.
        version: Content hash, or "".
    """
    try:
        current = store.solution(name)
    except (LookupError, ValueError, OSError):
        current = None
    if version and (current is None or current.content_hash() != version):
        try:
            return store.solution(name, version), f"{name}@{version}"
        except (LookupError, ValueError, OSError):
            pass
    return None if current is None else (current, name)
