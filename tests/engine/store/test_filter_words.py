"""Words of the filter that need more than a row: is:new, is:stale, status:none, set:NAME."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.store import QueryError, TraceStore, list_sets, read_set, visits, write_set


def write(path: Path, *documents: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(item) for item in documents)
    path.write_text(text + "\n")


DEFINITION = {
    "name": "double",
    "op_type": "toy",
    "axes": {"n": {"type": "var"}},
    "inputs": {"x": {"shape": ["n"], "dtype": "float32"}},
    "outputs": {"y": {"shape": ["n"], "dtype": "float32"}},
    "reference": "def run(x):\n    return x * 2\n",
}


def workload(uuid: str, n: int) -> dict[str, Any]:
    return {"uuid": uuid, "axes": {"n": n}, "inputs": {"x": {"type": "random"}}}


def solution(name: str, text: str) -> dict[str, Any]:
    spec = {"language": "python", "target_hardware": ["cpu"], "entry_point": "m.py::run"}
    return {
        "name": name,
        "definition": "double",
        "author": "me",
        "spec": spec,
        "sources": [{"path": "m.py", "content": text}],
    }


def trace(name: str, of: dict[str, Any], when: float, version: str = "") -> dict[str, Any]:
    libs = {"fitui.solution": version} if version else {}
    libs |= {"fitui.note": f"try of {of['uuid']}", "fitui.commit": "0a1b2c3d4e5f+changes"}
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(when))
    return {
        "definition": "double",
        "workload": of,
        "solution": name,
        "evaluation": {
            "status": "RUNTIME_ERROR",
            "environment": {"hardware": "h", "libs": libs},
            "timestamp": moment,
            "log": "",
        },
    }


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    root = tmp_path / "dataset"
    write(root / "definitions/double.json", DEFINITION)
    loads = [workload("w1", 1), workload("w2", 2)]
    write(
        root / "workloads/double.jsonl", *({"definition": "double", "workload": w} for w in loads)
    )
    for name in ("a", "b"):
        write(root / f"solutions/{name}.json", solution(name, f"# {name}\n"))
    now = time.time()
    with TraceStore.open(root) as first:
        version = first.solutions("a", sort="name")[0].version
    write(
        root / "traces/double.jsonl",
        trace("a", loads[0], now - 1000, version),
        trace("a", loads[1], now - 10, "0123456789abcdef"),
    )
    with TraceStore.open(root) as opened:
        yield opened


def test_cells_list_what_was_never_run(store: TraceStore) -> None:
    found = {(row.solution, row.workload): row.status for row in store.cells()}
    assert found[("a", "w1")] == "RUNTIME_ERROR"
    assert found[("b", "w1")] == found[("b", "w2")] == "none"
    assert store.count("cells", "status:none sol:b") == 2
    assert store.count("cells", "status:failed sol:b") == 0
    assert [row.axes for row in store.cells("status:none axis.n>=2 sol:b")] == [{"n": 2}]


def test_a_trace_always_has_a_status(store: TraceStore) -> None:
    with pytest.raises(QueryError, match="list cells"):
        store.traces("status:none")


def test_a_trace_is_stale_once_the_source_has_changed(store: TraceStore) -> None:
    assert [row.workload for row in store.traces("is:stale")] == ["w2"]


def test_new_is_what_came_since_the_last_visit(store: TraceStore) -> None:
    assert store.count("traces", "is:new") == 2
    visits._write(visits.Visits(last=0.0, present=time.time() - 100))
    visits.begin()
    assert [row.workload for row in store.traces("is:new")] == ["w2"]
    visits.begin()
    assert store.count("traces", "is:new") == 0


def test_notes_and_commits_are_found(store: TraceStore) -> None:
    assert [row.workload for row in store.traces('note:"try of w2"')] == ["w2"]
    assert store.count("traces", "commit:0a1b2c*") == 2
    assert store.count("traces", "commit=none") == 0
    assert store.facet("traces", "note") == {"try of w1": 1, "try of w2": 1}


def test_a_set_names_workloads(store: TraceStore) -> None:
    write_set("small", ["w1"])
    assert list_sets() == ["small"]
    assert read_set("small") == ["w1"]
    assert [row.uuid for row in store.workloads("set:small")] == ["w1"]
    assert [row.workload for row in store.traces("set:small")] == ["w1"]
    assert store.count("cells", "set:small") == 2


def test_an_unknown_set_is_named_with_those_there_are(store: TraceStore) -> None:
    write_set("small", ["w1"])
    with pytest.raises(QueryError, match="there is small"):
        store.workloads("set:large")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden"])
def test_a_set_cannot_be_named_like_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="named by letters"):
        write_set(name, ["w1"])
