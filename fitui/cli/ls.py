"""List what is in the dataset.

  fitui ls definitions
  fitui ls traces --where 'status:failed op:gemm age<2d' --sort -age --limit 20

A filter joins terms by spaces (and), `|` (or) and `!` (not): field:part, field:pattern*,
field=exact, lat<0.1ms, speedup>=2, axis.M>=1024, age<2d, run:last, is:latest, or a bare word.
With --json, each row is one JSON object on a line of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from engine.schema import Problem, describe_axes
from engine.store import DefinitionRow, SolutionRow, TraceRow, TraceStore, WorkloadRow
from fitui.cli.output import (
    Column,
    format_age,
    format_latency,
    format_ratio,
    print_json,
    print_notices,
    print_table,
)

HELP = "list definitions, solutions, workloads, traces or problems"

KINDS = ("definitions", "solutions", "workloads", "traces", "problems")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui ls``."""
    parser.add_argument("kind", choices=KINDS, help="what to list")
    parser.add_argument("--where", metavar="EXPR", default="", help="filter")
    parser.add_argument(
        "--sort", metavar="FIELD", default="", help="fields, each with - for descending"
    )
    parser.add_argument("--limit", metavar="N", type=_positive, help="rows at most")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    # `--sort -age` reads like an option to argparse.
    parser.register("type", None, str)
    parser._negative_number_matcher = _SORT_MATCHER  # type: ignore[attr-defined]


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    with TraceStore.open(args.dataset, overlay=args.overlay) as store:
        rows = _rows(store, args)
        if args.json:
            for row in rows:
                print_json(row)
            return 0
        columns, cells = _LAYOUTS[args.kind]
        if rows:
            print_table(columns, [cells(row) for row in rows])
        else:
            print(f"fitui: no {args.kind} match", file=sys.stderr)
        if args.kind != "problems":
            print_notices(store)
    return 0
