"""What the small hub publishes, and how the tests pull it and look at what came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.pull import Hub, Report, Selection, State, pull
from tests.engine.pull.small_hub import REPO, Files, SmallHub
from tests.engine.store.store_samples import definition, solution, trace, workload

ONE = "blob/workloads/gemm/gemm/one.safetensors"
TWO = "blob/workloads/gemm/gemm/two.safetensors"
GEMM = "definitions/gemm/gemm.json"
ALL = Selection()


def _lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def small_files() -> dict[str, bytes]:
    """Two operators, three definitions, two authors, three tensor files, one of them orphaned."""
    blob = "blob/workloads/gemm/gemm/{}.safetensors"
    files = {
        "README.md": b"about\n",
        "LICENSE": b"terms\n",
        ".gitattributes": b"*.safetensors filter=lfs\n",
        "scripts/make.py": b"pass\n",
        "definitions/.gitkeep": b"",
        blob.format("one"): bytes(range(256)) * 400,
        blob.format("two"): b"two" * 100,
        blob.format("orphan"): b"nobody needs this",
    }
    for op_type, name in (("gemm", "gemm"), ("norm", "rms_a"), ("norm", "rms_b")):
        files[f"definitions/{op_type}/{name}.json"] = _lines(definition(name, op_type))
        lines = [workload(f"{name}-1", name)]
        if name == "gemm":
            lines = [
                workload("gemm-1", blob=f"./{blob.format('one')}"),
                workload("gemm-2", m=32, blob=blob.format("two")),
                workload("gemm-3", m=64),
            ]
        files[f"workloads/{op_type}/{name}.jsonl"] = _lines(*lines)
    for author, op_type, name in (
        ("ada", "gemm", "gemm"),
        ("bob", "gemm", "gemm"),
        ("bob", "norm", "rms_a"),
    ):
        made = f"{author}_{name}"
        path = f"solutions/{author}/{op_type}/{name}/{made}.json"
        files[path] = _lines(solution(made, name, author))
        ran = trace(made, f"{name}-1", definition=name)
        files[f"traces/{author}/{op_type}/{name}.jsonl"] = _lines(ran)
    return files


def documents(files: Files) -> dict[str, bytes]:
    """What a pull without tensor files brings."""
    kinds = ("definitions/", "workloads/", "solutions/", "traces/", "README", "LICENSE")
    found = {path: data for path, data in files.items() if path.startswith(kinds)}
    del found["definitions/.gitkeep"]
    return found


def fetch(hub: SmallHub, folder: Path, selection: Selection = ALL, **options: Any) -> Report:
    """Pull what the small hub publishes."""
    return pull(Hub(REPO, endpoint=hub.endpoint), folder, selection, **options)


def content(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, hidden or not."""
    found = (path for path in folder.rglob("*") if not path.is_dir())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def paths(report: Report, *states: State) -> list[str]:
    """The files of which one of these became."""
    return [outcome.path for outcome in report.of(*states)]


def put(folder: Path, files: Files) -> None:
    """Write files, as another program would."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
