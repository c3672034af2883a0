"""One valid document of each kind, and the sample of the real dataset where it is at hand."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.schema import Problem, SchemaError, decode

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT.parent / "shared" / "real_dataset"

Document = dict[str, Any]


@pytest.fixture
def definition() -> Document:
    return {
        "name": "scale_n4",
        "op_type": "scale",
        "axes": {"M": {"type": "var"}, "N": {"type": "const", "value": 4}},
        "inputs": {
            "x": {"shape": ["M", "N"], "dtype": "float16"},
            "factor": {"shape": None, "dtype": "float32"},
        },
        "outputs": {"y": {"shape": ["M", "N"], "dtype": "float16"}},
        "reference": "def run(x, factor):\n    return x * factor\n",
        "tags": ["status:draft"],
        "constraints": ["M > 0"],
    }


@pytest.fixture
def solution() -> Document:
    return {
        "name": "scale_fast",
        "definition": "scale_n4",
        "author": "ada",
        "spec": {
            "language": "python",
            "target_hardware": ["cpu"],
            "entry_point": "main.py::run",
            "dependencies": ["torch"],
        },
        "sources": [
            {"path": "main.py", "content": "from .helpers import run\n"},
            {"path": "helpers.py", "content": "def run(x, factor, y): ...\n"},
        ],
    }


@pytest.fixture
def trace() -> Document:
    return {
        "definition": "scale_n4",
        "workload": {
            "axes": {"M": 3},
            "inputs": {
                "x": {"type": "random"},
                "factor": {"type": "scalar", "value": 1.5},
                "ids": {"type": "safetensors", "path": "blob/a.safetensors", "tensor_key": "ids"},
            },
            "uuid": "w1",
        },
        "solution": "scale_fast",
        "evaluation": {
            "status": "PASSED",
            "environment": {"hardware": "a machine", "libs": {"torch": "2"}},
            "timestamp": "2026-01-02T03:04:05",
            "log": "",
            "correctness": {"max_relative_error": 0.5, "max_absolute_error": 0.25},
            "performance": {"latency_ms": 1.5, "reference_latency_ms": 3.0, "speedup_factor": 2.0},
        },
    }


Edit = Callable[[Document, str, Any], Document]
ABSENT = object()


def steps(path: str) -> list[str | int]:
    """Keys and positions of ``a.b.0.c``; a dot alone is an empty key at the end."""
    return [int(part) if part.isdigit() else part for part in path.split(".")]


@pytest.fixture
def edited() -> Edit:
    """A copy of a document with the value at a path (``a.b.0.c``) put in."""

    def edit(document: Document, path: str, value: Any) -> Document:
        result = copy.deepcopy(document)
        *parents, last = steps(path)
        inner: Any = result
        for part in parents:
            inner = inner[part]
        inner[last] = value
        return result

    return edit


@pytest.fixture
def without(edited: Edit) -> Callable[[Document, str], Document]:
    """A copy of a document that lacks the key at a path."""

    def remove(document: Document, path: str) -> Document:
        result = copy.deepcopy(document)
        *parents, last = steps(path)
        inner: Any = result
        for part in parents:
            inner = inner[part]
        del inner[last]
        return result

    return remove


@pytest.fixture
def refusal() -> Callable[..., Problem]:
    """What is wrong with a document that must be refused."""

    def read(document: Any, kind: type[Any], **place: Any) -> Problem:
        text = document if isinstance(document, (str, bytes)) else json.dumps(document, indent=2)
        with pytest.raises(SchemaError) as caught:
            decode(text, kind, **{"file": "some/file.json", **place})
        return caught.value.problem

    return read


@pytest.fixture(scope="session")
def sample() -> Path:
    if not SAMPLE.is_dir():
        pytest.skip("the sample of the real dataset is not beside this repository")
    return SAMPLE
