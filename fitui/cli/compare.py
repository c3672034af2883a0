"""Compare two solutions of a definition, workload by workload: is B faster or slower than A?

  fitui compare triton_rmsnorm_h4096 mine             from their latest traces
  fitui compare mine@1a2b3c4d mine --measure          a former version against the present one
  fitui compare mine other --measure --device cuda:0 --where 'axis.batch_size<=64'

Traces of separate evaluations tell little: they are `unclear: not measured together` unless they
differ by more than evaluations of one and the same thing do. With --measure both run in turns, on
each workload in three to eight pairs of fresh processes, until it is clear. A pair goes through all
workloads that are not clear yet, so the first results come after some rounds. B is then

  same       its time is within 1 % of A's (or one tick of the timer, of very short kernels)
  faster     by 1 % or more, in time and, where the clock is known, in cycles
  slower     likewise
  unclear    none of these can be said, and why
  failed     A or B gives no right outputs there

B/A is the ratio of the times, with its 95 % interval: below 1, B is faster. The total weights each
workload by its latency; the geomean does not. Nothing is written into the dataset; what is measured
stays in the run's folder, in comparisons.jsonl.

With --json, each workload is one JSON object on a line of its own, printed as it is measured
(`verdict` is null where it was not), and the last line holds the totals. Exit status: 0, 1 if a
workload failed or was not measured, 2 if nothing could be compared.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.insight.comparisons import compare_traces, from_record
from engine.measure.totals import Compared, Totals, by_axis, total
from engine.measure.verdicts import FEWEST_PROCESSES, MOST_PROCESSES
from engine.run.client import RunHandle, cancel, submit
from engine.run.devices import find_devices
from engine.run.plan import find_solution
from engine.run.progress import Cell
from engine.schema import Kind, Solution, describe_axes
from engine.schema.run import Ratio, Verdict
from engine.store import TraceStore, WorkloadRow, resolve_layers
from fitui import format as form
from fitui.cli import bench, follow
from fitui.cli.output import NOTHING, Column, format_latency, print_json, print_table
from fitui.where import exact

HELP = "compare two solutions, from their traces or by measuring both in turns"

_COLUMNS = (
    Column("workload", shrinks=True),
    Column("A us", right=True),
    Column("B us", right=True),
    Column("B/A", right=True),
    Column("interval", right=True),
    Column("cycles", right=True),
    Column("B is"),
    Column("why", shrinks=True),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui compare``."""
    parser.add_argument("a", metavar="A", help="solution, or solution@version")
    parser.add_argument("b", metavar="B", help="what is compared with it, likewise")
    parser.add_argument("-d", "--definition", metavar="DEF", help="which both must be for")
    parser.add_argument(
        "-w",
        "--workload",
        metavar="UUID",
        help="uuid or its beginning; may be given several times",
        action="append",
        default=[],
    )
    parser.add_argument("--where", metavar="EXPR", default="", help="only workloads that match")
    parser.add_argument(
        "--hardware", metavar="NAME", default="", help="traces of devices whose model has this"
    )
    parser.add_argument("--measure", action="store_true", help="measure both in turns")
    parser.add_argument(
        "--device", metavar="DEVICE", help="with --measure: cpu, cuda, cuda:0,1 or idle (default)"
    )
    parser.add_argument(
        "--processes",
        metavar="N",
        type=int,
        choices=range(FEWEST_PROCESSES, MOST_PROCESSES + 1),
        help=f"with --measure: fresh processes of each at least ({FEWEST_PROCESSES})",
    )
    parser.add_argument(
        "--quick", action="store_true", help="with --measure: the smallest workloads only"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per workload")


def run(args: argparse.Namespace) -> int:
    """Compare."""
    if not args.measure and (args.device or args.processes or args.quick):
        raise LookupError("--device, --processes and --quick need --measure")
    layers = resolve_layers(args.dataset, overlay=Path(args.overlay) if args.overlay else None)
    with TraceStore.open(layers) as store:
        a, b = (_solution(store, name) for name in (args.a, args.b))
        _require_one_definition(args, a, b)
        workloads = _workloads(args, store, a.definition)
        if not args.measure:
            return _compare_traces(args, store, (a, b), workloads)
    return _measure(args, layers, workloads)


def _solution(store: TraceStore, name: str) -> Solution:
    """A solution by name.

    Raises:
        LookupError: There is none.
    """
    try:
        return find_solution(store, name)
    except LookupError:
        known = [row.name for row in store.solutions()]
        close = difflib.get_close_matches(name.partition("@")[0], known, n=1)
        hint = f"; did you mean {close[0]}?" if close and close[0] != name else ""
        raise LookupError(f"There is no solution {name!r}{hint}") from None


def _require_one_definition(args: argparse.Namespace, a: Solution, b: Solution) -> None:
    if a.definition != b.definition:
        raise LookupError(
            f"{args.a} is for {a.definition}, but {args.b} is for {b.definition}: "
            "they have no workload in common"
        )
    if args.definition and args.definition != a.definition:
        raise LookupError(f"{args.a} and {args.b} are for {a.definition}, not {args.definition}")


def _workloads(args: argparse.Namespace, store: TraceStore, definition: str) -> list[WorkloadRow]:
    """Workloads that -w and --where mean.

    Raises:
        LookupError: There are none.
    """
    matching = {row.uuid for row in store.workloads(args.where)} if args.where else None
    found = [
        row
        for row in store.workloads(exact("definition", definition))
        if (matching is None or row.uuid in matching)
        and (not args.workload or row.uuid.startswith(tuple(args.workload)))
    ]
    if not found:
        what = " that match -w and --where" if args.where or args.workload else ""
        raise LookupError(f"{definition} has no workloads{what}")
    return found


def _compare_traces(
    args: argparse.Namespace,
    store: TraceStore,
    solutions: tuple[Solution, Solution],
    workloads: Sequence[WorkloadRow],
) -> int:
    rows = compare_traces(store, *solutions, workloads, args.hardware)
    if not rows:
        raise LookupError(
            f"{args.a} and {args.b} have not been evaluated on a common workload with the same "
            "hardware; --measure measures both"
        )
    if args.json:
        for row in rows:
            print_json(_as_json(args, row))
    _print_end(args, rows)
    return int(any(row.verdict is Verdict.FAILED for row in rows))


def _measure(
    args: argparse.Namespace, layers: Sequence[Path], workloads: Sequence[WorkloadRow]
) -> int:
    devices = find_devices(args.device or "idle")
    narrowed = args.where or args.workload
    handle: RunHandle | None = None
    try:
        with bench.interrupt_kept():
            handle = submit(
                layers,
                devices=[device.name for device in devices],
                definitions=[workloads[0].definition],
                workloads=[row.uuid for row in workloads] if narrowed else [],
                quick=args.quick,
                compare=(args.a, args.b),
                processes=args.processes or FEWEST_PROCESSES,
            )
        where = f"run {handle.run} on {form.devices(handle.request.devices)}"
        print(f"fitui: {where}: {args.a} (A) and {args.b} (B) in turns", file=sys.stderr)
        return follow_comparison(handle, args)
    except KeyboardInterrupt:
        if handle is None:
            raise
        cancel(handle)
        print(f"\nfitui: cancelled run {handle.run}", file=sys.stderr)
        return 130


def follow_comparison(handle: RunHandle, args: argparse.Namespace) -> int:
    """Follow a run that compares until it ends, and print what it has measured.

    Args:
        handle: The run.
        args: With ``a`` and ``b`` as they are called, and ``json``.

    Returns:
        Exit status.
    """
    rows: list[Compared] = []
    missing = 0
    status_line = follow.StatusLine(enabled=not args.json)
    news = follow.News(handle, status_line)
    try:
        for cell in follow.ends(handle, news.tell):
            record = handle.folder.read_comparisons().get(cell.evaluation)
            if cell.phase is Kind.COMPARED and record is not None:
                rows.append(from_record(record))
                if args.json:
                    print_json(_as_json(args, rows[-1], handle, cell.log))
                    sys.stdout.flush()
                continue
            missing += 1
            status_line.clear()
            text = f"{describe_axes(cell.axes)}: {form.clean(cell.message)}"
            print(f"fitui: {text}", file=sys.stderr)
            if args.json:
                print_json(_missing_as_json(args, handle, cell))
    finally:
        status_line.clear()
        news.tell_notices()
        if rows or args.json:
            _print_end(args, rows)
    if handle.state != "finished" or not handle.progress.cells:
        return follow.exit_status(handle)
    if not args.json:
        print(f"\nrun {handle.run}  {handle.folder.path}")
    return int(missing > 0 or any(row.verdict is Verdict.FAILED for row in rows))


# Printing


def _as_json(
    args: argparse.Namespace, row: Compared, handle: RunHandle | None = None, log: str = ""
) -> dict[str, Any]:
    """One workload for a program."""
    found: dict[str, Any] = {
        "workload": row.workload,
        "axes": row.axes,
        "a": args.a,
        "b": args.b,
        "a_latency_ms": row.a_ms,
        "b_latency_ms": row.b_ms,
        "ratio": row.value,
        "interval": None if row.time is None else [row.time.low, row.time.high],
        "cycles": row.cycles,
        "verdict": row.verdict,
        "reason": row.reason,
        "hardware": row.hardware,
        "timer": row.timer,
        "processes": row.processes,
        "flags": row.flags,
        "run": "",
    }
    if handle is not None:
        found["run"] = handle.run
        found["log"] = str(handle.folder.path / log) if log else ""
    return found


def _missing_as_json(args: argparse.Namespace, handle: RunHandle, cell: Cell) -> dict[str, Any]:
    """A workload that was not measured."""
    return {
        "workload": cell.workload,
        "axes": cell.axes,
        "a": args.a,
        "b": args.b,
        "verdict": None,
        "reason": cell.message,
        "run": handle.run,
    }


def _print_end(args: argparse.Namespace, rows: Sequence[Compared]) -> None:
    """The table and what it comes to; the table has been printed already where it is JSON."""
    axes = by_axis(rows)
    if args.json:
        lengths = {
            name: {str(length): found for length, found in groups.items()}
            for name, groups in axes.items()
        }
        print_json({"totals": total(rows), "axes": lengths})
        return
    labels = form.workload_labels([row.axes for row in rows])
    used = [
        position
        for position, column in enumerate(_COLUMNS)
        if (column.title != "cycles" or any(row.cycles for row in rows))
        and (column.title != "interval" or any(row.time for row in rows))
    ]
    table = [_cells(" ".join(label), row) for label, row in zip(labels, rows, strict=True)]
    print(f"A = {form.clean(args.a)}   B = {form.clean(args.b)}   on {_place(rows)}\n")
    print_table(
        [_COLUMNS[position] for position in used],
        [[cells[position] for position in used] for cells in table],
    )
    print()
    _print_totals(rows, axes)


def _place(rows: Sequence[Compared]) -> str:
    names = dict.fromkeys(row.hardware for row in rows)
    timers = dict.fromkeys(row.timer for row in rows if row.timer)
    return form.clean(f"{', '.join(names)}{', by ' if timers else ''}{', '.join(timers)}")


def _cells(label: str, row: Compared) -> list[str]:
    why = "; ".join([*([row.reason] if row.reason else []), *row.flags])
    return [
        label,
        format_latency(row.a_ms),
        format_latency(row.b_ms),
        NOTHING if row.value is None else f"{row.value:.3f}",
        _interval(row.time),
        NOTHING if row.cycles is None else f"{row.cycles.value:.3f}",
        row.verdict.value,
        why,
    ]


def _interval(ratio: Ratio | None) -> str:
    return NOTHING if ratio is None else f"{ratio.low:.3f}-{ratio.high:.3f}"


def _print_totals(rows: Sequence[Compared], axes: dict[str, dict[int, Totals]]) -> None:
    """A line for all, and one for each length of the axes that have few."""
    columns = [
        Column("of", shrinks=True),
        Column("workloads", right=True),
        Column("geomean B/A", right=True),
        Column("interval", right=True),
        Column("total B/A", right=True),
        Column("B is", shrinks=True),
    ]
    lines = [_total_cells("all", total(rows))]
    for name, groups in axes.items():
        lines += [_total_cells(f"{name}={length}", found) for length, found in groups.items()]
    print_table(columns, lines)


def _total_cells(label: str, found: Totals) -> list[str]:
    ends = found.low is not None and found.high is not None
    return [
        label,
        str(found.workloads),
        NOTHING if found.geomean is None else f"{found.geomean:.3f}",
        f"{found.low:.3f}-{found.high:.3f}" if ends else NOTHING,
        NOTHING if found.weighted is None else f"{found.weighted:.3f}",
        ", ".join(f"{number} {verdict}" for verdict, number in found.verdicts.items()),
    ]
