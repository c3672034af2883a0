"""Texts for people and agents from the command line: Markdown tables and briefs."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from fitui.cli import main
from fitui.copying.tables import MOST_ROWS
from tests.fitui.ui.failing_files import write_failing
from tests.fitui.ui.tiny_files import lines, workload


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The dataset of which much fails."""
    return write_failing(tmp_path / "dataset")


class Printed:
    """Runs the command line on the dataset."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._root = root
        self._capsys = capsys

    def __call__(self, *arguments: str, status: int = 0) -> str:
        assert main([*arguments, "--dataset", str(self._root)]) == status
        found = self._capsys.readouterr()
        return found.out if status == 0 else found.err


@pytest.fixture
def printed(root: Path, capsys: pytest.CaptureFixture[str]) -> Printed:
    """The command line."""
    return Printed(root, capsys)


@pytest.mark.parametrize("kind", ["definitions", "solutions", "workloads", "traces", "cells"])
def test_every_list_is_a_table(printed: Printed, kind: str) -> None:
    text = printed("ls", kind, "--markdown")
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.count(" | ") for line in table}) == 1
    assert len(table) == len(printed("ls", kind, "--json").splitlines()) + 2
    assert f"`fitui ls {kind}`, as of " in text


def test_the_command_below_prints_the_same_rows(printed: Printed) -> None:
    text = printed("ls", "traces", "--markdown", "--where", "status:failed", "--sort", "-id")
    table = text.partition("\n\n")[0]
    command = text.splitlines()[-1].split("`")[1]
    program, *rest = shlex.split(command)
    assert program == "fitui"
    assert printed(*rest, "--markdown").partition("\n\n")[0] == table


def test_rows_that_are_left_out_are_counted(printed: Printed, root: Path) -> None:
    assert "... and 12 rows more, of 15" in printed("ls", "traces", "--markdown", "--limit", "3")
    many = [workload(f"more-{number}", 1000 + number) for number in range(MOST_ROWS)]
    lines(root / "workloads/pointwise/more.jsonl", many)
    text = printed("ls", "workloads", "--markdown")
    assert text.count("\n| ") == MOST_ROWS + 1 and "... and 3 rows more, of 203" in text
    assert "more" not in printed("ls", "workloads", "--markdown", "--limit", "300").splitlines()[-1]


def test_a_brief_of_a_solution_and_of_a_trace(printed: Printed) -> None:
    text = printed("show", "tma_a", "--brief")
    assert text.startswith("# `tma_a` fails on `double_h8`: COMPILE_ERROR\n")
    assert ">  88    tma_load(smem, desc);" in text
    assert "## Cause" in printed("show", "4", "--brief")


def test_other_things_have_none(printed: Printed) -> None:
    assert "and this is a definition" in printed("show", "double_h8", "--brief", status=2)
    assert "and this is a workload" in printed("show", "wl-0016", "--brief", status=2)
