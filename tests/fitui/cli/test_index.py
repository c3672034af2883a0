"""`fitui index`, and `fitui ls` with cells and sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fitui.cli import main


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main([*arguments, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_stats_say_what_the_index_holds_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    (stats,) = printed(capsys, "index", "--stats")
    bundled = Path(__file__).parents[3] / "flashinfer_trace" / "definitions"
    assert stats["definitions"] == len(list(bundled.rglob("*.json")))
    assert stats["problems"] == 0
    assert Path(str(stats["index"])).is_file()


def test_a_rebuilt_index_holds_the_same_and_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (before,) = printed(capsys, "index")
    (after,) = printed(capsys, "index", "--rebuild")
    for kind in ("definitions", "solutions", "workloads", "traces"):
        assert before[kind] == after[kind]
    assert not list(Path(str(after["index"])).parent.glob("*.damaged"))


def test_cells_never_run_are_found_by_their_status(capsys: pytest.CaptureFixture[str]) -> None:
    cells = printed(capsys, "ls", "cells", "--where", "status:none def=rmsnorm_h4096")
    bundled = Path(__file__).parents[3] / "flashinfer_trace"
    solutions = list((bundled / "solutions").glob("*/rmsnorm/rmsnorm_h4096/*.json"))
    lines = [
        json.loads(line)
        for file in (bundled / "traces").glob("*/rmsnorm/rmsnorm_h4096.jsonl")
        for line in file.read_text().splitlines()
    ]
    recorded = {(line["solution"], line["workload"]["uuid"]) for line in lines}
    assert recorded
    assert len(cells) == 14 * len(solutions) - len(recorded)


def test_a_set_made_from_a_list_works_in_filters(capsys: pytest.CaptureFixture[str]) -> None:
    where = "def=rmsnorm_h4096 axis.batch_size<=16"
    kept = printed(capsys, "ls", "workloads", "--where", where, "--as-set", "small")
    assert len(kept) == 4
    assert printed(capsys, "ls", "workloads", "--where", "set:small") == kept
