"""A tiny dataset and run folders as files, so that every screen can be tested without torch."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from engine.run.client import runs_dir
from engine.run.files import RunFolder
from engine.schema import Definition, Solution, decode
from engine.schema.run import QUICK, Event, Kind, Request, Settings

REFERENCE = "import torch\n\n\ndef run(x):\n    return x * 2  # twice\n"

SOURCE = "def run(x, y):\n    y[:] = x + x\n"

DEFINITION: dict[str, Any] = {
    "name": "double_h8",
    "op_type": "pointwise",
    "description": "Every element times two.",
    "axes": {"batch_size": {"type": "var"}, "hidden": {"type": "const", "value": 8}},
    "inputs": {"x": {"shape": ["batch_size", "hidden"], "dtype": "float32"}},
    "outputs": {"y": {"shape": ["batch_size", "hidden"], "dtype": "float32"}},
    "constraints": ["batch_size > 0"],
    "reference": REFERENCE,
}

LOG = (
    'Traceback (most recent call last):\n  File "main.py", line 3, in run\n'
    "    return x @ x\nRuntimeError: mat1 and mat2 shapes cannot be multiplied\n"
)


def solution(name: str, definition: str = "double_h8") -> dict[str, Any]:
    """A solution document."""
    return {
        "name": name,
        "definition": definition,
        "author": "me",
        "spec": {
            "language": "python",
            "target_hardware": ["cpu"],
            "entry_point": "main.py::run",
        },
        "sources": [
            {"path": "main.py", "content": f"# {name}\ndef run(x, y):\n    y[:] = x + x\n"}
        ],
    }


def workload(uuid: str, batch: int, definition: str = "double_h8") -> dict[str, Any]:
    """A workload line."""
    return {
        "definition": definition,
        "workload": {
            "axes": {"batch_size": batch},
            "inputs": {"x": {"type": "random"}},
            "uuid": uuid,
        },
    }


def trace(
    name: str, work: dict[str, Any], status: str, *, evaluation: str = "", log: str = ""
) -> dict[str, Any]:
    """A trace line."""
    libs = {"torch": "2.11", "fitui.run": "r", "fitui.timer": "cpu"}
    if evaluation:
        libs["fitui.evaluation"] = evaluation
    body: dict[str, Any] = {
        "status": status,
        "environment": {"hardware": "Test CPU", "libs": libs},
        "timestamp": "2026-11-22T10:00:00+00:00",
        "log": log,
    }
    if status == "PASSED":
        body["performance"] = {
            "latency_ms": 0.0125,
            "reference_latency_ms": 0.025,
            "speedup_factor": 2.0,
        }
        body["correctness"] = {"extra": {"fitui": {"n": 40, "ci": 0.004}}}
    if status == "INCORRECT_NUMERICAL":
        worst = [{"index": [3, 7], "expected": 1.5, "got": 2.5}]
        check = {"output": "y", "bad": 12, "elements": 96, "worst": worst}
        body["correctness"] = {
            "max_absolute_error": 1.0,
            "max_relative_error": 0.5,
            "extra": {"fitui": {"checks": [check], "seed": "00ff"}},
        }
    return {**work, "solution": name, "evaluation": body}


SOLUTIONS = ("fast", "slow", "wrong")
WORKLOADS = [workload(f"wl-{batch:04}", batch) for batch in (1, 16, 256)]


def write_dataset(
    root: Path, *, solutions: tuple[str, ...] = SOLUTIONS, traces: bool = True
) -> Path:
    """One definition with workloads, solutions and traces, and one file that cannot be read."""
    write(root / "definitions/pointwise/double_h8.json", DEFINITION)
    other = {**DEFINITION, "name": "triple_h8", "op_type": "other"}
    write(root / "definitions/other/triple_h8.json", other)
    decode(json.dumps(DEFINITION), Definition)
    lines(root / "workloads/pointwise/double_h8.jsonl", WORKLOADS)
    for name in solutions:
        decode(json.dumps(solution(name)), Solution)
        write(root / f"solutions/me/pointwise/double_h8/{name}.json", solution(name))
    if traces:
        found = [trace("fast", item, "PASSED") for item in WORKLOADS]
        found.append(trace("slow", WORKLOADS[0], "RUNTIME_ERROR", log=LOG))
        found.append(trace("wrong", WORKLOADS[1], "INCORRECT_NUMERICAL"))
        lines(root / "traces/me/pointwise/double_h8.jsonl", found)
    (root / "definitions/other/broken.json").write_text('{"name": ')
    return root


def write(path: Path, value: object) -> None:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2))


def lines(path: Path, values: list[dict[str, Any]]) -> None:
    """Append to a JSONL file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        stream.writelines(json.dumps(value) + "\n" for value in values)


class FakeRun:
    """A run folder that a test writes as a runner would.

    Args:
        state: State folder.
        root: Dataset.
        run: Id.
        age_s: Seconds since it was asked for.
        quick: Its mode.
    """

    def __init__(
        self,
        state: Path,
        root: Path,
        run: str = "20261122-100000-beef",
        *,
        age_s: float = 0.0,
        quick: bool = False,
    ) -> None:
        self.folder = RunFolder(runs_dir(state) / run)
        self.folder.create(
            Request(
                run=run,
                created=time.time() - age_s,
                dataset=[str(root)],
                devices=["cpu"],
                definitions=["double_h8"],
                settings=QUICK if quick else Settings(),
            )
        )

    @property
    def run(self) -> str:
        """Its id."""
        return self.folder.run

    def event(self, kind: Kind, evaluation: str = "", **fields: Any) -> None:
        """Append an event."""
        self.folder.append_events(Event(kind=kind, t=time.time(), evaluation=evaluation, **fields))

    def begin(self, solutions: tuple[str, ...] = SOLUTIONS) -> None:
        """Queue every pair, as evaluations e0, e1, ..."""
        pairs = [(name, item) for name in solutions for item in WORKLOADS]
        self.event(Kind.RUN_STARTED, n=len(pairs))
        for number, (name, item) in enumerate(pairs):
            self.event(
                Kind.QUEUED,
                f"e{number}",
                definition="double_h8",
                solution=name,
                workload=item["workload"]["uuid"],
                axes=item["workload"]["axes"],
            )

    def finish(self) -> None:
        """End the run."""
        self.event(Kind.RUN_FINISHED, state="finished")
