"""What a solution's sources are held against, and the difference as lines.

Reads the store and the kept versions; knows no widgets, so that it can work on a thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec import Struct

from engine.schema import Solution
from engine.store import TraceRow, TraceStore
from fitui.format import clean, count
from fitui.format import speedup as speedup_text
from fitui.screens.documents import Line, wrapped
from fitui.screens.versions import versions_of
from fitui.versions import find_version
from fitui.where import exact
from fitui.widgets.diff import DiffLines, counts_of, diff_rows
from fitui.widgets.text import Document, Joined, Lines

BASELINE = "baseline"
"""Author of the solutions that a definition is shipped with."""

_LOOKED_AT = 500
"""Traces among which the last one that passed is looked for."""


class Side(Struct, frozen=True):
    """One of the two that are compared.

    Args:
        solution: In full.
        subject: What a view calls it: NAME or NAME@VERSION.
        why: Why this one, in words.
    """

    solution: Solution
    subject: str
    why: str = ""


def last_passing(store: TraceStore, this: Solution, workload: str, before: float) -> Side | None:
    """The newest other version of a solution that passed, on this workload if there is one.

    Args:
        store: The dataset.
        this: The version that it is held against.
        workload: uuid.
        before: Unix seconds before which it passed.
    """
    version = this.content_hash()
    where = f"{exact('solution', this.name)} status:PASSED"
    rows = store.traces(where, sort="-time", limit=_LOOKED_AT)
    rows = [row for row in rows if row.version not in ("", version) and (row.time or 0.0) < before]
    rows.sort(key=lambda row: row.workload != workload)
    tried: set[str] = set()
    for row in rows:
        if row.version in tried:
            continue
        tried.add(row.version)
        side = _version_side(store, this.name, row.version)
        if side is not None:
            where = "" if row.workload == workload else ", on another workload"
            words = f"the last version that passed{where} ({_when(row)})"
            return Side(side.solution, side.subject, words)
    return None


def _when(row: TraceRow) -> str:
    if row.time is None:
        return row.timestamp
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(row.time))


def _version_side(store: TraceStore, name: str, version: str, why: str = "") -> Side | None:
    found = find_version(store, name, version)
    if found is None or found[0].content_hash() != version:
        return None
    return Side(found[0], found[1], why)


def versions_before(store: TraceStore, this: Solution) -> list[Side]:
    """The other versions of a solution whose sources are at hand; the one before it first."""
    version = this.content_hash()
    every = [item for item in versions_of(store, this.name) if item.kept]
    at = next((at for at, item in enumerate(every) if item.version == version), -1)
    older, newer = every[at + 1 :], every[:at][::-1] if at > 0 else []
    found: list[Side | None] = []
    for near, far, items in (
        ("the version before", "an earlier version", older),
        ("the version after", "a later version", newer),
    ):
        for number, item in enumerate(items):
            words = far if number else near
            found.append(_version_side(store, this.name, item.version, words))
    return [side for side in found if side is not None]


def others(store: TraceStore, this: Solution) -> list[Side]:
    """Other solutions of its definition worth a look: the best, and the baseline.

    One in the same language comes first: what another language differs in tells little.
    """
    found: list[Side] = []
    try:
        row = store.definitions(exact("name", this.definition), limit=1)[0]
    except IndexError:
        return []
    if row.best_solution:
        by = f", {speedup_text(row.best_speedup)}" if row.best_speedup else ""
        found += _solution_side(store, this, row.best_solution, f"the best solution here{by}")
    where = f"{exact('definition', this.definition)} {exact('author', BASELINE)}"
    for solution in store.solutions(where, limit=10):
        if solution.name != row.best_solution:
            found += _solution_side(store, this, solution.name, "the baseline")
    return sorted(found, key=lambda side: side.solution.spec.language != this.spec.language)


def _solution_side(store: TraceStore, this: Solution, name: str, why: str) -> list[Side]:
    if name == this.name:
        return []
    try:
        return [Side(store.solution(name), name, why)]
    except (LookupError, ValueError, OSError):
        return []


def diff_text(old: Side | None, new: Side, width: int) -> Lines:
    """A diff under a heading that says of what.

    Args:
        old: What it is held against; None where there is nothing.
        new: What it became.
        width: Columns to wrap at.
    """
    if old is None:
        words = "There is neither another version of it whose sources were kept, nor another "
        words += f"solution of {new.solution.definition}: nothing to compare it with."
        return Document([[], *wrapped(words, width, "dim")])
    rows = diff_rows(_texts(old.solution), _texts(new.solution))
    removed, added = counts_of(rows)
    lines: list[Line] = [[]]
    for sign, style, side in (("-", "failed", old), ("+", "passed", new)):
        why = f"   {side.why}" if side.why else ""
        lines.append([(f" {sign} {clean(side.subject)}", style), (clean(why), "dim")])
    lines += _spec_lines(old.solution, new.solution)
    if not rows:
        lines += [[], [(" Their sources are the same.", "dim")]]
        return Document(lines)
    words = f"{count(removed, 'line')} taken out, {count(added, 'line')} put in"
    lines.append([(f"   {words}", "dim")])
    return Joined([Document(lines), DiffLines(rows)])


def _texts(solution: Solution) -> dict[str, str]:
    return {source.path: source.content for source in solution.sources}


def _spec_lines(old: Solution, new: Solution) -> list[Line]:
    """What differs in how they are built and called."""
    lines: list[Line] = []
    facts: Sequence[tuple[str, str, str]] = (
        ("language", old.spec.language.value, new.spec.language.value),
        ("entry point", old.spec.entry_point, new.spec.entry_point),
        ("needs", " ".join(old.spec.dependencies), " ".join(new.spec.dependencies)),
        ("binding", old.spec.binding or "", new.spec.binding or ""),
        (
            "destination_passing_style",
            str(old.spec.destination_passing_style).lower(),
            str(new.spec.destination_passing_style).lower(),
        ),
    )
    for label, before, after in facts:
        if before != after:
            words = f"{before or 'none'} -> {after or 'none'}"
            lines.append([(f"   {label}  ", "dim"), (clean(words), "warn")])
    return lines
