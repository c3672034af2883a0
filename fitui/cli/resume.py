"""Have a run go on with what has not ended: one that is paused, stopped, cancelled or failed.

  fitui resume a3f9
  fitui resume a3f9 && fitui attach a3f9

A run is stopped where its runner was killed for good, or the machine was started again.
"""

from __future__ import annotations

import argparse
import sys
import time

from engine.run import client
from fitui import format as form
from fitui.cli.output import print_json
from fitui.cli.runs import as_json

HELP = "have a run go on that is paused, stopped, cancelled or failed"

WAIT_S = 10.0
"""Seconds in which a runner should be there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui resume``."""
    parser.add_argument("run", help="id of the run, or its beginning or end")
    parser.add_argument("--json", action="store_true", help="print the run as a JSON object")


def run(args: argparse.Namespace) -> int:
    """Resume the run, and wait until a runner has taken it on."""
    handle = client.open_run(args.run)
    handle.poll()
    before = handle.state
    if before == "finished":
        print(
            f"fitui: run {handle.run} has finished: nothing is left; `fitui bench` starts another",
            file=sys.stderr,
        )
        return 2
    if before not in ("queued", "running"):
        client.resume(handle)
        deadline = time.monotonic() + WAIT_S
        while not (served := _is_served(handle)) and time.monotonic() < deadline:
            time.sleep(0.1)
    if args.json:
        print_json(as_json(handle))
    elif before in ("queued", "running"):
        print(f"run {handle.run} goes on already: {_left(handle)} left")
    elif not served:
        print(f"fitui: no runner takes the run on; see {handle.log_file}", file=sys.stderr)
        return 2
    else:
        print(f"run {handle.run} was {before} and goes on: {_left(handle)} left")
    return 0


def _is_served(handle: client.RunHandle) -> bool:
    """Whether a runner has taken the run on, or has ended it already."""
    handle.poll()
    return handle.has_runner or not handle.live


def _left(handle: client.RunHandle) -> str:
    progress = handle.progress
    return form.count(len(progress.cells) - progress.ended, "evaluation")
