"""Versions of a solution that are kept, and the line of a trace as it is in its file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engine.schema import Solution, decode
from engine.store import TraceStore, keep_version, kept_versions


def solution(name: str, body: str) -> Solution:
    """A solution of one file."""
    document = {
        "name": name,
        "definition": "d",
        "author": "me",
        "spec": {"language": "python", "target_hardware": ["cpu"], "entry_point": "m.py::run"},
        "sources": [{"path": "m.py", "content": body}],
    }
    return decode(json.dumps(document), Solution)


def test_versions_are_listed_newest_first() -> None:
    for age, body in enumerate(("a", "b", "c")):
        path = keep_version(solution("mine", body))
        os.utime(path, (1000 + age, 1000 + age))
    keep_version(solution("mine too", "a"))
    (path.parent / "broken.json").write_text('{"name": "mine"')
    found = kept_versions("mine")
    assert [item.sources[0].content for item, _since in found] == ["c", "b", "a"]
    assert [since for _item, since in found] == [1002, 1001, 1000]
    assert kept_versions("nobody's") == []


def test_a_line_is_as_in_its_file(tmp_path: Path) -> None:
    line = {
        "definition": "d",
        "workload": {"axes": {}, "inputs": {}, "uuid": "w"},
        "unknown": [1.0],
        "solution": "s",
        "evaluation": {
            "status": "TIMEOUT",
            "environment": {"hardware": "h", "libs": {}},
            "timestamp": "2026-01-01T00:00:00",
            "log": "",
        },
    }
    (tmp_path / "traces").mkdir()
    text = json.dumps(line) + "\n"
    (tmp_path / "traces/t.jsonl").write_text(text * 2)
    with TraceStore.open(tmp_path) as store:
        row = store.traces()[0]
        assert store.trace_line(row.id).decode().strip() == text.strip()
        with pytest.raises(KeyError, match="no trace 99"):
            store.trace_line(99)
