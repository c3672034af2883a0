"""Triage: what fails by its cause, from the start to the line of the source, and what runs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.insight import triage as engine_triage
from engine.insight.causes import Cause, cause_of
from engine.places import state_dir
from engine.schema import Correctness
from engine.schema.run import Kind
from engine.store import visits
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.failing_files import ARITY, write_failing
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace, write_dataset

TMA = 'identifier "tma_load" is undefined'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The dataset of which much fails."""
    return write_failing(tmp_path / "dataset")


async def looked(driver: Driver) -> None:
    """Wait until every failure has been looked at and is shown."""
    await driver.shows("10 failures, 5 causes")


def rows(driver: Driver) -> list[str]:
    """Keys of the rows on the screen."""
    source = driver.bench.table.source
    return [source.cell(row, 2) for row in range(source.row_count)]


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_what_fails_is_shown_by_cause(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as driver:
        assert driver.view == "triage"
        await looked(driver)
        found = rows(driver)
        assert found[:2] == [TMA, "TypeError: run() takes 1 positional argument but 2 were given"]
        assert "double_h8: wrong by 0.1 to 1 where batch_size >= 256" in found
        shown = driver.screen().splitlines()
        assert f"kernel.cu:88: error: {TMA}" in driver.status
        line = next(text for text in shown if text.startswith(f"C      4 {TMA[:20]}"))
        assert "2    3    1" in line
        await driver.press("j")
        assert "try destination_passing_style=false" in driver.status
        assert all(len(text) <= size[0] for text in shown)


async def test_from_the_start_to_the_source_line_in_six_keys(start: Start) -> None:
    async with start() as driver:
        await looked(driver)
        keys = ["enter", "enter", "enter"]
        assert len(keys) <= 6
        await driver.press(*keys)
        assert driver.view == "solution tma_b at:kernel.cu:88"
        assert driver.bench.text.here is not None
        assert "tma_load(smem, desc);" in driver.bench.text.lines.plain(driver.bench.text.here)
        assert "tma_load(smem, desc);" in driver.screen()
        await driver.press("escape")
        assert driver.view.startswith("trace ")
        assert "Enter shows kernel.cu, line 88" in driver.status


async def test_a_wide_screen_shows_the_newest_failure_beside(start: Start) -> None:
    async with start(size=(200, 50)) as driver:
        await looked(driver)
        await driver.shows("kernel.cu, line 88")
        text = driver.screen()
        for words in ("compile error", "4 traces, 2 solutions", " 88    tma_load(smem, desc);"):
            assert words in text
        await driver.press("j")
        assert "3 traces, 1 solution" in driver.screen()
        await driver.press("enter")
        assert driver.view.startswith("traces cause:")
        assert "3 traces, 1 solution" not in driver.screen()


async def test_entering_a_cause_lists_its_traces_and_no_others(start: Start) -> None:
    async with start() as driver:
        await looked(driver)
        await driver.press("enter")
        assert driver.bench.table.source.row_count == 4
        assert "4 of 15" in driver.bench.bar.text
        view = driver.view
        await driver.press("slash")
        await driver.type(" sol:tma_b")
        await driver.press("enter")
        assert driver.bench.table.source.row_count == 1
        await driver.press("escape", "q")
    async with start(view) as driver:
        await driver.until(lambda: driver.bench.table.source.row_count == 4)


async def test_a_filter_keeps_causes_and_goes_along(start: Start) -> None:
    async with start() as driver:
        await looked(driver)
        await driver.press("slash")
        await driver.type("sol:tma_a")
        assert rows(driver) == [TMA]
        assert "1 left" in driver.bench.typing.note
        await driver.press("enter", "enter")
        assert driver.bench.table.source.row_count == 3
        await driver.press("escape", "slash", "ctrl+u")
        await driver.type("positional")
        assert [text.split(":")[0] for text in rows(driver)] == ["TypeError"]
        await driver.type(" nofield:1")
        assert "no field" in driver.bench.typing.note
        assert driver.bench.typing._wrong == (len("positional "), len("positional nofield"))
        await driver.press("escape")
        assert rows(driver) == [TMA]


async def test_what_is_muted_is_folded_until_asked_for(start: Start) -> None:
    async with start() as driver:
        await looked(driver)
        await driver.press("m")
        assert "muted" in driver.status
        assert rows(driver)[-1] == "1 cause muted; Enter shows it" and TMA not in rows(driver)
        assert (state_dir() / "muted.json").is_file()
        await driver.press("G", "enter")
        assert driver.view == "triage is:muted" and rows(driver) == [TMA]
        await driver.press("m")
        assert rows(driver) == []
        await driver.press("escape")
        assert rows(driver)[0] == TMA


async def test_the_muted_stay_so_at_the_next_start(start: Start) -> None:
    async with start() as driver:
        await looked(driver)
        await driver.press("m", "q")
    async with start() as driver:
        await driver.shows("1 cause muted")


async def test_what_came_since_the_last_visit_is_marked(
    start: Start, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = trace("slow", WORKLOADS[2], "RUNTIME_ERROR", log=ARITY)
    late["evaluation"]["timestamp"] = "2026-11-23T10:00:00+00:00"
    lines(root / "traces/me/pointwise/double_h8.jsonl", [late])
    monkeypatch.setattr(visits, "read", lambda: visits.Visits(last=1795374000.0))
    async with start() as driver:
        await driver.shows("11 failures")
        screen = driver.screen().splitlines()
        assert next(text for text in screen if "run() takes 1" in text).rstrip().endswith("+1")
        await driver.press("slash")
        await driver.type("is:new")
        assert len(rows(driver)) == 1
        assert driver.bench.table.source.cell(0, 8) == "new"


async def test_new_failures_appear_by_themselves(start: Start, root: Path) -> None:
    async with start() as driver:
        await looked(driver)
        lines(
            root / "traces/me/pointwise/double_h8.jsonl",
            [trace("fast", WORKLOADS[0], "TIMEOUT", log="the first call did not finish\n")],
        )
        await driver.shows("11 failures, 6 causes")
        assert "the first call did not finish" in rows(driver)


async def test_what_runs_now_stands_below(start: Start, fake_run: FakeRun) -> None:
    async with start() as driver:
        await looked(driver)
        await driver.shows("runs double_h8  queued: 0 of 9 ended")
        fake_run.event(Kind.TIMING, "e0", n=37, latency_ms=0.0042, interval=0.01)
        await driver.shows("timing: fast")
        below = next(text for text in driver.screen().splitlines() if "runs double_h8" in text)
        assert driver.screen().splitlines().index(below) == 21
        fake_run.finish()
        await driver.until(lambda: "runs double_h8" not in driver.screen())


async def test_sorting_and_running_again(start: Start) -> None:
    async with start() as driver:
        await looked(driver)
        await driver.press("l", "l", "s")
        assert driver.view == "triage sort:line"
        assert rows(driver) == sorted(rows(driver))
        await driver.press("R")
        await driver.shows("failing pair")


async def test_without_failures_one_lands_on_the_definitions(start: Start, tmp_path: Path) -> None:
    fresh = write_dataset(tmp_path / "fresh", traces=False)
    async with start(dataset=fresh) as driver:
        assert driver.view == "definitions"
        await driver.press("0")
        assert driver.view == "triage"
        await driver.shows("Nothing has been run yet")
        lines(fresh / "traces/t.jsonl", [trace("fast", WORKLOADS[0], "PASSED")])
        await driver.shows("Nothing fails")
        assert "1 shows the definitions" in driver.screen()


async def test_a_run_alone_brings_triage(start: Start, tmp_path: Path, fake_run: FakeRun) -> None:
    fresh = write_dataset(tmp_path / "fresh", traces=False)
    async with start(dataset=fresh) as driver:
        assert driver.view == "triage"
        await driver.shows("runs double_h8")


async def test_keys_answer_while_failures_are_looked_at(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def slow(status: str, log: str, correctness: Correctness | None) -> Cause:
        if log == ARITY:
            gate.wait(20)
        return cause_of(status, log, correctness)

    monkeypatch.setattr(engine_triage, "cause_of", slow)
    async with start() as driver:
        try:
            await driver.press("1", "j", "k", "0")
            assert driver.view == "triage"
            assert "ook" in driver.bench.bar.text and "5 causes" not in driver.screen()
            await driver.press("2")
            assert driver.bench.table.source.row_count == 15
            await driver.press("0")
        finally:
            gate.set()
        await looked(driver)


async def test_superseded_failures_are_seen_when_asked_for(start: Start, root: Path) -> None:
    late = trace("tma_b", WORKLOADS[0], "PASSED")
    late["evaluation"]["timestamp"] = "2026-11-23T10:00:00+00:00"
    lines(root / "traces/me/pointwise/double_h8.jsonl", [late])
    async with start("triage is:ever sol:tma_b") as driver:
        await driver.until(lambda: rows(driver) == [TMA])
        await driver.press("enter")
        assert driver.bench.table.source.row_count == 1
    async with start("triage sol:tma_b") as driver:
        await driver.shows("Nothing matches")
