"""Runs, emulated by the files that a runner would write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.run.client import list_runs
from engine.run.devices import Device
from engine.schema import Definition, Solution, Status, decode
from engine.schema.run import Busy, Kind
from fitui.config import config_file
from fitui.screens.run_form import LABELS
from fitui.session import Session
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import (
    DEFINITION,
    LOG,
    REFERENCE,
    WORKLOADS,
    FakeRun,
    lines,
    solution,
    trace,
    workload,
    write,
    write_dataset,
)

MISSING = [("slow", "wl-0016"), ("slow", "wl-0256"), ("wrong", "wl-0001"), ("wrong", "wl-0256")]
"""What of the tiny dataset has no result."""


async def test_r_on_a_definition_runs_what_is_missing(start: Start, state: Path) -> None:
    async with start("definitions") as driver:
        await driver.press("r")
        assert driver.view == "matrix double_h8"
        assert "started" in driver.status and "4 evaluations" in driver.status
        (handle,) = list_runs(state)
        assert handle.request.definitions == ["double_h8"]
        assert handle.request.pairs == MISSING
        assert handle.request.devices == ["cpu"] and handle.request.settings.quick
        await driver.press("r")
        assert "nothing is missing but what is being run; R runs again" in driver.status
        assert len(list_runs(state)) == 1


async def test_what_has_no_result_at_all_is_asked_for_as_a_whole(
    start: Start, state: Path, tmp_path: Path
) -> None:
    bare = write_dataset(tmp_path / "bare", traces=False)
    async with start("definitions", dataset=bare) as driver:
        await driver.press("r")
        request = list_runs(state)[0].request
        assert request.definitions == ["double_h8"] and not request.pairs


@pytest.mark.parametrize(("key", "pairs"), [("r", MISSING), ("c", [("fast", "wl-0001")])])
async def test_the_matrix_runs_what_is_missing_or_a_cell_again(
    start: Start, state: Path, key: str, pairs: list[tuple[str, str]]
) -> None:
    async with start("matrix double_h8") as driver:
        driver.bench.matrix.put_cursor("fast")
        await driver.press(key)
        (handle,) = list_runs(state)
        assert handle.request.pairs == pairs


async def test_the_matrix_runs_only_what_it_shows(start: Start, state: Path) -> None:
    async with start("matrix double_h8 slow") as driver:
        await driver.press("r")
        assert list_runs(state)[0].request.pairs == MISSING[:2]


async def test_a_workload_and_a_trace_can_be_run(start: Start, state: Path) -> None:
    async with start("definition double_h8 tab:workloads") as driver:
        await driver.press("r")
        assert list_runs(state)[0].request.pairs == [("wrong", "wl-0001")]
    async with start("traces solution:slow") as driver:
        await driver.press("enter", "r")
        assert "nothing is missing; R runs again" in driver.status
        assert len(list_runs(state)) == 1
        await driver.press("R")
        assert "all again" in driver.screen(), "that is what is left to be meant"
        await driver.press("enter")
        assert list_runs(state)[0].request.pairs == [("slow", "wl-0001")]


def fill(root: Path, **libs: str) -> None:
    """Traces of everything that has none."""
    work = {item["workload"]["uuid"]: item for item in WORKLOADS}
    found = [trace(name, work[uuid], "RUNTIME_ERROR") for name, uuid in MISSING]
    for item in found:
        item["evaluation"]["environment"]["libs"].update(libs)
    lines(root / "traces/me/pointwise/double_h8.jsonl", found)


async def test_other_content_makes_a_result_stale(start: Start, state: Path, root: Path) -> None:
    fill(root, **{"fitui.definition": decode(json.dumps(DEFINITION), Definition).content_hash()})
    async with start("matrix double_h8") as driver:
        await driver.press("r")
        assert "nothing is missing; R runs again" in driver.status
    changed = {**DEFINITION, "reference": REFERENCE.replace("twice", "two times")}
    write(root / "definitions/pointwise/double_h8.json", changed)
    async with start("matrix double_h8") as driver:
        await driver.press("r")
        assert list_runs(state)[0].request.pairs == MISSING, (
            "the others do not say what they are of"
        )


async def test_another_workload_or_solution_makes_a_result_stale(
    start: Start, state: Path, root: Path
) -> None:
    current = decode(json.dumps(solution("wrong")), Solution).content_hash()
    fill(root, **{"fitui.solution": current})
    other = {
        **solution("wrong"),
        "sources": [{"path": "main.py", "content": "def run(x, y): ...\n"}],
    }
    write(root / "solutions/me/pointwise/double_h8/wrong.json", other)
    works = [WORKLOADS[0], WORKLOADS[1], workload("wl-0256", 512)]
    (root / "workloads/pointwise/double_h8.jsonl").unlink()
    lines(root / "workloads/pointwise/double_h8.jsonl", works)
    async with start("matrix double_h8") as driver:
        await driver.press("r")
        pairs = set(list_runs(state)[0].request.pairs)
        assert {("fast", "wl-0256"), ("wrong", "wl-0001"), ("wrong", "wl-0256")} <= pairs
        assert ("fast", "wl-0001") not in pairs


async def test_results_of_another_device_count_unless_one_is_chosen(
    start: Start, state: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(root)
    processor = Device(name="cpu", hardware="Another CPU", key="cpu")
    monkeypatch.setattr("engine.run.devices.list_devices", lambda: [processor])
    async with start("matrix double_h8") as driver:
        await driver.press("r")
        assert "nothing is missing" in driver.status
    config_file().write_text('[run]\ndevice = "cpu"\nquick = "no"\n')
    async with start("matrix double_h8") as driver:
        await driver.press("r")
        request = list_runs(state)[0].request
        assert not request.pairs and len(request.workloads) == 3
        assert not request.settings.quick, "as the settings say"


async def test_a_device_of_the_settings_that_is_not_here_is_said(start: Start, state: Path) -> None:
    config_file().write_text('[run]\ndevice = "cuda:9"\n')
    async with start("matrix double_h8") as driver:
        await driver.press("r")
        assert "no device cuda:9 here" in driver.status and not list_runs(state)


async def test_the_dialog_chooses_what_and_how(start: Start, state: Path) -> None:
    async with start("matrix double_h8") as driver:
        await driver.press("R")
        assert "run how" in driver.screen()
        assert "4 evaluations (2 solutions on 3)" in driver.screen()
        assert "process  the only level there is" in driver.screen()
        assert "quick  <1/2>  short timing" in driver.screen(), "workloads are named"
        # The row, on two workloads, in full without confirming, again, with a note.
        await driver.press("l")
        assert "quick  <1/2>  few small workloads, short timing" in driver.screen()
        await driver.press("down")
        assert "workloads: axis.batch_size<=64" in driver.screen()
        await driver.type("axis.batch_size<=16")
        assert "quick  <1/2>  short timing" in driver.screen()
        await driver.press("down", "j", "l", "j", "l", "j", "l", "l")
        assert "2 evaluations (1 solution on 2)" in driver.screen()
        await driver.press("j")
        await driver.type("a note")
        await driver.press("enter")
        request = list_runs(state)[0].request
        assert request.solutions == ["fast"] and request.workloads == ["wl-0001", "wl-0016"]
        assert request.note == "a note" and not request.resume
        assert not request.settings.quick and not request.settings.confirm
        await driver.press("R", "escape")
        assert len(list_runs(state)) == 1


async def test_a_filter_that_cannot_be_understood_is_said_and_starts_nothing(
    start: Start, state: Path
) -> None:
    async with start("matrix double_h8") as driver:
        await driver.press("R", "down")
        await driver.type("colour:red")
        assert "colour" in driver.screen().splitlines()[-10:][0] or "no field" in driver.screen()
        await driver.press("enter")
        assert not list_runs(state) and "run how" in driver.screen()
        await driver.press("ctrl+u")
        await driver.type("axis.batch_size>9999")
        assert "nothing to run" in driver.screen()
        await driver.press("enter", "ctrl+u", "enter")
        assert list_runs(state)[0].request.pairs == MISSING


async def test_what_has_another_setting_can_be_asked_for(start: Start, state: Path) -> None:
    async with start("matrix double_h8") as driver:
        await driver.press("R", *["down"] * 4, "l")
        assert "also other settings" in driver.screen()
        assert "9 evaluations (3 solutions on 3)" in driver.screen()
        await driver.press("enter")
        assert list_runs(state)[0].request.resume


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
    """An earlier quick run in which everything took longer."""
    run = FakeRun(state, root, quick=True)
    run.begin()
    for number in range(9):
        run.event(Kind.DONE, f"e{number}", device="cpu", status=Status.PASSED, elapsed_s=40.0)
    run.finish()
    return run


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_what_takes_long_is_asked_for(
    start: Start, state: Path, size: tuple[int, int]
) -> None:
    async with start("definitions", size=size) as driver:
        await driver.press("r")
        assert "4 evaluations (2 solutions on 3), about 3 min" in driver.screen()
        assert "5 have a result" in driver.screen()
        for label in LABELS:
            assert f"│ {label}" in driver.screen()
        await driver.press("escape")
        assert len(list_runs(state)) == 1
        await driver.press("r", "enter")
        assert len(list_runs(state)) == 2
        assert driver.view == "matrix double_h8"
        driver.bench.matrix.put_cursor("fast")
        await driver.press("c")
        assert len(list_runs(state)) == 3, "one cell takes less"


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
        assert "4 evaluations (2 solutions on 3), about 3 min" in driver.screen()
        await driver.press("l", *["up"] * 2, "l", "l")
        assert "3 evaluations (1 solution on 3), about 2 min" in driver.screen()
        await driver.press("down", "down", "l")
        assert "1 evaluation (1 solution on 1), about 40 s" in driver.screen()
        await driver.press("down", "down", "l")
        assert "perhaps 1 s" in driver.screen(), "nothing ran on a GPU yet"
        assert "the best that works here" in driver.screen()
        await driver.press("down", "down", "l", "up", "up", "l")
        assert "cpu-clock" in driver.screen(), "what a GPU was asked for is forgotten"
        await driver.press("down", "l")
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
        await driver.press("R")
        assert "3 evaluations (2 solutions on 2), perhaps" in driver.screen()
        await driver.press(*["up"] * 2, "l")
        assert "8 evaluations (3 solutions on 3), perhaps" in driver.screen()
        await driver.press("l")
        assert "9 evaluations (3 solutions on 3), perhaps" in driver.screen()
        await driver.press("enter")
        request = list_runs(state)[0].request
        assert not request.resume and len(request.workloads) == 3 and not request.pairs


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
        assert "cuda:0,1  <1/4>  as they are free" in driver.screen()
        await driver.press("down", "down", "l", "l", "0")
        assert "cuda:0,1  <1/4>" in driver.screen(), "a digit adds a GPU"
        await driver.press("1", "7", "0", *["down"] * 4, "l")
        assert "cuda:0  <2/4>" in driver.screen(), "or takes it away, but not the last one"
        assert "GPUs that others are using" in driver.screen()
        await driver.press("enter")
        request = list_runs(state)[0].request
        assert request.devices == ["cuda:0"] and not request.settings.quick
        assert request.busy is Busy.SKIP


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
