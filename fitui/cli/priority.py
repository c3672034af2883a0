"""Change the priority of a run: those of higher priority go first, others as they were asked for.

  fitui priority a3f9 1       before the others, which have 0
  fitui priority a3f9 -1      after them

A run of lower priority that is at work is left once the evaluation at work has ended.
"""

from __future__ import annotations

import argparse

from engine.run import client
from fitui.cli.output import print_json
from fitui.cli.runs import as_json

HELP = "have a run go before or after others"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui priority``."""
    parser.add_argument("run", help="id of the run, or its beginning or end")
    parser.add_argument("priority", metavar="N", type=int, help="higher goes first; 0 is usual")
    parser.add_argument("--json", action="store_true", help="print the run as a JSON object")


def run(args: argparse.Namespace) -> int:
    """Set the priority."""
    handle = client.open_run(args.run)
    handle.poll()
    before = handle.priority
    if handle.state != "finished":
        client.set_priority(handle, args.priority)
    if args.json:
        print_json(as_json(handle))
    elif handle.state == "finished":
        print(f"run {handle.run} had already ended: {handle.state}")
    else:
        print(f"run {handle.run} has priority {handle.priority}; it was {before}")
    return 0
