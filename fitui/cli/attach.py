"""Follow a run that was started elsewhere: its evaluations so far, and each as it ends.

  fitui attach 20261122-104122-a3f9
  fitui attach a3f9 --json        the end of its id will do

Ctrl-C leaves the run going. Where the run's runner is gone, another one goes on with it.
"""

from __future__ import annotations

import argparse
import sys

from engine.run.client import open_run
from fitui.cli.compare import follow_comparison
from fitui.cli.follow import follow

HELP = "follow a run that is going on or has ended"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui attach``."""
    parser.add_argument("run", help="id of the run, or its beginning or end")
    parser.add_argument("--json", action="store_true", help="one JSON object per evaluation")


def run(args: argparse.Namespace) -> int:
    """Follow the run."""
    handle = open_run(args.run)
    try:
        if handle.request.compare:
            args.a, args.b = handle.request.compare
            return follow_comparison(handle, args)
        return follow(handle, json=args.json)
    except KeyboardInterrupt:
        print(f"\nfitui: run {handle.run} goes on", file=sys.stderr)
        return 130
