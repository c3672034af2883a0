"""Runs that are queued, going on or ended: how they are shown, and steered."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.client import list_runs
from engine.run.queue import Queue
from engine.schema import Status
from engine.schema.run import Kind
from fitui.session import Session
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace

SIZES = ((80, 24), (200, 50))


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No run has a runner."""
    monkeypatch.setattr("engine.run.client.is_running", lambda _queue, _run: False)


async def test_the_table_of_a_run_is_live(start: Start, fake_run: FakeRun) -> None:
    async with start("runs") as driver:
        assert "queued" in driver.screen()
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
        await driver.shows("run queued 0/9")
        await driver.press("q")
    for number in range(9):
        fake_run.event(Kind.DONE, f"e{number}", status=Status.PASSED, latency_ms=0.001)
    fake_run.finish()
    async with start() as driver:
        assert driver.view == "matrix double_h8"
        assert "run 9/9" in driver.bench.crumbs.text
        await driver.press("3")
        assert "run 9/9" not in driver.bench.crumbs.text, "it has been seen"


async def test_a_run_started_elsewhere_is_found(
    start: Start, state: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.client.is_running", lambda _queue, _run: True)
    async with start("runs") as driver:
        run = FakeRun(state, root, "20261122-110000-f00d")
        run.begin()
        await driver.shows("20261122-110000-f00d")


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_that_is_queued_says_what_it_waits_for(
    start: Start, fake_run: FakeRun, size: tuple[int, int]
) -> None:
    async with start("runs", size=size) as driver:
        assert "q queued" in driver.screen()
        assert "waits for its turn" in driver.status
        fake_run.event(Kind.WAITING, "e0", message="waiting for cuda:3: alice")
        await driver.shows("waits for cuda:3: alice")
        assert "run queued 0/9" in driver.bench.crumbs.text
        fake_run.event(Kind.BUILDING, "e0", device="cpu")
        await driver.shows("r running")
        assert "alice" not in driver.screen()
        fake_run.event(Kind.DONE, "e0", device="cpu", status=Status.PASSED, elapsed_s=30.0)
        await driver.shows("4 min")
        assert "about 4 min left" in driver.status


async def test_p_pauses_a_run_and_has_it_go_on(start: Start, fake_run: FakeRun) -> None:
    fake_run.event(Kind.BUILDING, "e0", device="cpu")
    async with start("runs") as driver:
        await driver.press("p")
        assert fake_run.folder.pause_file.exists()
        assert "paused" in driver.status and "p paused" in driver.screen()
        assert "run paused 0/9" in driver.bench.crumbs.text
        await driver.press("enter", "p")
        assert not fake_run.folder.pause_file.exists()
        assert "9 evaluations left" in driver.status
        await driver.shows("running: 0 of 9")


async def test_plus_and_minus_change_the_priority(start: Start, fake_run: FakeRun) -> None:
    async with start("runs") as driver:
        await driver.press("plus", "plus")
        assert fake_run.folder.priority == 2
        assert "has priority 2" in driver.status
        await driver.press("underscore", "j")
        assert fake_run.folder.priority == 1
        assert "priority 1" in driver.status
        await driver.press("enter", "underscore", "underscore")
        assert fake_run.folder.priority == -1


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize("size", SIZES)
async def test_a_stopped_run_says_so_and_p_starts_it_again(
    start: Start,
    state: Path,
    root: Path,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = FakeRun(state, root, age_s=60.0)
    run.begin()
    started: list[Path] = []
    async with start("runs", size=size) as driver:
        monkeypatch.setattr("engine.run.client.start_runner", started.append)
        assert "s stopped" in driver.screen()
        assert "the runner is gone; p starts it again" in driver.status
        await driver.press("enter")
        assert "the runner is gone" in driver.screen()
        if size[0] > 80:
            assert "runner.log" in driver.status
        assert not started, "it has no ticket: nobody knows what it was meant for"
        await driver.press("p")
        assert started == [state]
        assert Queue(state).ticket(run.run) is not None


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
async def test_what_failed_or_was_cancelled_can_go_on(
    start: Start, fake_run: FakeRun, ended: str
) -> None:
    fake_run.event(Kind.DONE, "e0", status=Status.PASSED)
    fake_run.event(Kind.RUN_FINISHED, state=ended, message="the disk is full")
    async with start("runs") as driver:
        assert ended in driver.screen() and "the disk is full" in driver.status
        assert "x cancel" not in driver.bench.footer.text
        await driver.press("p")
        assert "8 evaluations left" in driver.status
        await driver.shows("q queued")


async def test_what_has_finished_has_no_way_on(start: Start, fake_run: FakeRun) -> None:
    fake_run.finish()
    async with start("runs") as driver:
        assert "f finished" in driver.screen()
        assert "pause" not in driver.bench.footer.text
        await driver.press("p", "plus")
        assert not fake_run.folder.pause_file.exists() and fake_run.folder.priority is None


async def test_a_run_that_goes_on_elsewhere_is_followed_again(
    start: Start, fake_run: FakeRun, state: Path
) -> None:
    fake_run.event(Kind.RUN_FINISHED, state="cancelled")
    async with start("runs") as driver:
        assert "c cancelled" in driver.screen()
        Queue(state).put(fake_run.run)
        fake_run.event(Kind.REQUEUED)
        await driver.shows("q queued")


async def test_several_live_runs_are_counted_in_the_status_bar(
    start: Start, fake_run: FakeRun, state: Path, root: Path
) -> None:
    fake_run.event(Kind.BUILDING, "e0", device="cpu")
    other = FakeRun(state, root, "20261122-110000-f00d")
    other.begin()
    async with start() as driver:
        assert "2 runs, 1 queued 0/18" in driver.bench.crumbs.text


@pytest.mark.usefixtures("gone")
@pytest.mark.parametrize(
    ("age_s", "ticket", "paused", "revived"),
    [
        (60.0, True, False, True),
        (60.0, False, False, False),
        (60.0, True, True, False),
        (90_000.0, True, False, False),
    ],
)
def test_runs_whose_runner_was_lost_go_on_by_themselves(
    state: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    age_s: float,
    ticket: bool,
    paused: bool,
    revived: bool,
) -> None:
    started: list[Path] = []
    monkeypatch.setattr("engine.run.client.start_runner", started.append)
    run = FakeRun(state, root, age_s=age_s)
    run.begin()
    if ticket:
        Queue(state).put(run.run)
    if paused:
        run.folder.pause_file.touch()
    session = Session(root, None, state)
    try:
        said = session.revive()
    finally:
        session.store.close()
    assert started == ([state] if revived else [])
    assert said == ("1 stopped run goes on: its runner was gone" if revived else "")


async def test_a_long_run_is_run_again_only_after_a_question(
    start: Start, fake_run: FakeRun, state: Path
) -> None:
    for number in range(9):
        fake_run.event(Kind.DONE, f"e{number}", device="cpu", status=Status.PASSED, elapsed_s=60.0)
    fake_run.finish()
    async with start("runs") as driver:
        await driver.press("r")
        assert "9 evaluations" in driver.status and "y / n" in driver.status
        await driver.press("n")
        assert len(list_runs(state)) == 1
        await driver.press("r", "y")
        assert len(list_runs(state)) == 2


async def test_a_skipped_cell_leads_to_the_trace_that_stands_for_it(
    start: Start, fake_run: FakeRun, root: Path
) -> None:
    found = trace("slow", WORKLOADS[1], "PASSED", evaluation="old.00001")
    lines(root / "traces/me/pointwise/double_h8.jsonl", [found])
    fake_run.event(
        Kind.SKIPPED,
        "e4",
        status=Status.PASSED,
        latency_ms=0.0125,
        message="evaluated before, as old.00001",
    )
    async with start(f"run {fake_run.run}") as driver:
        assert "passed, befo" in driver.screen()
        assert "1 of 9 ended" in driver.screen()
        driver.bench.table.put_cursor("e4")
        await driver.press("enter")
        assert driver.view.startswith("trace ")


async def test_t_runs_once_more_only_what_failed(
    start: Start, fake_run: FakeRun, state: Path
) -> None:
    for number in range(9):
        status = Status.TIMEOUT if number in (2, 5) else Status.PASSED
        fake_run.event(Kind.DONE, f"e{number}", device="cpu", status=status, elapsed_s=1.0)
    fake_run.finish()
    async with start("runs") as driver:
        assert "t retry failed" in driver.bench.footer.text
        await driver.press("t")
        request = list_runs(state)[0].request
        assert request.pairs == [("fast", "wl-0256"), ("slow", "wl-0256")]
        assert request.settings == fake_run.folder.read_request().settings
        assert driver.view.startswith("run ") and "2 evaluations" in driver.status


async def test_where_nothing_failed_there_is_nothing_to_retry(
    start: Start, fake_run: FakeRun, state: Path
) -> None:
    fake_run.event(Kind.DONE, "e0", device="cpu", status=Status.PASSED)
    fake_run.finish()
    async with start("runs") as driver:
        await driver.press("t")
        assert len(list_runs(state)) == 1


async def test_retrying_what_takes_long_is_asked_for(
    start: Start, fake_run: FakeRun, state: Path
) -> None:
    for number in range(9):
        fake_run.event(Kind.DONE, f"e{number}", device="cpu", status=Status.TIMEOUT, elapsed_s=60.0)
    fake_run.finish()
    async with start(f"run {fake_run.run}") as driver:
        await driver.press("t")
        assert "run what failed once more (9 evaluations, about 9 min)?" in driver.status
        await driver.press("y")
        assert len(list_runs(state)) == 2
