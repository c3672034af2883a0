"""``fitui ls triage``: what fails, by cause, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.insight.mutes import toggle_mute
from fitui.cli import main
from tests.fitui.ui.failing_files import write_failing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_failing(tmp_path / "dataset")


def _json(
    root: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> list[dict[str, object]]:
    assert main(["ls", *arguments, "--json", "--dataset", str(root)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_causes_as_a_table(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", "triage", "--dataset", str(root)]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = "status traces cause solutions workloads definitions since last new key"
    assert " ".join(lines[0].split()) == titles
    assert len(lines) == 6
    assert 'kernel.cu:88: error: identifier "tma_load" is undefined' in lines[1]
    assert "try destination_passing_style=false" in lines[2]


def test_causes_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = _json(root, capsys, "triage")
    assert [row["traces"] for row in rows] == [4, 3, 1, 1, 1]
    first = rows[0]
    assert (first["kind"], first["status"], first["muted"]) == ("compile", "COMPILE_ERROR", False)
    assert (first["solutions"], first["workloads"], first["definitions"]) == (2, 3, 1)
    traces = _json(root, capsys, "traces", "--where", f"cause:{first['key']} sol:tma_a")
    assert [row["solution"] for row in traces] == ["tma_a"] * 3


def test_filter_sort_and_limit(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = _json(root, capsys, "triage", "--where", "status:INCORRECT_NUMERICAL")
    assert {row["kind"] for row in rows} == {"numerical"}
    assert len(_json(root, capsys, "triage", "--limit", "2")) == 2
    rows = _json(root, capsys, "triage", "--sort", "line")
    assert [row["line"] for row in rows] == sorted(str(row["line"]) for row in rows)


def test_what_is_muted_comes_last(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = str(_json(root, capsys, "triage")[0]["key"])
    toggle_mute(key, "x")
    rows = _json(root, capsys, "triage")
    assert rows[-1]["key"] == key and rows[-1]["muted"] is True
    assert [row["key"] for row in _json(root, capsys, "triage", "--where", "is:muted")] == [key]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--where", "nofield:1"], "no field 'nofield'"), (["--sort", "x"], "not sorted by 'x'")],
)
def test_what_means_nothing_is_a_sentence(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["ls", "triage", "--dataset", str(root), *arguments]) == 2
    assert words in capsys.readouterr().err
