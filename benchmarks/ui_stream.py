"""Traces that come in while somebody looks: appended one by one, as a runner does.

python -m benchmarks.ui_stream DATASET DEFINITION RATE SECONDS
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from engine.store import append_line

FILE = "traces/benchmark_ui/stream.jsonl"
"""Below the dataset; taken away after each measurement."""


def models(dataset: Path, definition: str, most: int = 40) -> list[dict[str, Any]]:
    """Traces of passed evaluations of a definition, one for each solution.

    They are about the first few workloads in turns: the columns of a matrix that are in sight.

    Args:
        dataset: Its folder.
        definition: A name.
        most: How many.
    """
    (listed,) = dataset.glob(f"workloads/*/{definition}.jsonl")
    workloads = [msgspec.json.decode(line)["workload"] for line in listed.read_bytes().splitlines()]
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(dataset.glob(f"traces/*/*/{definition}.jsonl")):
        with file.open("rb") as stream:
            for line in stream:
                if b'"PASSED"' in line and len(line) < 4000 and len(found) < most:
                    trace = msgspec.json.decode(line)
                    trace["workload"] = workloads[len(found) % min(4, len(workloads))]
                    found.setdefault(trace["solution"], trace)
    return list(found.values())


def append(dataset: Path, traces: Sequence[dict[str, Any]], first: int = 0) -> None:
    """Append traces at once, as if measured now.

    Args:
        dataset: Its folder.
        traces: Models.
        first: Number of the first; each number makes another latency.
    """
    lines = []
    for number, trace in enumerate(traces, first):
        evaluation = {**trace["evaluation"], "timestamp": datetime.now(UTC).isoformat()}
        figures = {**evaluation["performance"], "latency_ms": 0.1 + number % 997 / 1000}
        lines.append(
            msgspec.json.encode({**trace, "evaluation": {**evaluation, "performance": figures}})
        )
    append_line(dataset / FILE, b"\n".join(lines))


def clear(dataset: Path) -> None:
    """Take away what was appended."""
    (dataset / FILE).unlink(missing_ok=True)


def main() -> int:
    """Entry point."""
    dataset, definition = Path(sys.argv[1]), sys.argv[2]
    rate, seconds = float(sys.argv[3]), float(sys.argv[4])
    traces = models(dataset, definition)
    begin = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        append(dataset, [traces[number % len(traces)]], number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
