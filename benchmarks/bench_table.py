"""Turns the output of ``fitui bench --json`` into the table of RESULTS.md.

fitui bench --device cuda --json | python -m benchmarks.bench_table
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from typing import Any

from fitui.format import latency, speedup


def rows(evaluations: Iterable[dict[str, Any]]) -> list[list[str]]:
    """One row per definition and solution."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in evaluations:
        groups.setdefault((item["definition"], item["solution"]), []).append(item)
    return [_row(*names, items) for names, items in groups.items()]


def _row(definition: str, solution: str, items: list[dict[str, Any]]) -> list[str]:
    passed = [item for item in items if item["status"] == "PASSED"]
    others = sorted({item["status"] or "not run" for item in items} - {"PASSED"})
    times = sorted(item["latency_ms"] for item in passed)
    ratios = [item["speedup"] for item in passed if item["speedup"]]
    mean = math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else None
    return [
        definition,
        solution,
        f"{len(passed)}/{len(items)}",
        ", ".join(others),
        f"{latency(times[0])} to {latency(times[-1])}" if times else "",
        speedup(mean),
        ", ".join(sorted({item["timer"] for item in passed})),
    ]


def main() -> int:
    """Read JSON lines from standard input and print a Markdown table."""
    titles = ["definition", "solution", "passed", "else", "latency us", "geomean x ref", "timer"]
    print("| " + " | ".join(titles) + " |")
    print("| " + " | ".join("---" for _ in titles) + " |")
    for row in rows(map(json.loads, sys.stdin)):
        print("| " + " | ".join(row) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
