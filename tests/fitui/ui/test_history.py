"""History: traces of a solution over time as a chart and a table, with what changed marked."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ui_terminal import open_fitui
from fitui.screens import history
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace, write_dataset

SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 50)])
VIEW = "history fast wl-0001"
OLD, NEW = "a" * 64, "b" * 64


def evaluation(
    day: int, latency: float | None, version: str = OLD, *, place: int = 0, torch: str = "2.11"
) -> dict[str, Any]:
    """An evaluation of ``fast`` in October."""
    line = trace("fast", WORKLOADS[place], "PASSED" if latency else "RUNTIME_ERROR", log="broke\n")
    body = line["evaluation"]
    body["timestamp"] = f"2026-10-{day:02}T12:00:00+00:00"
    body["environment"]["libs"] |= {
        "fitui.solution": version,
        "fitui.evaluation": f"h{day}{place}",
        "torch": torch,
    }
    if latency:
        body["performance"]["latency_ms"] = latency
    return line


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six evaluations: another torch, a failure, and a version that is slower."""
    root = write_dataset(tmp_path / "dataset", traces=False)
    found = [
        evaluation(1, 0.0100),
        evaluation(2, 0.0101),
        evaluation(3, 0.0100, torch="2.12"),
        evaluation(4, None, torch="2.12"),
        evaluation(5, 0.0200, NEW, torch="2.12"),
        evaluation(6, 0.0201, NEW, torch="2.12"),
        evaluation(6, 0.5000, NEW, place=1, torch="2.12"),
    ]
    lines(root / "traces/me/pointwise/double_h8.jsonl", found)
    return root


def cells(driver: Driver, row: int) -> dict[str, str]:
    """A row of the table by its headings."""
    source = driver.bench.table.source
    return {column.title: source.cell(row, at) for at, column in enumerate(source.columns)}


def chart(driver: Driver) -> list[str]:
    """The lines of the chart."""
    top = driver.bench.series.region.y
    return driver.screen().splitlines()[top : top + driver.bench.series.size.height]


@SIZES
async def test_a_chart_above_a_table(start: Start, size: tuple[int, int]) -> None:
    async with start(VIEW, size=size) as driver:
        await driver.shows("6 traces")
        await driver.pilot.pause()
        newest, failed, oldest = (cells(driver, row) for row in (0, 2, 5))
        assert newest["TIME"].startswith("2026-10-06") and newest["LAT us"] == "20.1"
        assert (newest["CI"], newest["VERSION"], newest["IS"]) == ("±0.4%", "bbbbbbbb", "")
        assert (newest["DEVICE"], newest["TIMER"], newest["RUN"]) == ("Test CPU", "cpu", "r")
        slower = cells(driver, 1)
        assert (slower["IS"], slower["CHANGED"]) == ("slower", "version aaaaaaaa -> bbbbbbbb")
        assert (failed["S"], failed["LAT us"]) == ("R", "")
        assert cells(driver, 3)["CHANGED"] == "torch 2.11 -> 2.12"
        assert oldest["CHANGED"] == ""
        title, top, *middle, bottom, letters, cursor = chart(driver)
        assert title.startswith(" us, old to new")
        assert top.startswith("    20.1 ") and bottom.startswith("    10.0 ")
        assert letters.split() == ["e", "v"] and "x" in bottom and not "".join(middle).strip()
        assert cursor.index("^") > letters.index("v") > letters.index("e")
        assert letters.index("e") < bottom.index("x") < letters.index("v")
        await driver.press("G")
        assert chart(driver)[-1].index("^") < letters.index("e")
        assert "PASSED  Test CPU by cpu  run r" in driver.status
        assert all(len(text) <= size[0] for text in driver.screen().splitlines())


@pytest.mark.parametrize(
    ("view", "keys", "shown"),
    [
        ("traces sort:time", ["H"], VIEW),
        ("solution fast tab:traces", ["H"], "history fast wl-0016"),
        ("definition double_h8 tab:traces", ["G", "H"], VIEW),
        ("definition double_h8 tab:solutions", ["H"], "history fast"),
        ("matrix double_h8", ["H"], VIEW),
        ("matrix double_h8", ["l", "H"], "history fast wl-0016"),
    ],
)
async def test_two_keys_lead_there_at_most(
    start: Start, view: str, keys: list[str], shown: str
) -> None:
    async with start(view) as driver:
        await driver.press(*keys)
        assert driver.view == shown
        await driver.press("escape")
        assert driver.view == view


