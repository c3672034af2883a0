"""Fetch the published dataset, or a part of it, from the Hugging Face hub.

  fitui pull                                  everything but the tensor files
  fitui pull --op gemm --op rmsnorm --blobs   two operators, and what their workloads need
  fitui pull -d 'mla_*' --author baseline     an author's solutions and traces of some definitions
  fitui pull -w 1a2b3c4d                      also the tensor files of one workload

Doing it again goes on where it broke off, or fetches what has changed since. What you changed is
kept. Needs the extra `hub`: pip install 'fitui[hub]'. HF_ENDPOINT and HF_TOKEN are heeded.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.pull import PUBLISHED, Hub, Outcome, Report, Selection, State, default_folder, pull
from fitui import format as form
from fitui.cli.output import print_json, shorten
from fitui.format import clean

HELP = "fetch the published dataset, or a part of it"

_NAMED = 10
"""Files of one kind that are named; of the others only the number is told."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui pull``."""
    parser.add_argument(
        "--to", metavar="DIR", help="folder; else --dataset, else one in your data folder"
    )
    parser.add_argument(
        "--repo", metavar="OWNER/NAME", default=PUBLISHED, help=f"which dataset ({PUBLISHED})"
    )
    parser.add_argument("--revision", metavar="REV", help="branch, tag or commit; else the newest")
    for options, metavar, what in (
        (["--op"], "OP", "operator: name or pattern; may be given several times"),
        (["-d", "--definition"], "DEF", "name or pattern; may be given several times"),
        (["--author"], "AUTHOR", "of solutions and traces; may be given several times"),
    ):
        parser.add_argument(*options, metavar=metavar, help=what, action="append", default=[])
    blobs = parser.add_mutually_exclusive_group()
    blobs.add_argument(
        "--blobs", action="store_true", help="also the tensor files that the workloads need"
    )
    blobs.add_argument(
        "-w",
        "--blobs-for",
        metavar="UUID",
        action="append",
        default=[],
        help="only the tensor files of a workload: uuid or its beginning; may be given several "
        "times",
    )
    parser.add_argument("--force", action="store_true", help="replace also what you changed")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be fetched")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Pull, and say what became of it."""
    hub = Hub(args.repo)
    progress = _ProgressLine()
    try:
        report = pull(
            hub,
            Path(args.to or args.dataset or default_folder(args.repo)),
            Selection(op_types=args.op, definitions=args.definition, authors=args.author),
            revision=args.revision,
            blobs=args.blobs,
            workloads=args.blobs_for,
            force=args.force,
            dry_run=args.dry_run,
            progress=progress.show,
        )
    finally:
        progress.clear()
    if args.json:
        print_json(_as_json(report))
    else:
        _print(report)
    return 0 if report.complete else 2


class _ProgressLine:
    """One line on a terminal that says how far it is; nothing anywhere else."""

    def __init__(self) -> None:
        self._enabled = sys.stderr.isatty()
        self._fetched = 0

    def show(self, outcome: Outcome, done: int, total: int) -> None:
        """Paint it."""
        if outcome.state is State.FETCHED:
            self._fetched += outcome.size
        if self._enabled:
            text = f"{done}/{total} files, {_size(self._fetched)}: {clean(outcome.path)}"
            sys.stderr.write("\r\x1b[K" + shorten(text, 78))
            sys.stderr.flush()

    def clear(self) -> None:
        """Take it away."""
        if self._enabled:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _as_json(report: Report) -> dict[str, Any]:
    def listed(state: State) -> list[dict[str, Any]]:
        return [{"path": item.path, "bytes": item.size} for item in report.of(state)]

    return {
        "repo": report.repo,
        "commit": report.commit,
        "folder": str(report.folder),
        "dry_run": report.dry_run,
        "complete": report.complete,
        "fetched": listed(State.FETCHED),
        "present": len(report.of(State.PRESENT)),
        "kept": [item.path for item in report.of(State.KEPT)],
        "failed": [{"path": item.path, "reason": item.reason} for item in report.of(State.FAILED)],
        "left": listed(State.LEFT),
        "stopped": report.stopped,
        "problems": report.problems,
        "withdrawn": report.withdrawn,
        "misplaced": report.misplaced,
        "blobs_left": [{"path": file.path, "bytes": file.size} for file in report.blobs_left],
    }


def _print(report: Report) -> None:
    fetched, left = report.of(State.FETCHED), report.of(State.LEFT)
    verb = "would fetch" if report.dry_run else "fetched"
    size = _size(sum(item.size for item in fetched))
    present = len(report.of(State.PRESENT))
    print(f"{verb} {form.count(len(fetched), 'file')} ({size}); {present} here already")
    _list("kept, changed here; --force replaces", [item.path for item in report.of(State.KEPT)])
    _list("no longer published, left where they are", report.withdrawn)
    if report.misplaced:
        number = form.count(report.misplaced, "file")
        print(f"{number} outside the usual layout: only a pull of everything fetches them")
    if report.blobs_left and not report.dry_run:
        number = form.count(len(report.blobs_left), "tensor file")
        size = _size(sum(file.size for file in report.blobs_left))
        print(f"{number} not fetched ({size}): --blobs, or -w UUID for those of one workload")
    print(f"{report.repo} at {report.commit[:10]} in {report.folder}")
    errors = [item.reason for item in report.of(State.FAILED)] + report.problems
    for text in _first([clean(error) for error in errors]):
        print(f"fitui: {text}", file=sys.stderr)
    if report.stopped:
        print(
            f"fitui: {clean(report.stopped)}; {form.count(len(left), 'file')} left, the same "
            "command goes on",
            file=sys.stderr,
        )


def _list(title: str, paths: Sequence[str]) -> None:
    if paths:
        print(f"{form.count(len(paths), 'file')} {title}:")
        for path in _first([clean(path) for path in paths]):
            print(f"  {path}")


def _first(texts: list[str]) -> list[str]:
    """The first few, and how many more there are."""
    more = len(texts) - _NAMED
    return texts[:_NAMED] + ([f"and {more} more"] if more > 0 else [])


def _size(number: float) -> str:
    """Bytes for people, in powers of a thousand."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while number >= 999.5 and len(units) > 1:
        number /= 1000
        del units[0]
    return f"{number:.3g} {units[0]}"
