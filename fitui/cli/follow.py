"""Following a run on the command line: a line as each evaluation ends, then a summary."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from engine.run.client import RunHandle
from engine.run.progress import Cell
from engine.schema import Kind, Status, describe_axes
from fitui.cli.output import (
    Column,
    format_latency,
    format_ratio,
    print_json,
    print_table,
    shorten,
)
from fitui.format import clean, clean_lines

POLL_S = 0.1
NOT_RUN = "-"


def ends(handle: RunHandle, watch: Callable[[], None] = lambda: None) -> Iterator[Cell]:
    """Evaluations of a run as they end, until nothing more will happen.

    Args:
        handle: The run.
        watch: Called each time it has been looked at.
    """
    told: set[str] = set()
    while True:
        handle.poll()
        for cell in list(handle.progress.cells.values()):
            if cell.ended and cell.evaluation not in told:
                told.add(cell.evaluation)
                yield cell
        if not handle.live:
            return
        watch()
        time.sleep(POLL_S)


def follow(handle: RunHandle, *, json: bool) -> int:
    """Print a run until it ends.

    Args:
        handle: The run.
        json: One JSON object per evaluation instead of text.

    Returns:
        0 if every evaluation passed, 1 if some failed or were not run, 2 if the run broke down.
    """
    status_line = _StatusLine(enabled=not json)
    notices = 0
    for cell in ends(handle, lambda: status_line.show(handle)):
        status_line.clear()
        for notice in handle.progress.notices[notices:]:
            print(f"fitui: {clean(notice)}", file=sys.stderr)
            notices += 1
        if json:
            print_json(as_json(handle, cell))
        else:
            _print_cell(cell)
        sys.stdout.flush()
    status_line.clear()
    for notice in handle.progress.notices[notices:]:
        print(f"fitui: {clean(notice)}", file=sys.stderr)
    if not json:
        print_summary(handle)
    return exit_status(handle)


def exit_status(handle: RunHandle) -> int:
    """Exit status that says how a run ended, with the reason on standard error."""
    if handle.state != "finished":
        reason = handle.progress.message or f"see {handle.folder.output_file}"
        print(f"fitui: run {handle.run} {handle.state}: {clean(reason)}", file=sys.stderr)
        return 1 if handle.state == "cancelled" else 2
    cells = handle.progress.cells.values()
    if not cells:
        print("fitui: nothing to run", file=sys.stderr)
        return 2
    return 0 if all(cell.status is Status.PASSED for cell in cells) else 1


def as_json(handle: RunHandle, cell: Cell) -> dict[str, Any]:
    """One evaluation for a program. ``status`` is null where it was not run."""
    return {
        "run": handle.run,
        "evaluation": cell.evaluation,
        "definition": cell.definition,
        "solution": cell.solution,
        "workload": cell.workload,
        "axes": cell.axes,
        "device": cell.device,
        "status": cell.status.value if cell.status else None,
        "latency_ms": cell.latency_ms,
        "reference_latency_ms": cell.reference_latency_ms,
        "speedup": cell.speedup,
        "interval": cell.interval,
        "n": cell.n,
        "timer": cell.timer,
        "message": cell.message,
        "log": str(handle.folder.path / cell.log) if cell.log else "",
        "trace_file": cell.trace_file,
        "elapsed_s": cell.elapsed_s,
    }


def _print_cell(cell: Cell) -> None:
    letter = cell.status.letter if cell.status else NOT_RUN
    figures = ""
    if cell.status is Status.PASSED:
        latency = format_latency(cell.latency_ms)
        unit = " us" if latency[-1].isdigit() else ""
        figures = f"{latency + unit:>9}  {format_ratio(cell.speedup):>9}"
    name = clean(f"{cell.definition} / {cell.solution}")
    print(f"{letter} {figures:<22} {name}  {describe_axes(cell.axes)}".rstrip())
    if cell.message:
        print(f"    {clean_lines(cell.message)[0]}")


def print_summary(handle: RunHandle) -> None:
    """A row per solution: how many passed, and the geometric mean of the speedups."""
    rows = []
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in handle.progress.cells.values():
        groups.setdefault((cell.definition, cell.solution), []).append(cell)
    for (definition, solution), cells in groups.items():
        counts: dict[str, int] = {}
        for cell in cells:
            if cell.status is not Status.PASSED:
                label = cell.status.value if cell.status else _unrun(cell)
                counts[label] = counts.get(label, 0) + 1
        passed = [cell for cell in cells if cell.status is Status.PASSED]
        speedups = [cell.speedup for cell in passed if cell.speedup]
        mean = math.exp(math.fsum(map(math.log, speedups)) / len(speedups)) if speedups else None
        rest = ", ".join(f"{number} {label}" for label, number in counts.items())
        rows.append([definition, solution, f"{len(passed)}/{len(cells)}", format_ratio(mean), rest])
    if rows:
        print()
        columns = [
            Column("definition", shrinks=True),
            Column("solution", shrinks=True),
            Column("passed", right=True),
            Column("geomean x ref", right=True),
            Column("else", shrinks=True),
        ]
        print_table(columns, rows)
    print(f"\nrun {handle.run}  {handle.folder.path}")


def _unrun(cell: Cell) -> str:
    return "not run" if cell.phase is Kind.NOT_RUN else "no verdict"


class _StatusLine:
    """One line on a terminal that says what happens now; nothing anywhere else."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._shown = ""

    def show(self, handle: RunHandle) -> None:
        """Paint it, where it has changed."""
        text = now_text(handle)
        if self._enabled and text != self._shown:
            sys.stderr.write("\r\x1b[K" + shorten(text, 78))
            sys.stderr.flush()
            self._shown = text

    def clear(self) -> None:
        """Take it away."""
        if self._enabled and self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = ""


def now_text(handle: RunHandle) -> str:
    """How far a run is, and what it does or waits for."""
    progress = handle.progress
    text = f"run {handle.run}: {progress.ended}/{len(progress.cells)}"
    active = [
        cell for cell in progress.cells.values() if not cell.ended and cell.phase is not Kind.QUEUED
    ]
    if active:
        phase = str(active[0].phase).replace("_", " ")
        text += f", {active[0].message or f'{phase} {active[0].solution}'}"
    return clean(text)
