"""Every command after ``y``, and that which hands over to the user's tools."""

from __future__ import annotations

import json

from tests.fitui.ui.covers import Stage, covers

COMPILE = "traces status:COMPILE_ERROR sort:id"


async def copied(stage: Stage) -> str:
    """What the key after ``y`` copies."""
    app = stage.driver.app
    before = app.clipboard
    await stage.driver.press("y")
    await stage.press()
    await stage.driver.until(lambda: app.clipboard != before)
    assert (stage.state / "clip.txt").read_text() == app.clipboard
    assert "copied " in stage.driver.status
    return app.clipboard


@covers("copy", "definitions")
async def _copy(stage: Stage) -> None:
    await stage.press()
    status = stage.driver.status
    assert status == " copy  y name  c command  p path  j JSON  s source  m table"
    assert stage.driver.app.clipboard == ""


@covers("copy_name", "definitions")
async def _copy_name(stage: Stage) -> None:
    assert await copied(stage) == "double_h8"


@covers("copy_command", COMPILE)
async def _copy_command(stage: Stage) -> None:
    text = await copied(stage)
    assert text.startswith("fitui bench -d double_h8 -s tma_a -w wl-0001 --device cpu --dataset=")


@covers("copy_error", "triage")
async def _copy_error(stage: Stage) -> None:
    await stage.driver.shows("5 causes")
    assert await copied(stage) == 'kernel.cu:88: error: identifier "tma_load" is undefined'


@covers("copy_path", "problems")
async def _copy_path(stage: Stage) -> None:
    assert await copied(stage) == f"{stage.root / 'definitions/other/broken.json'}:1"


@covers("copy_json", COMPILE)
async def _copy_json(stage: Stage) -> None:
    assert json.loads(await copied(stage))["evaluation"]["status"] == "COMPILE_ERROR"


@covers("copy_source", "solution fast")
async def _copy_source(stage: Stage) -> None:
    assert await copied(stage) == "# fast\ndef run(x, y):\n    y[:] = x + x\n"


@covers("copy_table", "matrix double_h8")
async def _copy_table(stage: Stage) -> None:
    text = await copied(stage)
    assert "| large | 12.5 | 12.5 | N | 2/3 | 2.00x |" in text
    assert "- coverage: 3 of 3 workloads" in text


@covers("copy_brief", "trace 5")
async def _copy_brief(stage: Stage) -> None:
    text = await copied(stage)
    assert "# `wrong` fails on `double_h8`: INCORRECT_NUMERICAL" in text
    assert "| y | 12 of 96 | [3, 7] | 1.5 | 2.5 |" in text


@covers("copy_leave", "definitions")
async def _copy_leave(stage: Stage) -> None:
    await stage.driver.press("y", "x")
    assert stage.driver.bench.choosing
    await stage.press()
    assert not stage.driver.bench.choosing and stage.driver.view == "definitions"
    assert stage.driver.app.clipboard == ""


@covers("elsewhere", "trace 4")
async def _elsewhere(stage: Stage) -> None:
    # A terminal that is none cannot be handed over; test_tools has a real one.
    await stage.press()
    assert "cannot be handed to another program" in stage.driver.status
