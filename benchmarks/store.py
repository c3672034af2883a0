"""Measures the trace store on synthetic datasets, against its budgets.

python -m benchmarks.store [--traces N ...] [--folder FOLDER] [--json]

Every time is a median, and is given with its ratio to a bound of the same run: one process that
decodes the same bytes into slim Structs and does nothing else. Machines differ and are shared;
ratios within one run can be compared.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks import store_data, store_measure
from benchmarks.store_burst import burst

ROUNDS = 3
"""Of decoding and indexing in turn, so that other load of the machine meets both."""


class Line(NamedTuple):
    """One measurement; budget: None where the issue names none."""

    what: str
    measured: float
    unit: str
    budget: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the budget is kept."""
        return "" if self.budget is None else "yes" if self.measured <= self.budget else "MISSED"


QUERY_BUDGETS = (
    ("biggest by latency", 10),
    ("biggest by time", 100),
    ("biggest by", 250),
    ("all by", 100),
    ("summary of the biggest", 120),
    ("summary of every", 30),
    ("history", 5),
    ("counts", 10),
    ("count of all", 10),
    ("latest", 60),
)
"""Milliseconds, by how a query's name begins; the first that fits counts."""


def measure(root: Path, cache: Path) -> tuple[dict[str, Any], list[Line]]:
    """Everything about one dataset."""
    rounds = []
    for _ in range(ROUNDS):
        before, cold = store_measure.bounds(root), store_measure.cold(root, cache)
        rounds.append((before, cold))
    bound, cold = (
        {key: median(before[key] for before, _ in rounds) for key in rounds[0][0]},
        {key: median(cold[key] for _, cold in rounds) for key in rounds[0][1]},
    )
    ratio = median(cold["seconds"] / before["decode"] for before, cold in rounds)
    busy = median(cold["cpu"] / before["decode_cpu"] for before, cold in rounds)
    lines = [
        Line("read the bytes, one process", bound["read"], "s"),
        Line("slim decode, one process", bound["decode"], "s"),
        Line("cold index", cold["seconds"], "s"),
        Line("cold index / slim decode", ratio, "x", 4.5),
        Line("the same in processor time", busy, "x"),
        Line("peak memory of the indexer", cold["peak_mb"], "MB", 250),
        Line("and of its two decoders together", cold["decoders_mb"], "MB"),
        Line("index file", cold["index_mb"], "MB"),
        Line("open to first page, nothing changed", store_measure.warm_open(root, cache), "s", 0.1),
        Line(
            "the same, 1 % of files appended",
            store_measure.warm_open_appended(root, cache),
            "s",
            0.2,
        ),
    ]
    asked = store_measure.queries(root, cache)
    lines += [
        Line(what, value, "ms", _budget(what)) for what, value in asked["milliseconds"].items()
    ]
    lines.append(Line("peak memory of a reader that asked all this", asked["rss_mb"], "MB", 100))
    told = store_measure.latency(root, cache, False, 20)
    lines.append(Line(f"append to queryable, {told['mode'][:7]}", told["median"], "ms", 60))
    polled = store_measure.latency(root, cache, True, 5)
    lines.append(Line("append to queryable, polling every 2 s: worst", polled["max"], "ms", 2100))
    return bound, lines


def _budget(what: str) -> float | None:
    return next((float(limit) for begin, limit in QUERY_BUDGETS if what.startswith(begin)), None)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store")
    parser.add_argument("--traces", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="keeps the datasets; else a temporary folder")
    parser.add_argument("--burst", action="store_true", help="also 30,000 files appended at once")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fitui-bench-") as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        for traces in args.traces:
            root = folder / f"d{traces}"
            store_data.make(root, traces)
            bound, lines = measure(root, folder / f"cache{traces}")
            _print(traces, bound, lines, args.json)
        if args.burst:
            told = burst(folder)
            print(
                f"30,000 files appended and 200 folders made at once: {told['missed']} missed, "
                f"all there after {told['seconds']:.1f} s"
            )
    return 0


def _print(traces: int, bound: dict[str, Any], lines: list[Line], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"traces": traces, **bound, "lines": [line._asdict() for line in lines]}))
        return
    decode = lines[1].measured
    print(f"\n{traces:,} traces, {bound['bytes'] / 1e9:.2f} GB in {bound['files']:,} files\n")
    print("| what | budget | measured | of the slim decode | kept |")
    print("| --- | --- | --- | --- | --- |")
    for line in lines:
        scale = {"s": 1.0, "ms": 1e-3}.get(line.unit)
        ratio = f"{line.measured * scale / decode:.4g}" if scale else ""
        budget = "" if line.budget is None else f"{line.budget:g} {line.unit}"
        print(
            f"| {line.what} | {budget} | {line.measured:.3g} {line.unit} | {ratio} "
            f"| {line.verdict} |",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
