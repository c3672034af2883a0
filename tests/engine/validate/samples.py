"""A small dataset in which everything is right, for tests that break one thing of it."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.validate import Finding, Group, Report, Severity, read_dataset, validate

Json = dict[str, Any]
Stored = tuple[str, Sequence[int], bytes]
"""Dtype as safetensors names it, shape and bytes."""

NAME = "attend"
OPERATOR = "paged"
DEFINITION = f"definitions/{OPERATOR}/{NAME}.json"
WORKLOADS = f"workloads/{OPERATOR}/{NAME}.jsonl"
SOLUTION = f"solutions/baseline/{OPERATOR}/{NAME}/torch_{NAME}.json"
TRACES = f"traces/baseline/{OPERATOR}/{NAME}.jsonl"
BLOB = f"blob/workloads/{OPERATOR}/{NAME}/w1.safetensors"

PARAMETERS = "q, kv_cache, kv_indptr, kv_indices, kv_last_page_len, sm_scale"


def int32(*values: int, shape: Sequence[int] | None = None) -> Stored:
    return "I32", shape or [len(values)], struct.pack(f"<{len(values)}i", *values)


def float32(*values: float) -> Stored:
    return "F32", [len(values)], struct.pack(f"<{len(values)}f", *values)


def safetensors(tensors: Mapping[str, Stored]) -> bytes:
    header: Json = {}
    data = b""
    for key, (dtype, shape, part) in tensors.items():
        offsets = [len(data), len(data) + len(part)]
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": offsets}
        data += part
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


TENSORS: dict[str, Stored] = {
    "kv_indptr": int32(0, 2, 3),
    "kv_indices": int32(4, 0, 1),
    "kv_last_page_len": int32(2, 1),
}


def definition() -> Json:
    def tensor(dtype: str, *shape: str) -> Json:
        return {"shape": list(shape) or None, "dtype": dtype}

    return {
        "name": NAME,
        "op_type": OPERATOR,
        "description": "Attends to the pages of a cache.",
        "tags": ["stage:decode", "fi_api:flashinfer.decode.attend"],
        "axes": {
            "batch_size": {"type": "var"},
            "len_indptr": {"type": "var"},
            "num_kv_indices": {"type": "var"},
            "num_pages": {"type": "var"},
            "page_size": {"type": "const", "value": 2},
            "head_dim": {"type": "const", "value": 4},
        },
        "constraints": [
            "len_indptr == batch_size + 1",
            "num_kv_indices == kv_indptr[-1].item()",
            "page_size < head_dim",
        ],
        "inputs": {
            "q": tensor("float32", "batch_size", "head_dim"),
            "kv_cache": tensor("float32", "num_pages", "page_size", "head_dim"),
            "kv_indptr": tensor("int32", "len_indptr"),
            "kv_indices": tensor("int32", "num_kv_indices"),
            "kv_last_page_len": tensor("int32", "batch_size"),
            "sm_scale": tensor("float32"),
        },
        "outputs": {"output": tensor("float32", "batch_size", "head_dim")},
        "reference": f"def run({PARAMETERS}):\n    return q * sm_scale\n",
    }


def workload(uuid: str = "w1") -> Json:
    stored = {
        key: {"type": "safetensors", "path": f"./{BLOB}", "tensor_key": key} for key in TENSORS
    }
    return {
        "definition": NAME,
        "solution": None,
        "workload": {
            "uuid": uuid,
            "axes": {"batch_size": 2, "len_indptr": 3, "num_kv_indices": 3, "num_pages": 5},
            "inputs": {
                "q": {"type": "random"},
                "kv_cache": {"type": "random"},
                **stored,
                "sm_scale": {"type": "scalar", "value": 0.5},
            },
        },
        "evaluation": None,
    }


def solution(name: str = f"torch_{NAME}", author: str = "baseline") -> Json:
    return {
        "name": name,
        "definition": NAME,
        "author": author,
        "spec": {
            "language": "python",
            "target_hardware": ["cpu"],
            "entry_point": "main.py::run",
            "destination_passing_style": False,
        },
        "sources": [
            {"path": "main.py", "content": f"def run({PARAMETERS}):\n    return q * sm_scale\n"}
        ],
    }


def trace(solution: str = f"torch_{NAME}", status: str = "PASSED") -> Json:
    evaluation: Json = {
        "status": status,
        "environment": {"hardware": "cpu", "libs": {}},
        "timestamp": "2026-11-01T10:00:00+00:00",
    }
    if status == "PASSED":
        evaluation["correctness"] = {"max_relative_error": 0.0, "max_absolute_error": 0.0}
        evaluation["performance"] = {
            "latency_ms": 1.0,
            "reference_latency_ms": 1.0,
            "speedup_factor": 1.0,
        }
    return {**workload(), "solution": solution, "evaluation": evaluation}


class Sample:
    """The dataset in a folder.

    Args:
        root: Where it is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(DEFINITION, definition())
        self.write(SOLUTION, solution())
        self.lines(WORKLOADS, workload())
        self.lines(TRACES, trace())
        self.blob(BLOB, TENSORS)

    def text(self, path: str, text: str | bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())

    def write(self, path: str, document: Json) -> None:
        self.text(path, json.dumps(document, indent=2))

    def lines(self, path: str, *documents: Json) -> None:
        self.text(path, "".join(json.dumps(item) + "\n" for item in documents))

    def blob(self, path: str, tensors: Mapping[str, Stored]) -> None:
        self.text(path, safetensors(tensors))

    def change(self, path: str, change: Callable[[Json], object]) -> None:
        """Rewrite the document (or the only line) of a file."""
        document = json.loads((self.root / path).read_text())
        change(document)
        if path.endswith(".jsonl"):
            self.lines(path, document)
        else:
            self.write(path, document)

    def report(
        self, groups: Collection[Group] = tuple(Group), definitions: Sequence[str] = ()
    ) -> Report:
        return validate(read_dataset([self.root], definitions), groups)

    def found(self, *groups: Group) -> dict[str, Finding]:
        """Errors and warnings by the name of their check, the first of each."""
        findings = self.report(groups or tuple(Group)).findings
        grave = [item for item in findings if item.severity is not Severity.INFO]
        return {item.check: item for item in reversed(grave)}

    def infos(self) -> dict[str, Finding]:
        findings = self.report().findings
        return {item.check: item for item in findings if item.severity is Severity.INFO}
