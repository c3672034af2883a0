"""Every command where it is valid: running, steering, marking, and what is kept of devices."""

from __future__ import annotations

from engine.run import preferences
from engine.run.client import list_runs
from tests.fitui.ui.covers import Stage, covers

MATRIX = "matrix double_h8"


@covers("run", "definitions")
async def _run(stage: Stage) -> None:
    await stage.press()
    (handle,) = list_runs(stage.state)
    assert handle.request.definitions == ["double_h8"]
    assert stage.driver.view == MATRIX and "started" in stage.driver.status


@covers("run_dialog", MATRIX)
async def _run_dialog(stage: Stage) -> None:
    await stage.press()
    assert "run how" in stage.driver.screen()
    await stage.driver.press("enter")
    assert len(list_runs(stage.state)) == 1


@covers("run_cell", MATRIX)
async def _run_cell(stage: Stage) -> None:
    stage.driver.bench.matrix.put_cursor("slow")
    await stage.press()
    assert list_runs(stage.state)[0].request.pairs == [("slow", "wl-0001")]


@covers("pause", "runs", run=True)
async def _pause(stage: Stage) -> None:
    await stage.press()
    assert stage.run.folder.pause_file.exists()
    await stage.press()
    assert not stage.run.folder.pause_file.exists()


@covers("sooner", "runs", run=True)
async def _sooner(stage: Stage) -> None:
    await stage.press()
    assert stage.run.folder.priority == 1


@covers("later", "runs", run=True)
async def _later(stage: Stage) -> None:
    await stage.press()
    assert stage.run.folder.priority == -1


@covers("cancel", "runs", run=True)
async def _cancel(stage: Stage) -> None:
    await stage.press()
    assert not stage.run.folder.cancel_file.exists(), "it asks first"
    await stage.driver.press("y")
    assert stage.run.folder.cancel_file.exists()


@covers("compare", MATRIX)
async def _compare(stage: Stage) -> None:
    stage.driver.bench.matrix.put_cursor("fast")
    await stage.driver.press("space")
    stage.driver.bench.matrix.put_cursor("large")
    await stage.press()
    assert stage.driver.view == "compare fast large"


# Devices


@covers("avoid", "devices", gpus=True)
async def _avoid(stage: Stage) -> None:
    await stage.driver.shows("cuda:0")
    await stage.press()
    assert preferences.marks() == {"GPU-aaaa": "avoid"}


@covers("use", "devices", gpus=True)
async def _use(stage: Stage) -> None:
    await stage.driver.shows("cuda:0")
    await stage.press()
    assert preferences.marks() == {"GPU-aaaa": "use"}


@covers("release", "devices", gpus=True)
async def _release(stage: Stage) -> None:
    preferences.quarantine("GPU-aaaa", "memory did not come back", "run-1")
    await stage.driver.shows("quar.")
    await stage.press()
    await stage.driver.press("y")
    assert preferences.quarantined() == {}
