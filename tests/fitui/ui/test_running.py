"""Runs, emulated by the files that a runner would write."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.client import list_runs
from engine.schema import Status
from engine.schema.run import Kind
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import LOG, WORKLOADS, FakeRun, lines, trace


async def test_r_on_a_definition_runs_all_its_solutions(start: Start, state: Path) -> None:
    async with start() as driver:
        await driver.press("r")
        assert driver.view == "matrix double_h8"
        assert "started" in driver.status
        (handle,) = list_runs(state)
        assert handle.request.definitions == ["double_h8"]
        assert handle.request.devices == ["cpu"] and handle.request.settings.quick


@pytest.mark.parametrize(
    ("key", "pairs", "solutions"),
    [("r", 0, ["fast"]), ("c", 1, []), ("M", 4, [])],
)
async def test_the_matrix_runs_a_row_a_cell_or_what_is_missing(
    start: Start, state: Path, key: str, pairs: int, solutions: list[str]
) -> None:
    async with start("matrix double_h8") as driver:
        driver.bench.matrix.put_cursor("fast")
        await driver.press(key)
        (handle,) = list_runs(state)
        assert len(handle.request.pairs) == pairs
        assert handle.request.solutions == solutions


async def test_a_workload_and_a_trace_can_be_run_again(start: Start, state: Path) -> None:
    async with start("definition double_h8 tab:workloads") as driver:
        await driver.press("r")
        assert list_runs(state)[0].request.workloads == ["wl-0001"]
    async with start("traces solution:slow") as driver:
        await driver.press("enter", "r")
        assert [("slow", "wl-0001")] in [item.request.pairs for item in list_runs(state)]


async def test_the_dialog_chooses_what_and_how(start: Start, state: Path) -> None:
    async with start("matrix double_h8") as driver:
        await driver.press("R")
        assert "run how" in driver.screen()
        await driver.press("l", "j", "j", "l", "j")
        await driver.type("a note")
        await driver.press("enter")
        request = list_runs(state)[0].request
        assert len(request.pairs) == 1 and request.note == "a note"
        assert not request.settings.quick
        await driver.press("R", "escape")
        assert len(list_runs(state)) == 1


async def test_cells_fill_while_a_run_goes_on(start: Start, fake_run: FakeRun, root: Path) -> None:
    async with start("matrix double_h8") as driver:
        await driver.shows("run 0/9")
        assert "q  12.5" in driver.screen(), "the former result stays in sight"
        fake_run.event(Kind.BUILDING, "e0", device="cpu")
        await driver.shows("b  12.5")
        fake_run.event(Kind.TIMING, "e0", n=37, latency_ms=0.0042, interval=0.01)
        await driver.shows("t  4.20")
        driver.bench.matrix.put_cursor("fast")
        await driver.until(lambda: "n=37" in driver.status)
        fake_run.event(Kind.DONE, "e0", status=Status.PASSED, latency_ms=0.0041, speedup=3.0)
        await driver.shows("run 1/9")
        assert "P  4.10" in driver.screen()
        fake_run.event(Kind.DONE, "e3", status=Status.RUNTIME_ERROR, message="it broke")
        await driver.shows("1 failed")


async def test_enter_on_a_live_cell_follows_it_to_its_trace(
    start: Start, fake_run: FakeRun, root: Path
) -> None:
    async with start("matrix double_h8") as driver:
        driver.bench.matrix.put_cursor("slow")
        await driver.press("enter")
        assert driver.view == f"evaluation {fake_run.run}/e3"
        fake_run.event(Kind.CHECKING, "e3", device="cpu")
        await driver.shows("checking")
        (fake_run.folder.logs / "e3.txt").write_text(LOG)
        fake_run.event(
            Kind.DONE, "e3", status=Status.RUNTIME_ERROR, message="it broke", log="logs/e3.txt"
        )
        await driver.shows("mat1 and mat2")
        found = trace("slow", WORKLOADS[0], "RUNTIME_ERROR", evaluation="e3", log=LOG)
        found["evaluation"]["environment"]["libs"]["fitui.run"] = fake_run.run
        lines(root / "traces/me/pointwise/double_h8.jsonl", [found])
        await driver.until(lambda: driver.view.startswith("trace "))


async def test_the_table_of_a_run_is_live(start: Start, fake_run: FakeRun) -> None:
    async with start("runs") as driver:
        assert "running" in driver.screen()
        await driver.press("enter")
        assert driver.view == f"run {fake_run.run}"
        fake_run.event(Kind.TIMING, "e1", n=12, latency_ms=0.005, interval=0.02, device="cpu")
        await driver.shows("±2.0%")
        await driver.press("e")
        assert "no failures" in driver.status
        fake_run.event(Kind.DONE, "e4", status=Status.TIMEOUT, message="took too long")
        await driver.shows("1 failed")
        await driver.press("e")
        assert driver.bench.table.held == "e4"
        await driver.press("slash")
        await driver.type("wrong")
        await driver.press("enter")
        assert "3 of 9" in driver.bench.bar.text
        await driver.press("s")


async def test_cancel_asks_first(start: Start, fake_run: FakeRun) -> None:
    async with start(f"run {fake_run.run}") as driver:
        await driver.press("x")
        assert "cancel run" in driver.status
        await driver.press("n")
        assert not fake_run.folder.cancel_file.exists()
        await driver.press("x", "y")
        assert fake_run.folder.cancel_file.exists()


async def test_a_run_can_be_run_again(start: Start, fake_run: FakeRun, state: Path) -> None:
    fake_run.finish()
    async with start("runs") as driver:
        await driver.press("r")
        assert len(list_runs(state)) == 2
        assert driver.view.startswith("run ") and fake_run.run not in driver.view


async def test_leaving_leaves_the_run_alone_and_the_next_start_shows_it(
    start: Start, fake_run: FakeRun
) -> None:
    async with start("matrix double_h8") as driver:
        await driver.shows("run 0/9")
        await driver.press("q")
    for number in range(9):
        fake_run.event(Kind.DONE, f"e{number}", status=Status.PASSED, latency_ms=0.001)
    fake_run.finish()
    async with start() as driver:
        assert driver.view == "matrix double_h8"
        assert "run finished 9/9" in driver.bench.crumbs.text
        await driver.press("3")
        assert "run finished" not in driver.bench.crumbs.text, "it has been seen"


async def test_a_run_started_elsewhere_is_found(
    start: Start, state: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.client.is_running", lambda _folder: True)
    async with start("runs") as driver:
        run = FakeRun(state, root, "20261122-110000-f00d")
        run.begin()
        await driver.shows("20261122-110000-f00d")


async def test_a_runner_that_died_is_said_to_have(
    start: Start, fake_run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.client.is_running", lambda _folder: False)
    monkeypatch.setattr("engine.run.client.RunHandle.state", property(lambda _handle: "died"))
    async with start(f"run {fake_run.run}") as driver:
        assert "the runner is gone" in driver.screen()
        assert driver.status.startswith(" see ")


async def test_a_failure_to_start_a_run_is_a_sentence(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("disk full")

    async with start() as driver:
        monkeypatch.setattr("engine.run.client.submit", refuse)
        await driver.press("r")
        assert "disk full" in driver.status
