"""How many evaluations a minute the runner makes, with every solution in a fresh process.

python -m benchmarks.throughput --device cuda:0    10 Triton and 10 PyTorch solutions of
                                                   rmsnorm_h4096 on its 14 workloads
python -m benchmarks.throughput --device cpu       200 tiny solutions with one workload each

The runner starts cold each time: its own start, the fork server's imports, compiling and appending
traces are part of the time. The peer, in the same run: a fresh interpreter per solution that
imports torch and makes one tensor, which is the least that isolation without forking costs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from engine.run.client import RunHandle, submit
from engine.schema import QUICK, Settings, Status
from engine.store import resolve_layers

DEFINITION = "rmsnorm_h4096"
BUNDLED = Path(__file__).resolve().parents[1] / "flashinfer_trace" / "solutions"
SOURCES = {
    "triton": BUNDLED / f"fitui/rmsnorm/{DEFINITION}/triton_{DEFINITION}.json",
    "torch": BUNDLED / f"baseline/rmsnorm/{DEFINITION}/torch_{DEFINITION}.json",
}
TINY = {
    "name": "double",
    "op_type": "toy",
    "axes": {"n": {"type": "var"}},
    "inputs": {"x": {"shape": ["n"], "dtype": "float32"}},
    "outputs": {"y": {"shape": ["n"], "dtype": "float32"}},
    "reference": "def run(x):\n    return x * 2\n",
}


def write_variants(overlay: Path, each: int) -> list[str]:
    """Solutions that differ in their content, so that nothing of one serves another."""
    names = []
    for kind, path in SOURCES.items():
        document = json.loads(path.read_text())
        for number in range(each):
            name = f"{kind}_variant_{number}"
            copy = document | {"name": name, "author": "benchmark"}
            first, *rest = document["sources"]
            # Inside a kernel, so that Triton takes it for another one as well.
            text = first["content"].replace(
                "    row = ", f"    tl.static_assert({number} >= 0)\n    row = "
            )
            text += f"\n# variant {number}\n"
            copy["sources"] = [first | {"content": text}, *rest]
            _write(overlay / f"solutions/benchmark/rmsnorm/{DEFINITION}/{name}.json", copy)
            names.append(name)
    return names


def write_tiny(root: Path, number: int) -> list[str]:
    """A dataset of one definition, one workload and many solutions."""
    _write(root / "definitions/toy/double.json", TINY)
    workload = {"uuid": "w", "axes": {"n": 64}, "inputs": {"x": {"type": "random"}}}
    line = {"definition": "double", "workload": workload}
    (root / "workloads/toy").mkdir(parents=True)
    (root / "workloads/toy/double.jsonl").write_text(json.dumps(line) + "\n")
    names = [f"tiny_{position}" for position in range(number)]
    for position, name in enumerate(names):
        document = {
            "name": name,
            "definition": "double",
            "author": "benchmark",
            "spec": {
                "language": "python",
                "target_hardware": ["cpu"],
                "entry_point": "main.py::run",
            },
            "sources": [
                {
                    "path": "main.py",
                    "content": f"def run(x, y):\n    y.copy_(x * 2)\n# variant {position}\n",
                }
            ],
        }
        _write(root / f"solutions/benchmark/toy/double/{name}.json", document)
    return names


def _write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def carry_out(
    layers: list[Path], device: str, names: list[str], settings: Settings, state: Path
) -> dict[str, Any]:
    """Run solutions on all workloads and say how fast that went.

    Raises:
        RuntimeError: Not every evaluation passed.
    """
    begun = time.monotonic()
    handle = submit(layers, devices=[device], solutions=names, settings=settings, state=state)
    while True:
        handle.poll()
        if not handle.live:
            break
        time.sleep(0.02)
    wall = time.monotonic() - begun
    cells = handle.progress.cells.values()
    if handle.state != "finished" or any(cell.status is not Status.PASSED for cell in cells):
        raise RuntimeError(f"{handle.state}: {handle.progress.counts} {handle.progress.message}")
    assert handle.progress.started and handle.progress.finished
    working = handle.progress.finished - handle.progress.started
    startups = [cell.startup_s for cell in cells if cell.startup_s is not None]
    return {
        "evaluations": len(handle.progress.cells),
        "wall_s": wall,
        "per_minute": len(handle.progress.cells) / wall * 60,
        "per_minute_once_started": len(handle.progress.cells) / working * 60,
        "startup_median_s": statistics.median(startups),
        "startup_worst_s": max(startups),
        "phases": phases(handle, wall, sum(startups)),
    }


def phases(handle: RunHandle, wall: float, startup: float) -> dict[str, float]:
    """Share of the wall time by phase; the rest is what happens between evaluations."""
    spent: dict[str, float] = {"starting processes and loading": startup}
    for line in handle.folder.samples_file.read_bytes().splitlines():
        for name, seconds in json.loads(line).get("phases_s", {}).items():
            spent[name] = spent.get(name, 0.0) + seconds
    spent["inputs, reference, runner"] = wall - sum(spent.values())
    return {name: seconds / wall for name, seconds in spent.items()}


def fresh_interpreters(device: str, number: int) -> float:
    """Seconds for one fresh interpreter with a first tensor, median."""
    kind = device.partition(":")[0]
    code = f"import torch; a = torch.ones(64, 64, device={kind!r}); (a @ a).sum().item()"
    times = []
    for _ in range(number):
        begun = time.monotonic()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.monotonic() - begun)
    return statistics.median(times)


def report(title: str, found: dict[str, Any], solutions: int, fresh_s: float) -> None:
    """Print one table."""
    rate = found["per_minute"]
    per_solution = found["wall_s"] / solutions
    print(f"\n{title}\n\n| what | value |\n| --- | --- |")
    rows: Iterable[tuple[str, str]] = (
        ("evaluations", f"{found['evaluations']} of {solutions} solutions"),
        ("wall time, cold start included", f"{found['wall_s']:.2f} s"),
        ("evaluations a minute", f"{rate:.0f}"),
        ("the same from the first event on", f"{found['per_minute_once_started']:.0f}"),
        (
            "starting a process and loading a solution, median (worst)",
            f"{found['startup_median_s']:.3f} s ({found['startup_worst_s']:.3f} s)",
        ),
        ("a fresh interpreter to its first result, median", f"{fresh_s:.2f} s"),
        ("the same over a start by fork", f"{fresh_s / found['startup_median_s']:.1f}"),
        ("solutions a minute over those of fresh interpreters", f"{fresh_s / per_solution:.2f}"),
        *((f"share: {name}", f"{share:.1%}") for name, share in found["phases"].items()),
    )
    for name, value in rows:
        print(f"| {name} | {value} |")
    sys.stdout.flush()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--solutions", type=int, default=0, help="default 20 on a GPU, 200 on cpu")
    parser.add_argument("--mode", default="", choices=["", "quick", "default"])
    args = parser.parse_args()
    os.environ["FITUI_LINGER_S"] = "0"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ["FITUI_CACHE"] = str(root / "cache")
        fresh_s = fresh_interpreters(args.device, 5)
        if args.device == "cpu":
            number = args.solutions or 200
            names = write_tiny(root / "dataset", number)
            found = carry_out([root / "dataset"], "cpu", names, QUICK, root / "state")
            report("quick, cpu", found, number, fresh_s)
            return 0
        number = args.solutions or 20
        names = write_variants(root / "overlay", number // 2)
        layers = list(resolve_layers(None, overlay=root / "overlay"))
        every = msgspec.structs.replace(QUICK, quick_workloads=1000)
        modes = {"quick": every, "default settings": Settings()}
        for title, settings in modes.items():
            if args.mode not in title:
                continue
            # Nothing compiled for one serves the other.
            os.environ["FITUI_CACHE"] = str(root / f"cache-{settings.quick}")
            found = carry_out(layers, args.device, names, settings, root / f"st-{settings.quick}")
            report(f"{title}, {args.device}", found, number, fresh_s)
    return 0


if __name__ == "__main__":
    sys.exit(main())
