"""List runs, newest first: what was asked for, how far it is, how it ended."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from engine.run.client import RunHandle, list_runs, runs_dir
from fitui.cli.output import Column, format_age, print_json, print_table

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
        Column("done", right=True),
        Column("failed", right=True),
        Column("device"),
        Column("age", right=True),
        Column("what", shrinks=True),
    ]
    print_table(columns, [_row(handle) for handle in handles])
    return 0


def as_json(handle: RunHandle) -> dict[str, Any]:
    """One run for a program."""
    progress, request = handle.progress, handle.request
    return {
        "run": handle.run,
        "state": handle.state,
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
    }


def _row(handle: RunHandle) -> list[str]:
    progress, request = handle.progress, handle.request
    what = ", ".join(request.definitions or request.solutions) or "everything"
    if request.settings.quick:
        what += " (quick)"
    if request.note:
        what += f": {request.note}"
    return [
        handle.run,
        handle.state,
        f"{progress.ended}/{len(progress.cells)}",
        str(progress.failed),
        ",".join(request.devices),
        format_age(request.created),
        what,
    ]
