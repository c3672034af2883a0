"""Look at the index of a dataset, or build it anew.

The index is a cache: the files are the truth, and deleting it costs nothing but the time to read
them again.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from engine.store import TraceStore
from fitui.cli.output import Column, print_json, print_notices, print_table

HELP = "look at the index of the dataset, or build it anew"

KINDS = ("definitions", "solutions", "workloads", "traces", "problems")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui index``."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--stats", action="store_true", help="what it holds (the default)")
    what.add_argument("--rebuild", action="store_true", help="read every file again")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print what the index holds, after building it anew if asked."""
    started = time.monotonic()
    with TraceStore.open(args.dataset, overlay=args.overlay) as store:
        if args.rebuild:
            started = time.monotonic()
            store.rebuild()
        stats: dict[str, Any] = {
            "layers": [str(layer) for layer in store.layers],
            "index": str(store.index_file),
            "bytes": store.index_file.stat().st_size,
            "seconds": round(time.monotonic() - started, 3),
            **{kind: store.count(kind) for kind in KINDS},
        }
        if args.json:
            print_json(stats)
            return 0
        rows = [["layer", layer] for layer in stats["layers"]]
        rows += [[name, str(value)] for name, value in stats.items() if name != "layers"]
        print_table([Column("what"), Column("")], rows)
        print_notices(store)
    return 0
