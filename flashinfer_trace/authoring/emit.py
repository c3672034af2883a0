"""Turns problems into the bytes of the dataset's files, and compares them with the disk.

Layout (paths relative to the dataset root):
`definitions/<op>/<name>.json`, `workloads/<op>/<definition>.jsonl`,
`solutions/<author>/<op>/<definition>/<name>.json`, `blob/workloads/<op>/<definition>/<file>`.
"""

from __future__ import annotations

import ast
import json
import re
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from flashinfer_trace.authoring.spec import (
    Constants,
    Problem,
    Scalar,
    Solution,
    Stored,
    Tensor,
    Workload,
)

_HERE = Path(__file__).parent
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:fitui:flashinfer_trace")
_MAIN = {"python": "main.py", "triton": "main.py", "cuda": "main.cu", "cpp": "main.cpp"}
_TARGETS = {"cuda": ["cuda"], "cpp": ["cpu"]}
_SOURCES = {".py", ".cu", ".cpp", ".h"}
_CPP_CONSTANT = re.compile(r"^(constexpr \w+ ([A-Z_]+) = )[^;\n]*;$", re.MULTILINE)


def render(problems: Iterable[Problem]) -> dict[str, bytes]:
    """Return every file of the dataset as {path relative to its root: content}."""
    files: dict[str, bytes] = {}
    for problem in problems:
        op_type, name = problem.definition.op_type, problem.definition.name
        files[f"definitions/{op_type}/{name}.json"] = _pretty(definition_record(problem))
        lines = [json.dumps(workload_record(problem, item)) + "\n" for item in problem.workloads]
        files[f"workloads/{op_type}/{name}.jsonl"] = "".join(lines).encode()
        for solution in problem.solutions:
            path = f"solutions/{solution.author}/{op_type}/{name}/{solution.name}.json"
            files[path] = _pretty(solution_record(name, solution))
        for file, tensors in problem.blobs.items():
            content = save({key: np.ascontiguousarray(array) for key, array in tensors.items()})
            files[f"blob/workloads/{op_type}/{name}/{file}"] = content
    return files


def stale(root: Path, files: dict[str, bytes]) -> list[str]:
    """Return one line for each file under `root` that is missing, differs or is left over.

    A file left over is one in a folder that this command owns; solutions of other authors, and
    traces, are other people's and never named.
    """
    found = []
    for path, content in files.items():
        target = root / path
        if not target.is_file():
            found.append(f"missing: {path}")
        elif target.read_bytes() != content:
            found.append(f"differs: {path}")
    owned = {Path(*Path(path).parts[:2]) for path in files}
    for folder in sorted(owned):
        for target in sorted((root / folder).rglob("*")):
            path = target.relative_to(root).as_posix()
            if target.is_file() and path not in files:
                found.append(f"left over: {path}")
    return found


def write(root: Path, files: dict[str, bytes]) -> list[str]:
    """Write the files that changed under `root` and return their paths."""
    changed = []
    for path, content in files.items():
        target = root / path
        if target.is_file() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        changed.append(path)
    return changed


def definition_record(problem: Problem) -> dict[str, Any]:
    """Return the definition as the schema spells it, its reference source included."""
    definition = problem.definition
    axes: dict[str, dict[str, Any]] = {}
    for axis in definition.axes:
        kind = {"type": "var"} if axis.value is None else {"type": "const", "value": axis.value}
        axes[axis.name] = {**kind, "description": axis.description}
    module = _HERE / "references" / f"{definition.reference or definition.name}.py"
    reference = with_constants(module.read_text(encoding="utf-8"), definition.constants)
    _require_signature(reference, [tensor.name for tensor in definition.inputs], definition.name)
    return {
        "name": definition.name,
        "op_type": definition.op_type,
        "description": definition.description,
        "tags": list(definition.tags),
        "axes": axes,
        "constraints": list(definition.constraints),
        "inputs": _tensors(definition.inputs),
        "outputs": _tensors(definition.outputs),
        "reference": reference,
    }


