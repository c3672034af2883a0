"""Figures by our timer and by flashinfer-bench's own procedure, side by side."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from engine.run.client import RunHandle
from engine.run.progress import Cell
from engine.schema import Status, describe_axes
from engine.schema.timers import FLASHINFER, FLASHINFER_EVENTS
from fitui.cli.follow import as_json, ends, exit_status, follow
from fitui.cli.output import (
    Column,
    format_latency,
    format_ratio,
    name_column,
    print_json,
    print_table,
)

TIMERS = (FLASHINFER, "auto")
"""Timers of the two runs, in their order: the traces that are the latest afterwards are ours."""


class Pair(Struct, frozen=True, kw_only=True):
    """One solution on one workload, evaluated by both timers.

    Args:
        theirs: None where the dataset changed between the runs.
    """

    ours: Cell
    theirs: Cell | None

    @property
    def ratio(self) -> float | None:
        """flashinfer-bench's latency over ours, where both passed and took time."""
        if self.theirs is None or {self.ours.status, self.theirs.status} != {Status.PASSED}:
            return None
        ours, theirs = self.ours.latency_ms, self.theirs.latency_ms
        return theirs / ours if ours and theirs else None


def follow_both(theirs: RunHandle, ours: RunHandle, *, json: bool) -> int:
    """Follow two runs over the same evaluations, one after the other, and set them side by side.

    Args:
        theirs: By the timer ``flashinfer``.
        ours: By the best timer of our own; it comes after the other.
        json: One JSON object per pair instead of text.

    Returns:
        The higher of the exit statuses of the two.
    """
    if not json:
        statuses = [follow(theirs, json=False), follow(ours, json=False)]
        print_pairs(_pairs(theirs, ours.progress.cells.values()))
        return max(statuses)
    for _ in ends(theirs):
        pass
    for pair in _pairs(theirs, ends(ours)):
        print_json(_as_json(pair, theirs, ours))
        sys.stdout.flush()
    return max(exit_status(theirs), exit_status(ours))


def _pairs(theirs: RunHandle, ours: Iterable[Cell]) -> Iterator[Pair]:
    known = {_key(cell): cell for cell in theirs.progress.cells.values()}
    return (Pair(ours=cell, theirs=known.get(_key(cell))) for cell in ours)


def _key(cell: Cell) -> tuple[str, str, str]:
    return cell.definition, cell.solution, cell.workload


def _as_json(pair: Pair, theirs: RunHandle, ours: RunHandle) -> dict[str, Any]:
    """A pair for a program: both evaluations, each as ``fitui bench --json`` tells it."""
    return {
        "definition": pair.ours.definition,
        "solution": pair.ours.solution,
        "workload": pair.ours.workload,
        "axes": pair.ours.axes,
        "ratio": pair.ratio,
        "ours": as_json(ours, pair.ours),
        "flashinfer": as_json(theirs, pair.theirs) if pair.theirs is not None else None,
    }


def print_pairs(found: Iterable[Pair]) -> None:
    """A table of both figures of each pair, and what makes them differ."""
    pairs = list(found)
    if all(pair.ratio is None for pair in pairs):
        return
    columns = [
        name_column("definition", spare=1),
        name_column("solution"),
        Column("workload", shrinks=True),
        Column("ours us", right=True),
        Column("flashinfer us", right=True),
        Column("ratio", right=True),
        Column("ours x ref", right=True),
        Column("flashinfer x ref", right=True),
    ]
    print()
    print_table(columns, map(_row, pairs))
    ours = _timers(pair.ours for pair in pairs)
    theirs = _timers(pair.theirs for pair in pairs)
    print(
        f"\nours, by {ours}: the device begins once the host has queued the whole call.\n"
        f"flashinfer-bench's way, by {theirs}: it begins at once, and time in which it waits for\n"
        "the host counts. Calls of several short kernels, as most references are, are held up by\n"
        "their launches there (launch-bound): they look slower, and what is compared with them\n"
        "looks faster."
    )
    if FLASHINFER_EVENTS in theirs:
        print(
            "There is no cupti-python 13 here: flashinfer-bench then takes CUDA events and does\n"
            "not say so. That is what was done, under a name of its own."
        )


def _row(pair: Pair) -> list[str]:
    theirs = pair.theirs
    return [
        pair.ours.definition,
        pair.ours.solution,
        describe_axes(pair.ours.axes),
        format_latency(pair.ours.latency_ms),
        format_latency(theirs.latency_ms if theirs is not None else None),
        format_ratio(pair.ratio),
        format_ratio(pair.ours.speedup),
        format_ratio(theirs.speedup if theirs is not None else None),
    ]


def _timers(cells: Iterable[Cell | None]) -> str:
    """The timers that figures name."""
    return " and ".join(sorted({cell.timer for cell in cells if cell is not None and cell.timer}))
