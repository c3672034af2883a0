"""Pause a run: the evaluation at work ends, and nothing more is begun until it is resumed.

  fitui pause a3f9
  fitui resume a3f9

Other runs have the devices meanwhile.
"""

from __future__ import annotations

import argparse

from engine.run import client
from fitui.cli.output import print_json
from fitui.cli.runs import as_json

HELP = "have a run begin nothing more for now"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui pause``."""
    parser.add_argument("run", help="id of the run, or its beginning or end")
    parser.add_argument("--json", action="store_true", help="print the run as a JSON object")


def run(args: argparse.Namespace) -> int:
    """Pause the run."""
    handle = client.open_run(args.run)
    handle.poll()
    before = handle.state
    if before in ("queued", "running"):
        client.pause(handle)
        handle.poll()
    if args.json:
        print_json(as_json(handle))
    elif before in ("queued", "running"):
        print(f"run {handle.run} is paused; `fitui resume {handle.run}` has it go on")
    elif before == "paused":
        print(f"run {handle.run} was paused already")
    elif before == "stopped":
        print(f"run {handle.run} is stopped: its runner is gone")
    else:
        print(f"run {handle.run} had already ended: {before}")
    return 0
