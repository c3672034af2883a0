"""Measures the workbench in a terminal, against its budgets of bytes and time.

python -m benchmarks.ui [--traces N] [--keep FOLDER] [--part NAME ...] [--json]

The program runs in a pseudo-terminal that answers as terminals do, so every byte is counted that
would go over an SSH connection. Bytes are the same on every machine; times are not. Exit status:
1 where a budget is broken.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import store_data, ui_measure, ui_stream
from benchmarks.ui_measure import Bench, Line
from benchmarks.ui_terminal import SIZES
from engine.store import TraceStore

PARTS = ("start", "bytes", "live", "latency")


def prepare(folder: Path, traces: int) -> Bench:
    """Make the dataset, unless it is there, and its index."""
    dataset, places = folder / f"d{traces}", folder / f"places{traces}"
    store_data.make(dataset, traces)
    ui_stream.clear(dataset)
    shutil.rmtree(places / "state", ignore_errors=True)
    with TraceStore.open(dataset, cache=places / "cache") as store:
        rows = sorted(store.definitions(), key=lambda row: -row.n_traces)
    return Bench(dataset, places, rows[0].name, rows[1].name)


def screens(bench: Bench) -> list[str]:
    """A view of every kind, on what there is."""
    with TraceStore.open(bench.dataset, cache=bench.places / "cache") as store:
        failed = store.traces(where="status:COMPILE_ERROR", limit=1)[0]
        first, second = store.solutions(where=f"definition={bench.definition}", limit=2)
    name = bench.definition
    tabs = [f"definition {name} tab:{tab}" for tab in ("workloads", "solutions", "traces")]
    return [
        "triage",
        "traces",
        "definitions",
        f"definition {name}",
        *tabs,
        f"matrix {name}",
        f"trace {failed.id}",
        f"solution {first.name}",
        f"history {first.name}",
        f"compare {first.name} {second.name}",
        "runs",
        "devices",
        "problems",
    ]


def measure(bench: Bench, parts: list[str]) -> Iterator[Line]:
    """Everything that is asked for."""
    views = screens(bench)
    if "start" in parts:
        yield from ui_measure.start_up(bench)
    for size in SIZES:
        if "bytes" in parts:
            yield from ui_measure.quiet_bytes(bench, views, size)
        if "live" in parts:
            yield from ui_measure.live(bench, size)
        if "latency" in parts:
            yield from ui_measure.latencies(bench, size)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ui")
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="keeps the dataset; else a temporary folder")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fitui-bench-") as temporary:
        bench = prepare((args.keep or Path(temporary)).resolve(), args.traces)
        lines: list[Line] = []
        for line in measure(bench, args.part):
            if not args.json:
                _print(line, first=not lines)
            lines.append(line)
    if args.json:
        print(json.dumps([{**line._asdict(), "kept": line.kept} for line in lines]))
    broken = sum(not line.kept for line in lines)
    if broken:
        print(f"{broken} of {len(lines)} budgets broken", file=sys.stderr)
    return 1 if broken else 0


def _print(line: Line, *, first: bool) -> None:
    if first:
        print("| what | terminal | budget | measured | kept |")
        print("| --- | --- | --- | --- | --- |")
    budget = "" if line.budget is None else f"{line.budget:.4g} {line.unit}".strip()
    kept = "" if line.budget is None else "yes" if line.kept else "BROKEN"
    measured = f"{line.measured:.4g} {line.unit}".strip()
    print(f"| {line.what} | {line.size} | {budget} | {measured} | {kept} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