def workload_record(problem: Problem, workload: Workload) -> dict[str, Any]:
    """Return one line of the workload file, as a trace without solution and evaluation."""
    definition = problem.definition
    folder = f"./blob/workloads/{definition.op_type}/{definition.name}"
    inputs: dict[str, dict[str, Any]] = {}
    for tensor in definition.inputs:
        match workload.inputs.get(tensor.name):
            case Scalar(value):
                inputs[tensor.name] = {"type": "scalar", "value": value}
            case Stored(file, key):
                path = f"{folder}/{file}"
                inputs[tensor.name] = {"type": "safetensors", "path": path, "tensor_key": key}
            case None:
                inputs[tensor.name] = {"type": "random"}
    axes = " ".join(f"{name}={value}" for name, value in workload.axes.items())
    identity = uuid.uuid5(_NAMESPACE, f"{definition.name} {axes} {workload.label}".rstrip())
    body = {"uuid": str(identity), "axes": dict(workload.axes), "inputs": inputs}
    return {
        "definition": definition.name,
        "solution": None,
        "workload": body,
        "evaluation": None,
    }


def solution_record(definition: str, solution: Solution) -> dict[str, Any]:
    """Return the packed solution: its metadata and every source file of its folders."""
    where = solution.folder or f"{definition}/{solution.name}"
    folders = [_HERE / "solutions" / solution.author / where]
    if solution.shared:
        folders.append(_HERE / "solutions" / solution.author / solution.shared)
    contents = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix in _SOURCES
    }
    main = _MAIN[solution.language]
    replace = with_constants if main.endswith(".py") else with_cpp_constants
    contents[main] = replace(contents[main], solution.constants)
    sources = [{"path": path, "content": content} for path, content in contents.items()]
    record: dict[str, Any] = {
        "name": solution.name,
        "definition": definition,
        "author": solution.author,
        "description": solution.description,
        "spec": {
            "language": solution.language,
            "target_hardware": _TARGETS.get(solution.language, ["cuda", "cpu"]),
            "entry_point": f"{main}::run",
            "dependencies": [],
            "destination_passing_style": solution.dps,
        },
        "sources": sources,
    }
    if solution.binding:
        record["spec"]["binding"] = solution.binding
    return record


def with_constants(source: str, constants: Constants) -> str:
    """Return a module's text with other values for some of its upper-case constants.

    Each must be assigned once, at the top level, on a line of its own (`NAME = value`).

    Raises:
        ValueError: The module has no such constant.
    """
    lines = source.splitlines(keepends=True)
    places = {
        node.targets[0].id: node
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for name, value in constants.items():
        node = places.get(name)
        if node is None or not name.isupper() or node.end_lineno != node.lineno:
            raise ValueError(f"there is no constant {name} to be given a value")
        lines[node.lineno - 1] = f"{name} = {value!r}\n"
    return "".join(lines)


def with_cpp_constants(source: str, constants: Constants) -> str:
    """Return a C++ or CUDA file's text with other numbers for some of its upper-case constants.

    Each must be given on a line of its own (`constexpr int NAME = value;`).

    Raises:
        ValueError: The file has no such constant.
    """
    found = {match[2] for match in _CPP_CONSTANT.finditer(source)}
    for name in constants:
        if name not in found:
            raise ValueError(f"there is no constant {name} to be given a value")

    def given(match: re.Match[str]) -> str:
        return f"{match[1]}{constants[match[2]]!r};" if match[2] in constants else match[0]

    return _CPP_CONSTANT.sub(given, source)


def _tensors(tensors: Iterable[Tensor]) -> dict[str, dict[str, Any]]:
    return {
        tensor.name: {
            "shape": None if tensor.shape is None else list(tensor.shape),
            "dtype": tensor.dtype,
            "description": tensor.description,
        }
        for tensor in tensors
    }


def _require_signature(source: str, inputs: list[str], name: str) -> None:
    """Raise ValueError unless `source` has a top-level `run` whose parameters are `inputs`."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == "run":
            if [argument.arg for argument in node.args.args] != inputs:
                raise ValueError(f"{name}: the parameters of `run` are not {', '.join(inputs)}")
            return
    raise ValueError(f"{name}: the reference has no top-level `run`")


def _pretty(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