async def test_from_a_trace_and_back(start: Start) -> None:
    async with start("traces solution:fast") as driver:
        await driver.press("enter", "H")
        assert driver.view.startswith("history fast wl-")
        await driver.until(lambda: driver.bench.table.source.row_count > 0)
        await driver.press("enter")
        assert driver.view.startswith("trace ")
        assert not driver.bench.series.display


async def test_of_all_workloads_each_is_seen_against_its_own(start: Start) -> None:
    async with start("history fast") as driver:
        await driver.shows("7 traces")
        assert {cells(driver, row)["WORKLOAD"] for row in range(7)} == {"bs=1", "bs=16"}
        title, top, *_middle, bottom, _letters, _cursor = chart(driver)
        assert title.startswith(" of the workload's median")
        assert top.startswith("   1.990 ") and bottom.startswith("   0.990 ")


async def test_a_new_trace_appears_by_itself(start: Start, root: Path) -> None:
    async with start(VIEW) as driver:
        await driver.shows("6 traces")
        lines(root / "traces/me/pointwise/double_h8.jsonl", [evaluation(7, 0.0400, NEW)])
        await driver.shows("7 traces")
        assert cells(driver, 0)["IS"] == "slower"
        assert "40.0" in chart(driver)[1]
        assert driver.bench.table.cursor == 1, "the cursor stays on its trace"


async def test_filter_sort_and_failures(start: Start) -> None:
    async with start(VIEW) as driver:
        await driver.shows("6 traces")
        await driver.press("e")
        assert "RUNTIME_ERROR" in driver.status and driver.bench.table.cursor == 2
        await driver.press("slash")
        await driver.type("bbbbbbbb")
        assert driver.bench.table.source.row_count == 2
        await driver.press("enter", "l", "l", "s")
        assert driver.view == f"{VIEW} bbbbbbbb sort:-latency"
        await driver.until(lambda: cells(driver, 0)["LAT us"] == "20.1")


async def test_r_runs_the_pair_again(start: Start) -> None:
    async with start(VIEW) as driver:
        await driver.shows("6 traces")
        target = driver.bench.page.target()
        assert target is not None and target.pairs == (("fast", "wl-0001"),)


async def test_what_was_never_run_says_so(start: Start) -> None:
    async with start("history slow wl-0001") as driver:
        await driver.shows("slow has never been run on this workload")
        assert not driver.bench.series.display
        await driver.press("r")
        assert driver.view == "matrix double_h8"


async def test_keys_answer_while_it_is_read(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, original = threading.Event(), history.look_up

    def slow(*arguments: Any) -> history.History:
        gate.wait(20)
        return original(*arguments)

    monkeypatch.setattr(history, "look_up", slow)
    async with start(VIEW) as driver:
        try:
            assert "Reading the traces" in driver.screen()
            await driver.press("2", "j", "H")
            assert driver.view.startswith("history fast")
            await driver.press("1")
            assert driver.view == "definitions"
            await driver.press("left_square_bracket")
        finally:
            gate.set()
        await driver.shows("6 traces")


async def test_only_the_newest_are_read_in_full(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitui.screens.history_model.MOST", 4)
    monkeypatch.setattr("fitui.screens.history_model.READ", 2)
    async with start(VIEW) as driver:
        await driver.shows("the newest of 6  4 traces")
        assert [cells(driver, row)["CI"] for row in range(4)] == ["±0.4%", "±0.4%", "", ""]
    async with start("history fast") as driver:
        await driver.shows("the newest of 7  4 traces")


@pytest.mark.parametrize("view", [VIEW, "compare fast slow", "devices"])
async def test_without_colour(start: Start, monkeypatch: pytest.MonkeyPatch, view: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with start(view) as driver:
        await driver.until(lambda: driver.bench.table.source.row_count > 0)
        strips = driver.app.screen._compositor.render_strips()
        pieces = [item for strip in strips for item in strip if item.style]
        colours = {item.style.color.name for item in pieces if item.style.color}
        assert colours <= {"default"}
        assert any(item.style.reverse for item in pieces), "the cursor is told by reverse video"


def test_a_step_moves_a_row_and_the_mark_below_the_chart(root: Path, tmp_path: Path) -> None:
    with open_fitui(root, VIEW, places=tmp_path / "places") as terminal:
        terminal.shows("6 traces")
        terminal.read(1.0)
        # Two rows, the line with the mark, and the status line.
        assert len(terminal.press(b"j").data) <= 900
