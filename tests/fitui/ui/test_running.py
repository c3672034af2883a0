"""Runs, emulated by the files that a runner would write."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.client import list_runs
from engine.run.devices import Device
from engine.schema import Status
from engine.schema.run import Kind
from fitui.session import Session
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import LOG, WORKLOADS, FakeRun, lines, trace


async def test_r_on_a_definition_runs_all_its_solutions(start: Start, state: Path) -> None:
    async with start("definitions") as driver:
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
        await driver.press("l", "j", "j", "l", "j", "l", "j")
        await driver.type("a note")
        await driver.press("enter")
        request = list_runs(state)[0].request
        assert len(request.pairs) == 1 and request.note == "a note"
        assert not request.settings.quick and request.resume
        await driver.press("R", "escape")
        assert len(list_runs(state)) == 1


async def test_cells_fill_while_a_run_goes_on(start: Start, fake_run: FakeRun, root: Path) -> None:
    async with start("matrix double_h8") as driver:
        await driver.shows("run queued 0/9")
        assert "q  12.5" in driver.screen(), "the former result stays in sight"
        fake_run.event(Kind.BUILDING, "e0", device="cpu")
        await driver.shows("b  12.5")
        fake_run.event(Kind.TIMING, "e0", n=37, latency_ms=0.0042, interval=0.01)
        await driver.shows("t  4.20")
        driver.bench.matrix.put_cursor("fast")
        await driver.until(lambda: "n=37" in driver.status)
        fake_run.event(
            Kind.DONE, "e0", status=Status.PASSED, latency_ms=0.0041, speedup=3.0, timer="cpu"
        )
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


async def test_a_failure_to_start_a_run_is_a_sentence(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError("disk full")

    async with start("definitions") as driver:
        monkeypatch.setattr("engine.run.client.submit", refuse)
        await driver.press("r")
        assert "disk full" in driver.status


@pytest.fixture
def slow(state: Path, root: Path) -> FakeRun:
    """An earlier quick run in which everything took half a minute."""
    run = FakeRun(state, root, quick=True)
    run.begin()
    for number in range(9):
        run.event(Kind.DONE, f"e{number}", device="cpu", status=Status.PASSED, elapsed_s=28.0)
    run.finish()
    return run


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_what_takes_long_is_asked_for(
    start: Start, state: Path, size: tuple[int, int]
) -> None:
    async with start("definitions", size=size) as driver:
        await driver.press("r")
        assert "9 evaluations, about 4 min: Enter runs it" in driver.screen()
        assert "missing" not in driver.screen()
        for label in ("what", "device", "mode", "again", "note"):
            assert f"│ {label}" in driver.screen()
        await driver.press("escape")
        assert len(list_runs(state)) == 1
        await driver.press("r", "enter")
        assert len(list_runs(state)) == 2
        assert driver.view == "matrix double_h8"
        driver.bench.matrix.put_cursor("fast")
        await driver.press("c")
        assert len(list_runs(state)) == 3, "one cell takes half a minute only"


@pytest.mark.usefixtures("slow")
async def test_the_dialog_follows_every_choice_with_the_cost(
    start: Start, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fitui.session.Session.device_choices", property(lambda _s: [("cpu",), ("cuda:0",)])
    )
    async with start("matrix double_h8") as driver:
        driver.bench.matrix.put_cursor("fast")
        await driver.press("R")
        assert "3 evaluations, about 85 s" in driver.screen()
        await driver.press("l")
        assert "1 evaluation, about 30 s" in driver.screen()
        await driver.press("j", "l")
        assert "1 evaluation, perhaps 1 s" in driver.screen(), "nothing ran on a GPU yet"
        await driver.press("l", "j", "l")
        assert "perhaps 6 s" in driver.screen(), "nothing ran in full yet"
        await driver.press("enter")
        request = list_runs(state)[0].request
        assert request.devices == ["cpu"] and not request.settings.quick


async def test_only_what_is_missing_is_counted(
    start: Start, state: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = FakeRun(state, root, quick=True)
    run.begin()
    run.finish()
    found = trace("slow", WORKLOADS[1], "PASSED", evaluation="e4")
    found["evaluation"]["environment"]["libs"]["fitui.run"] = run.run
    lines(root / "traces/me/pointwise/double_h8.jsonl", [found])
    monkeypatch.setattr(
        "engine.run.devices.list_devices",
        lambda: [Device(name="cpu", hardware="Test CPU", key="cpu")],
    )
    async with start("matrix double_h8") as driver:
        driver.bench.matrix.put_cursor("slow")
        await driver.press("R", "j", "j", "j")
        assert "3 evaluations, perhaps 3 s" in driver.screen()
        await driver.press("l")
        assert "missing only" in driver.screen()
        assert "2 evaluations, perhaps 2 s" in driver.screen()
        await driver.press("k", "k", "k", "l", "j", "j", "j")
        assert "1 evaluation, perhaps 1 s" in driver.screen()
        await driver.press("enter")
        assert list_runs(state)[0].request.resume


async def test_several_gpus_are_one_choice(
    start: Start, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "fitui.session.Session.device_choices",
        property(lambda _s: [("cuda:0", "cuda:1"), ("cuda:0",), ("cuda:1",), ("cpu",)]),
    )
    async with start("matrix double_h8") as driver:
        driver.bench.matrix.put_cursor("fast")
        await driver.press("R")
        assert "cuda:0,1, as they are free" in driver.screen()
        await driver.press("enter")
        request = list_runs(state)[0].request
        assert request.devices == ["cuda:0", "cuda:1"] and not request.settings.quick


def test_the_choice_of_devices_begins_with_all_that_may_be_taken(
    state: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = [Device(name=f"cuda:{n}", hardware="H200", key=f"GPU-{n}") for n in (0, 1)]
    cpu = Device(name="cpu", hardware="CPU", key="cpu")
    monkeypatch.setattr("engine.run.devices.list_devices", lambda: [*gpus, cpu])
    monkeypatch.setattr("engine.run.devices.find_idle", lambda: gpus)
    session = Session(root, None, state)
    try:
        assert session.device_choices == [("cuda:0", "cuda:1"), ("cuda:0",), ("cuda:1",), ("cpu",)]
        assert session.default_choice.devices == ("cuda:0", "cuda:1")
        assert not session.default_choice.quick
    finally:
        session.store.close()
