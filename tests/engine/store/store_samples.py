"""Small real datasets for the tests of the store: files as flashinfer-bench writes them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from engine.store import TraceStore

Json = dict[str, Any]


def definition(name: str = "gemm", op_type: str = "gemm", **changes: Any) -> Json:
    return {
        "name": name,
        "op_type": op_type,
        "axes": {"M": {"type": "var"}, "K": {"type": "const", "value": 64}},
        "inputs": {"x": {"shape": ["M", "K"], "dtype": "float16"}},
        "outputs": {"y": {"shape": ["M", "K"], "dtype": "float16"}},
        "reference": "def run(x):\n    return x\n",
        "tags": ["model:small"],
        **changes,
    }


def solution(
    name: str = "fast", definition: str = "gemm", author: str = "ada", body: str = "pass"
) -> Json:
    return {
        "name": name,
        "definition": definition,
        "author": author,
        "spec": {
            "language": "triton",
            "target_hardware": ["cuda"],
            "entry_point": "main.py::run",
        },
        "sources": [{"path": "main.py", "content": f"def run(x, y):\n    {body}\n"}],
    }


def workload(uuid: str = "w1", definition: str = "gemm", m: int = 16, blob: str = "") -> Json:
    source: Json = {"type": "random"}
    if blob:
        source = {"type": "safetensors", "path": blob, "tensor_key": "x"}
    return {
        "definition": definition,
        "workload": {"axes": {"M": m}, "inputs": {"x": source}, "uuid": uuid},
        "solution": None,
        "evaluation": None,
    }


def trace(
    by: str = "fast",
    workload_uuid: str = "w1",
    status: str = "PASSED",
    latency: float = 0.01,
    day: int = 1,
    *,
    definition: str = "gemm",
    m: int = 16,
    log: str = "",
    hardware: str = "NVIDIA H200",
    figures: Any = None,
    **libs: str,
) -> Json:
    evaluation: Json = {
        "status": status,
        "environment": {
            "hardware": hardware,
            "libs": {"torch": "2.11", **{f"fitui.{key}": value for key, value in libs.items()}},
        },
        "timestamp": f"2026-03-{day:02d}T10:00:00+00:00",
        "log": log,
    }
    if status in ("PASSED", "INCORRECT_NUMERICAL"):
        evaluation["correctness"] = {"max_relative_error": 0.5, "max_absolute_error": 0.25}
        if figures is not None:
            evaluation["correctness"]["extra"] = {"fitui": figures}
    if status == "PASSED":
        evaluation["performance"] = {
            "latency_ms": latency,
            "reference_latency_ms": 0.04,
            "speedup_factor": 0.04 / latency,
        }
    line = workload(workload_uuid, definition, m)
    return {**line, "solution": by, "evaluation": evaluation}


class Dataset:
    """A folder that the tests write documents into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("definitions", "solutions", "workloads", "traces"):
            (root / name).mkdir(parents=True)

    def put(self, path: str, document: Json) -> Path:
        """Write a JSON document, aged so that its stamp can be trusted."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
        return file

    def lines(self, path: str, *items: Json | str, end: str = "\n") -> Path:
        """Write a JSONL file from documents and raw lines."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        texts = [item if isinstance(item, str) else json.dumps(item) for item in items]
        file.write_text("\n".join(texts) + (end if texts else ""))
        return file

    def append(self, path: str, *items: Json | str, end: str = "\n") -> None:
        """Append lines."""
        texts = [item if isinstance(item, str) else json.dumps(item) for item in items]
        with (self.root / path).open("a") as stream:
            stream.write("\n".join(texts) + end)

    @classmethod
    def small(cls, root: Path) -> Dataset:
        """One definition, two solutions, two workloads, five traces."""
        made = cls(root)
        made.put("definitions/gemm/gemm.json", definition())
        made.put("solutions/ada/gemm/fast.json", solution())
        made.put("solutions/bob/gemm/slow.json", solution("slow", author="bob"))
        made.lines("workloads/gemm/gemm.jsonl", workload("w1"), workload("w2", m=4096))
        made.lines(
            "traces/ada/gemm/gemm.jsonl",
            trace("fast", "w1", latency=0.01, day=1),
            trace("fast", "w1", latency=0.02, day=2),
            trace("fast", "w2", "RUNTIME_ERROR", m=4096, day=3, log="out of memory"),
        )
        made.lines(
            "traces/bob/gemm/gemm.jsonl",
            trace("slow", "w1", latency=0.04, day=4, hardware="NVIDIA B200"),
            trace("slow", "w2", latency=0.08, m=4096, day=5),
        )
        return made


def age(file: Path, seconds: float = 60) -> None:
    """Make a file look as if it had been quiet for a while (ctime cannot be set)."""
    status = file.stat()
    os.utime(file, (status.st_atime - seconds, status.st_mtime - seconds))


def content(store: TraceStore) -> dict[str, list[str]]:
    """Everything a store answers, without numbers that depend on the order of reading."""

    def plain(rows: Any) -> list[str]:
        return sorted(repr(row).split("id=", 1)[0] + _after_id(repr(row)) for row in rows)

    return {
        "definitions": plain(store.definitions()),
        "solutions": plain(store.solutions()),
        "workloads": plain(store.workloads()),
        "traces": plain(store.traces()),
        "latest": plain(store.traces("is:latest")),
        "problems": plain(store.problems()),
    }


def _after_id(text: str) -> str:
    if "TraceRow(id=" not in text:
        return text.split("id=", 1)[1] if "id=" in text else ""
    return text.split(", ", 1)[1]
