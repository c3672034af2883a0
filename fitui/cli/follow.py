"""Following a run on the command line: a line as each evaluation ends, then a summary."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from engine.run import client
from engine.run.client import RunHandle
from engine.run.progress import Cell
from engine.schema import Kind, Status, describe_axes
from engine.schema.flags import is_alarm
from fitui import format as form
from fitui.cli.output import (
    NOTHING,
    Column,
    format_latency,
    format_ratio,
    format_roofline,
    name_column,
    print_json,
    print_table,
    shorten,
)
from fitui.format import clean, clean_lines, flags_text
from fitui.survey import survey

POLL_S = 0.1
NOT_RUN = "-"
START_S = 15.0
"""Seconds in which a runner that was started should be there, also on a busy machine."""
MOST_RESTARTS = 3


class _Runners:
    """Has a run go on whose runner is gone, a few times; says so once."""

    def __init__(self, handle: RunHandle) -> None:
        self._handle = handle
        self._started = handle.request.created
        self._restarts = 0

    def expected(self) -> bool:
        """True if a runner will take the run on, after one has been started where none is."""
        if self._handle.state != "stopped":
            return False
        if time.time() - self._started < START_S:
            return True
        if self._restarts == MOST_RESTARTS:
            return False
        if not self._restarts:
            _say(
                f"the runner of run {self._handle.run} is gone (its log: "
                f"{self._handle.log_file}); another one goes on with it"
            )
        self._restarts += 1
        self._started = time.time()
        client.resume(self._handle)
        return True


def ends(handle: RunHandle, watch: Callable[[], None] = lambda: None) -> Iterator[Cell]:
    """Evaluations of a run as they end, until nothing more will happen.

    A run whose runner is gone gets another one.

    Args:
        handle: The run.
        watch: Called each time it has been looked at.
    """
    told: set[str] = set()
    runners = _Runners(handle)
    while True:
        handle.poll()
        for cell in list(handle.progress.cells.values()):
            if cell.ended and cell.evaluation not in told:
                told.add(cell.evaluation)
                yield cell
        if not (handle.live or runners.expected()):
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
    status_line = StatusLine(enabled=not json)
    news = News(handle, status_line)
    try:
        for cell in ends(handle, news.tell):
            status_line.clear()
            news.tell_notices()
            if json:
                print_json(as_json(handle, cell))
            else:
                _print_cell(cell)
            sys.stdout.flush()
    finally:
        status_line.clear()
    news.tell_notices()
    if not json:
        print_summary(handle)
    return exit_status(handle)


class News:
    """What is said about a run as a whole while it is followed."""

    def __init__(self, handle: RunHandle, status_line: StatusLine) -> None:
        self._handle, self._line = handle, status_line
        self._notices = 0
        self._paused = False

    def tell(self) -> None:
        """Say where it is, and that it is paused when that begins."""
        paused = self._handle.state == "paused"
        if paused and not self._paused:
            self._line.clear()
            run = self._handle.run
            _say(f"run {run} is paused; `fitui resume {run}` has it go on")
        self._paused = paused
        self._line.show(self._handle)

    def tell_notices(self) -> None:
        """What the runner had to say aloud, each thing once."""
        for notice in self._handle.progress.notices[self._notices :]:
            _say(clean(notice))
            self._notices += 1


def _say(text: str) -> None:
    print(f"fitui: {text}", file=sys.stderr)


def exit_status(handle: RunHandle) -> int:
    """Exit status that says how a run ended, with the reason on standard error."""
    if handle.state != "finished":
        reason = handle.progress.message or f"see {handle.log_file}"
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
        "roofline": cell.roofline,
        "flags": cell.flags,
        "message": cell.message,
        "log": str(handle.folder.path / cell.log) if cell.log else "",
        "trace_file": cell.trace_file,
        "elapsed_s": cell.elapsed_s,
        "startup_s": cell.startup_s,
        "skipped": cell.phase is Kind.SKIPPED,
    }


def _print_cell(cell: Cell) -> None:
    letter = cell.status.letter if cell.status else NOT_RUN
    figures = ""
    if cell.status is Status.PASSED:
        latency = format_latency(cell.latency_ms)
        unit = " us" if latency[-1].isdigit() else ""
        share = "" if cell.roofline is None else f"{form.roofline(cell.roofline)} %"
        sign = "!" if is_alarm(cell.flags) else " "
        figures = f"{latency + unit:>9}  {format_ratio(cell.speedup):>9}  {share:>6}{sign}"
    name = clean(f"{cell.definition} / {cell.solution}")
    skipped = cell.phase is Kind.SKIPPED
    after = "  (before)" if skipped else ""
    if cell.flags:
        after += f"  [{flags_text(cell.flags)}]"
    print(f"{letter} {figures:<29} {name}  {describe_axes(cell.axes)}{after}".rstrip())
    if cell.message and not skipped:
        print(f"    {clean_lines(cell.message)[0]}")


def print_summary(handle: RunHandle) -> None:
    """A row per solution: how many passed, the mean of the speedups, the cost of starting it."""
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
        shares = [cell.roofline for cell in passed if cell.roofline]
        alarm = any(is_alarm(cell.flags) for cell in passed)
        rest = ", ".join(f"{number} {label}" for label, number in counts.items())
        share = f"{len(passed)}/{len(cells)}"
        mean = format_ratio(_geomean(speedups))
        roofline = format_roofline(_geomean(shares), alarm=alarm)
        rows.append([definition, solution, share, mean, roofline, _startup(cells), rest])
    if rows:
        print()
        columns = [
            name_column("definition", spare=2),
            name_column("solution"),
            Column("passed", right=True),
            Column("geomean x ref", right=True),
            Column("% roof", right=True),
            Column("start", right=True, spare=1),
            Column("else", shrinks=True),
        ]
        print_table(columns, rows)
    skipped = sum(cell.phase is Kind.SKIPPED for cell in handle.progress.cells.values())
    if skipped:
        print(f"\n{form.count(skipped, 'evaluation')} skipped: made in the same way before")
    print(f"\nrun {handle.run}  {handle.folder.path}")


def _geomean(values: list[float]) -> float | None:
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if values else None


def _startup(cells: list[Cell]) -> str:
    """Seconds to start the processes of a solution and load it in them."""
    found = [cell.startup_s for cell in cells if cell.startup_s is not None]
    return f"{sum(found):.2f} s" if found else NOTHING


def _unrun(cell: Cell) -> str:
    return "not run" if cell.phase is Kind.NOT_RUN else "no verdict"


class StatusLine:
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
    seen = survey(handle.state, progress.cells.values())
    if handle.state == "paused":
        text += ", paused"
    if seen.left_s is not None:
        text += f", about {form.rough(seen.left_s)} left"
    if seen.active is not None:
        phase = str(seen.active.phase).replace("_", " ")
        text += f", {seen.active.message or f'{phase} {seen.active.solution}'}"
    elif seen.waits_for:
        text += f", waiting for {seen.waits_for}"
    return clean(text)
