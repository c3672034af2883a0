"""A dataset of one tiny definition, whose solutions are given as source text."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.run.client import RunHandle, submit
from engine.schema import Settings

DOUBLE = {
    "name": "double",
    "op_type": "toy",
    "axes": {"n": {"type": "var"}},
    "inputs": {"x": {"shape": ["n"], "dtype": "float32"}},
    "outputs": {"y": {"shape": ["n"], "dtype": "float32"}},
    "reference": "def run(x):\n    return x * 2\n",
}

GOOD = "def run(x, y):\n    y.copy_(x + x)\n"

LIMITS = Settings(
    input_sets=2,
    min_samples=5,
    max_samples=10,
    time_budget_s=0.05,
    build_limit_s=20.0,
    first_call_limit_s=2.0,
    call_limit_s=2.0,
    total_limit_s=20.0,
)

Sources = str | Mapping[str, str]


def write_dataset(
    root: Path, solutions: Mapping[str, Sources], *, lengths: tuple[int, ...] = (64,), **spec: Any
) -> Path:
    """Write the dataset. A solution that is one text becomes ``main.py``."""
    for folder in ("definitions/toy", "workloads/toy", "solutions"):
        (root / folder).mkdir(parents=True)
    (root / "definitions/toy/double.json").write_text(json.dumps(DOUBLE))
    with (root / "workloads/toy/double.jsonl").open("w") as stream:
        for length in lengths:
            workload = {"uuid": f"w{length}", "axes": {"n": length}}
            workload["inputs"] = {"x": {"type": "random"}}
            stream.write(json.dumps({"definition": "double", "workload": workload}) + "\n")
    for name, sources in solutions.items():
        files = {"main.py": sources} if isinstance(sources, str) else sources
        document = {
            "name": name,
            "definition": "double",
            "author": "tester",
            "spec": {
                "language": "python",
                "target_hardware": ["cpu"],
                "entry_point": "main.py::run",
                **spec,
            },
            "sources": [{"path": path, "content": text} for path, text in files.items()],
        }
        (root / f"solutions/{name}.json").write_text(json.dumps(document))
    return root


def wait_for(handle: RunHandle, condition: Callable[[RunHandle], bool], seconds: float) -> None:
    """Poll a run until a condition holds; fails with the runner's output if it never does."""
    deadline = time.monotonic() + seconds
    while True:
        handle.poll()
        if condition(handle):
            return
        if time.monotonic() > deadline:
            output = handle.log_file.read_text()
            pytest.fail(f"run {handle.state} after {seconds} s: {handle.progress}\n{output}")
        time.sleep(0.02)


def run_to_end(
    root: Path, *, settings: Settings = LIMITS, seconds: float = 120, **request: Any
) -> RunHandle:
    """Submit a request on the CPU device and wait until it has ended."""
    handle = submit([root], devices=["cpu"], settings=settings, **request)
    wait_for(handle, lambda found: not found.live, seconds)
    return handle
