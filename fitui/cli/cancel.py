"""Cancel a run. What is done stays; the evaluation at work is killed and leaves no verdict.

  fitui cancel a3f9

`fitui resume` has it go on after all, with what was left.
"""

from __future__ import annotations

import argparse
import time

from engine.run.client import RunHandle, cancel, open_run
from fitui.cli.output import print_json
from fitui.cli.runs import as_json

HELP = "stop a run"

WAIT_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui cancel``."""
    parser.add_argument("run", help="id of the run, or its beginning or end")
    parser.add_argument("--json", action="store_true", help="print the run as a JSON object")


def run(args: argparse.Namespace) -> int:
    """Cancel the run and wait until it has stopped."""
    handle = open_run(args.run)
    handle.poll()
    was_live = _has_not_ended(handle)
    if was_live:
        cancel(handle)
        deadline = time.monotonic() + WAIT_S
        while _has_not_ended(handle) and time.monotonic() < deadline:
            time.sleep(0.1)
            handle.poll()
    if args.json:
        print_json(as_json(handle))
    elif not was_live:
        print(f"run {handle.run} had already ended: {handle.state}")
    elif _has_not_ended(handle):
        print(f"run {handle.run} has been asked to stop and has not yet done so")
    else:
        print(f"run {handle.run} {handle.state}")
    return 0


def _has_not_ended(handle: RunHandle) -> bool:
    """True also where nobody is at it: then a runner is started that says that it has ended."""
    return handle.live or handle.state == "stopped"
