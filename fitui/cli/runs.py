"""List runs, newest first: what was asked for, how far it is, what it waits for, how it ended.

  fitui runs
  fitui runs --limit 100 --json

A run is queued until a device has begun with it, and stopped where it has not ended and no runner
works on it: `fitui resume RUN` starts one.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from engine.run.client import RunHandle, list_runs, runs_dir
from fitui import format as form
from fitui.cli.output import NOTHING, Column, format_age, print_json, print_table
from fitui.survey import survey

HELP = "list runs and how far they are"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui runs``."""
    parser.add_argument("--limit", metavar="N", type=int, default=20, help="runs at most")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    handles = list_runs(limit=args.limit)
    for handle in handles:
        handle.poll()
    if args.json:
        for handle in handles:
            print_json(as_json(handle))
        return 0
    if not handles:
        print(f"fitui: no runs in {runs_dir()}; `fitui bench` starts one", file=sys.stderr)
        return 0
    columns = [
        Column("run"),
        Column("state"),
        Column("priority", right=True, spare=3),
        Column("done", right=True),
        Column("failed", right=True),
        Column("left", right=True),
        Column("device", spare=2),
        Column("age", right=True, spare=1),
        Column("what", shrinks=True),
        Column("waits for", shrinks=True),
    ]
    rows = [_row(handle) for handle in handles]
    # What no run has anything to say about takes no room.
    shown = [number for number in range(len(columns)) if any(row[number] for row in rows)]
    print_table(
        [columns[number] for number in shown],
        [[row[number] or NOTHING for number in shown] for row in rows],
    )
    return 0


def as_json(handle: RunHandle) -> dict[str, Any]:
    """One run for a program."""
    progress, request = handle.progress, handle.request
    seen = survey(handle.state, progress.cells.values())
    return {
        "run": handle.run,
        "state": handle.state,
        "priority": handle.priority,
        "waits_for": seen.waits_for,
        "left_s": seen.left_s,
        "evaluations": len(progress.cells),
        "ended": progress.ended,
        "counts": dict(progress.counts),
        "message": progress.message,
        "devices": request.devices,
        "definitions": request.definitions,
        "solutions": request.solutions,
        "quick": request.settings.quick,
        "note": request.note,
        "created": request.created,
        "finished": progress.finished,
        "folder": str(handle.folder.path),
        "log": str(handle.log_file),
        "runner_pid": handle.runner_pid,
    }


def _row(handle: RunHandle) -> list[str]:
    progress, request = handle.progress, handle.request
    what = ", ".join(request.definitions or request.solutions) or "everything"
    if request.settings.quick:
        what += " (quick)"
    if request.note:
        what += f": {request.note}"
    seen = survey(handle.state, progress.cells.values())
    return [
        handle.run,
        seen.standing,
        str(handle.priority or ""),
        f"{progress.ended}/{len(progress.cells)}",
        str(progress.failed or ""),
        "" if seen.left_s is None else form.rough(seen.left_s),
        form.devices(request.devices),
        format_age(request.created),
        what,
        seen.waits_for,
    ]
