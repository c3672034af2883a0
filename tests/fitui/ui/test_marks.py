"""Marks: by what identifies a row, kept through sorting, filtering and new rows, and acted on."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.client import runs_dir
from engine.run.files import RunFolder
from engine.schema.run import Request
from fitui.screens import marks as marks_module
from fitui.screens.marks import Marks
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace


def keys(driver: Driver) -> list[str]:
    """Keys of the rows on the screen."""
    source = driver.bench.table.source
    return [source.key(row) for row in range(source.row_count)]


def signs(driver: Driver) -> list[str]:
    """What stands before each row."""
    source = driver.bench.table.source
    return [source.cell(row, 0)[:2].strip() for row in range(source.row_count)]


def requests(state: Path) -> list[Request]:
    """Everything that was asked to be run."""
    return [RunFolder(path).read_request() for path in sorted(runs_dir(state).iterdir())]


def test_marks_are_kept_by_group() -> None:
    marks = Marks()
    assert marks.toggle(":traces", "1") and marks.toggle("gemm", "fast")
    marks.mark(":traces", ["2", "1"])
    assert marks.of(":traces") == ["1", "2"] and marks.number("gemm") == 1
    assert (marks.sign(":traces", "2"), marks.sign(":traces", "3")) == ("*", "")
    assert marks.label("gemm", "fast") == "A fast" and marks.label("gemm", "slow") == "slow"
    assert not marks.toggle(":traces", "1")
    marks.clear("gemm")
    assert marks.of("gemm") == [] and marks.of(":traces") == ["2"]


async def test_marks_survive_sort_filter_and_new_rows(start: Start, root: Path) -> None:
    async with start("traces sort:id") as driver:
        await driver.press("j", "space", "j", "j", "space")
        marked = [keys(driver)[1], keys(driver)[3]]
        assert signs(driver) == ["", "*", "", "*", ""]
        assert "2 marked" in driver.bench.bar.text
        await driver.press("s", "s")
        assert [k for k, sign in zip(keys(driver), signs(driver), strict=True) if sign] != []
        assert driver.bench.marks.of(":traces") == marked
        await driver.press("slash")
        await driver.type("solution:slow")
        await driver.press("enter")
        assert driver.bench.table.source.row_count == 1
        assert "2 marked" in driver.bench.bar.text
        await driver.press("escape")
        lines(root / "traces/me/pointwise/double_h8.jsonl", [trace("slow", WORKLOADS[2], "PASSED")])
        await driver.until(lambda: driver.bench.table.source.row_count == 6)
        shown = dict(zip(keys(driver), signs(driver), strict=True))
        assert {key for key, sign in shown.items() if sign == "*"} == set(marked)
        await driver.press("u")
        assert set(signs(driver)) <= {"", "P", "R", "N"} and "marked" not in driver.bench.bar.text


async def test_a_range_and_everything(start: Start) -> None:
    async with start("traces sort:id") as driver:
        await driver.press("V")
        assert "V at the other end" in driver.status
        await driver.press("j", "j", "V")
        assert signs(driver)[:3] == ["*", "*", "*"] and "3 traces marked" in driver.status
        await driver.press("u", "slash")
        await driver.type("status:failed")
        await driver.press("enter", "asterisk", "escape")
        assert driver.bench.marks.number(":traces") == 2
        assert sorted(signs(driver)) == sorted(["*", "*", "", "", ""])
        await driver.press("g", "space", "space")
        assert driver.bench.marks.number(":traces") == 2


async def test_too_many_rows_are_not_marked_at_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks_module, "MOST", 3)
    async with start("traces") as driver:
        await driver.press("asterisk")
        assert "5 traces: * marks 3 at most; filter first" in driver.status
        assert driver.bench.marks.number(":traces") == 0


async def test_marked_traces_are_one_request(start: Start, state: Path) -> None:
    async with start("traces sort:id") as driver:
        await driver.press("space", "G", "space", "r")
        assert driver.view == "matrix double_h8"
    (request,) = requests(state)
    assert [tuple(pair) for pair in request.pairs] == [("wrong", "wl-0016"), ("fast", "wl-0001")]
    assert request.definitions == ["double_h8"]


@pytest.mark.parametrize(
    ("view", "field", "expected"),
    [
        ("definitions", "definitions", ["double_h8", "triple_h8"]),
        ("definition double_h8 tab:solutions", "solutions", ["fast", "slow", "wrong"]),
        ("definition double_h8 tab:workloads", "workloads", ["wl-0001", "wl-0016", "wl-0256"]),
    ],
)
async def test_whatever_is_marked_is_run(
    start: Start, state: Path, view: str, field: str, expected: list[str]
) -> None:
    async with start(view) as driver:
        await driver.press("asterisk", "r")
        await driver.pilot.pause()
    (request,) = requests(state)
    assert getattr(request, field) == expected


async def test_the_run_dialog_offers_the_marked_first(start: Start) -> None:
    async with start("definition double_h8 tab:solutions") as driver:
        await driver.press("space", "j", "space", "R")
        assert "2 marked solutions on all workloads" in driver.screen()


async def test_marks_of_solutions_are_those_of_the_matrix(start: Start) -> None:
    async with start("definition double_h8 tab:solutions") as driver:
        await driver.press("space", "j", "space", "m")
        assert driver.view == "matrix double_h8"
        assert "A fast" in driver.screen() and "B slow" in driver.screen()
        await driver.press("u")
        assert "A fast" not in driver.screen()


async def test_a_mark_adds_no_piece_to_a_row(start: Start) -> None:
    """Bytes of a row grow with its pieces: the sign is part of the first cell."""
    async with start("traces") as driver:
        await driver.press("j")
        plain = driver.bench.table.paint(1)
        await driver.press("g", "space", "j")
        marked = driver.bench.table.paint(1)
        assert "* " in "".join(item.text for item in marked)
        assert len(list(marked)) == len(list(plain))
