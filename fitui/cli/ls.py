"""List what is in the dataset.

  fitui ls definitions
  fitui ls traces --where 'status:failed op:gemm age<2d' --sort -age --limit 20
  fitui ls triage
  fitui ls 'definition rmsnorm_h4096 tab:solutions lang:triton sort:-speedup,name cols:+version'
  fitui ls 'traces status:failed group:solution'

What is listed is said by the text of a view, as `:` takes it in the program: a kind, a filter,
sort:FIELD,-FIELD (- for descending), cols:+FIELD,-FIELD (other than usual) or cols:FIELD,FIELD (all
of them), and group:FIELD, which counts the values of a field. --where and --sort say the same.

A filter joins terms by spaces (and), `|` (or) and `!` (not): field:part, field:pattern*,
field=exact, lat<0.1ms, speedup>=2, roofline>=50 (percent of what the device can do at most),
axis.M>=1024, age<2d, flag:WORD (what to know of the measurement), run:last, is:latest, is:stale
(the solution has changed since), is:new (since your last visit), is:alarm (a time that cannot be
true, marked `!`), set:NAME, or a bare word. Cells are solutions times workloads; status:none finds
those that were never run. Triage is what fails now by cause, the most frequent first; its filter is
that of traces or words of the cause, with is:muted for what is muted and is:ever for failures that
have been superseded. `ls traces --where cause:KEY` lists the traces of a cause.
With --json, each row is one JSON object on a line of its own. With --markdown, a table for a pull
request: latencies in us, and below it the conditions under which they were measured.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from engine.insight.clusters import Cluster, sort_clusters
from engine.insight.triage import EVER, LATEST, WORD, Triage, take_apart
from engine.schema import Problem, describe_axes
from engine.schema.flags import is_alarm
from engine.store import (
    CellRow,
    DefinitionRow,
    SolutionRow,
    TraceRow,
    TraceStore,
    WorkloadRow,
    write_set,
)
from fitui.cli.listing import KINDS, Listing, ReadListing, print_frequency
from fitui.cli.output import (
    Column,
    format_age,
    format_latency,
    format_ratio,
    format_roofline,
    name_column,
    print_json,
    print_notices,
    print_table,
)
from fitui.copying.pull_request import markdown
from fitui.copying.tables import MOST_ROWS, Snapshot, table_of
from fitui.format import flags_text
from fitui.where import within

HELP = "list definitions, solutions, workloads, traces, cells, problems or triage"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui ls``."""
    parser.add_argument(
        "listing",
        metavar="VIEW",
        nargs="+",
        action=ReadListing,
        help=f"what to list: one of {', '.join(KINDS)}, or the text of a view",
    )
    parser.add_argument("--where", metavar="EXPR", default="", help="filter")
    parser.add_argument(
        "--sort", metavar="FIELD", default="", help="fields, each with - for descending"
    )
    parser.add_argument("--limit", metavar="N", type=_positive, help="rows at most")
    parser.add_argument(
        "--as-set",
        metavar="NAME",
        help="keep the workloads of the rows as a set, which `set:NAME` means in a filter",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line")
    form.add_argument(
        "--markdown",
        action="store_true",
        help=f"a table for a pull request, of {MOST_ROWS} rows at most unless --limit says more",
    )


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    listing: Listing = args.listing
    args.kind, args.sort = listing.kind, args.sort or listing.sort
    both = listing.where and args.where
    args.where = within(f"({listing.where})" if both else listing.where, args.where)[0]
    listing = replace(listing, where=args.where)
    with TraceStore.open(args.dataset, overlay=args.overlay) as store:
        if listing.group:
            _define(store, args)
            found = listing.frequency(store, lambda: _rows(store, args))
            print_frequency(found, listing.group, args.limit, as_json=args.json)
            return 0
        rows = _rows(store, args)
        if args.as_set:
            _keep_set(args.as_set, rows)
        if args.json:
            for row in rows:
                print_json(row)
            return 0
        columns, cells = listing.layout() or _LAYOUTS[args.kind]
        if rows and args.markdown:
            sys.stdout.write(_markdown(store, args, rows))
        elif rows:
            print_table(columns, [cells(row) for row in rows])
        else:
            print(f"fitui: no {args.kind} match", file=sys.stderr)
        if args.kind != "problems":
            print_notices(store)
    return 0


def _markdown(store: TraceStore, args: argparse.Namespace, rows: Sequence[Any]) -> str:
    """The list as a table, with the command that prints it."""
    columns, cells = args.listing.layout() or _LAYOUTS[args.kind]
    shown = rows[: args.limit or MOST_ROWS]
    table = table_of(
        [column.title for column in columns],
        [column.right for column in columns],
        [cells(row) for row in shown],
    )
    options = (("--where", args.where), ("--sort", args.sort), ("--limit", args.limit))
    given = [f"cols:{args.listing.cols}"] if args.listing.cols else []
    given += [f"{name}={value}" for name, value in options if value]
    # Clusters are all at hand; of other lists --limit leaves rows in the index.
    total = len(rows) if args.kind == "triage" else store.count(args.kind, args.where)
    snapshot = Snapshot(
        view="",
        table=table,
        total=total,
        rows=tuple(shown),
        command=shlex.join(["fitui", "ls", args.kind, *given]),
    )
    return markdown(store, snapshot)


def _rows(store: TraceStore, args: argparse.Namespace) -> Sequence[Any]:
    if args.kind == "triage":
        return _clusters(store, args)
    _define(store, args)
    query = getattr(store, args.kind)
    rows: Sequence[Any] = query(args.where, args.sort, args.limit)
    return rows


def _define(store: TraceStore, args: argparse.Namespace) -> None:
    """Have ``cause:KEY`` in filters of traces mean the traces of a cause."""
    if args.kind == "traces":
        store.define(WORD, lambda key: _looked_at(store, LATEST).members(key))


def _clusters(store: TraceStore, args: argparse.Namespace) -> list[Cluster]:
    """What fails, by cause."""
    triage = _looked_at(store, EVER if take_apart(args.where).ever else LATEST, args.where)
    rows = sort_clusters(triage.clusters(args.where), args.sort)
    return rows if args.limit is None else rows[: args.limit]


def _looked_at(store: TraceStore, base: str, where: str = "") -> Triage:
    """Failures, all of them looked at; first of all, whether the filter means something."""
    triage = Triage(store, base)
    triage.check(where)
    for _left in triage.look():
        pass
    return triage


def _keep_set(name: str, rows: Sequence[Any]) -> None:
    """Keep the workloads that the rows are about under a name.

    Raises:
        LookupError: The rows are about no workloads, or the name is no name.
    """
    found = [getattr(row, "uuid", None) or getattr(row, "workload", None) for row in rows]
    uuids = list(dict.fromkeys(uuid for uuid in found if uuid))
    if not uuids:
        raise LookupError("These rows name no workloads to keep as a set")
    try:
        path = write_set(name, uuids)
    except ValueError as error:
        raise LookupError(str(error)) from None
    print(f"fitui: set {name} has {len(uuids)} workloads: {path}", file=sys.stderr)


def _positive(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _definition(row: DefinitionRow) -> list[str]:
    return [
        row.name,
        row.op_type,
        str(row.n_workloads),
        str(row.n_solutions),
        str(row.n_passed),
        str(row.n_failed),
        row.best_solution or "-",
        format_ratio(row.best_speedup),
        format_roofline(row.best_roofline, alarm=row.n_alarms > 0),
        format_age(row.last_run),
    ]


def _solution(row: SolutionRow) -> list[str]:
    return [
        row.name if row.current else f"{row.name}@{row.version[:8]}",
        row.author,
        row.language,
        row.definition,
        row.version[:8],
        str(row.n_passed),
        str(row.n_failed),
        str(row.n_workloads),
        format_ratio(row.geomean_speedup),
        format_roofline(row.roofline, alarm=row.n_alarms > 0),
        format_age(row.last_run),
    ]


def _workload(row: WorkloadRow) -> list[str]:
    return [row.definition, describe_axes(row.axes), row.inputs, row.uuid, row.problem]


def trace_cells(row: TraceRow) -> list[str]:
    """Cells of one trace, for :data:`TRACE_COLUMNS`."""
    return [
        str(row.id),
        format_age(row.time),
        row.status,
        row.definition,
        row.solution,
        describe_axes(row.axes),
        format_latency(row.latency_ms),
        format_latency(row.reference_latency_ms),
        format_ratio(row.speedup),
        format_roofline(row.roofline, alarm=is_alarm(row.flags)),
        row.hardware,
        flags_text(row.flags),
    ]


def _cell(row: CellRow) -> list[str]:
    return [
        row.status,
        row.definition,
        row.solution,
        describe_axes(row.axes),
        format_latency(row.latency_ms),
        format_ratio(row.speedup),
        format_roofline(row.roofline, alarm=is_alarm(row.flags)),
        format_age(row.time),
    ]


def _cluster(row: Cluster) -> list[str]:
    new = "new" if row.new == row.traces else f"+{row.new}" if row.new else ""
    return [
        row.status,
        str(row.traces),
        f"{row.line}: {row.hint}" if row.hint else row.line,
        str(row.solutions),
        str(row.workloads),
        str(row.definitions),
        format_age(row.since),
        format_age(row.last),
        "muted" if row.muted else new,
        row.key,
    ]


def _problem(row: Problem) -> list[str]:
    place = row.file if row.line is None else f"{row.file}:{row.line}"
    return [place, row.field, row.message]


TRACE_COLUMNS = (
    Column("id", right=True),
    Column("age", right=True, spare=3),
    Column("status"),
    name_column("definition", spare=5),
    name_column("solution"),
    Column("workload", shrinks=True),
    Column("us", right=True),
    Column("ref us", right=True, spare=4),
    Column("speedup", right=True),
    Column("% roof", right=True),
    Column("hardware", shrinks=True, spare=2),
    Column("flags", shrinks=True),
)

_LAYOUTS: dict[str, tuple[Sequence[Column], Callable[[Any], list[str]]]] = {
    "definitions": (
        (
            name_column("definition"),
            Column("op", shrinks=True, spare=2),
            Column("workloads", right=True, spare=3),
            Column("solutions", right=True, spare=4),
            Column("passed", right=True),
            Column("failed", right=True),
            name_column("best"),
            Column("speedup", right=True),
            Column("% roof", right=True),
            Column("last", right=True, spare=5),
        ),
        _definition,
    ),
    "solutions": (
        (
            name_column("solution"),
            Column("author", shrinks=True, spare=3),
            Column("language", spare=2),
            name_column("definition", spare=1),
            Column("version", spare=6),
            Column("passed", right=True),
            Column("failed", right=True),
            Column("of", right=True, spare=5),
            Column("speedup", right=True),
            Column("% roof", right=True),
            Column("last", right=True, spare=4),
        ),
        _solution,
    ),
    "workloads": (
        (
            name_column("definition"),
            Column("axes", shrinks=True),
            Column("inputs", shrinks=True, spare=1),
            Column("uuid"),
            Column("problem", shrinks=True),
        ),
        _workload,
    ),
    "traces": (TRACE_COLUMNS, trace_cells),
    "cells": (
        (
            Column("status"),
            name_column("definition", spare=1),
            name_column("solution"),
            Column("workload", shrinks=True),
            Column("us", right=True),
            Column("speedup", right=True),
            Column("% roof", right=True),
            Column("age", right=True, spare=2),
        ),
        _cell,
    ),
    "triage": (
        (
            Column("status"),
            Column("traces", right=True),
            Column("cause", shrinks=True, least=40),
            Column("solutions", right=True, spare=3),
            Column("workloads", right=True, spare=4),
            Column("definitions", right=True, spare=5),
            Column("since", right=True, spare=2),
            Column("last", right=True, spare=1),
            Column("new"),
            Column("key"),
        ),
        _cluster,
    ),
    "problems": (
        (
            name_column("file"),
            Column("field", shrinks=True),
            Column("problem", shrinks=True),
        ),
        _problem,
    ),
}
