"""Every command where it is valid: moving, going about, looking. ``@covers`` says which and where.

The dataset is that of ``failing_files``; see ``test_commands`` for what plays these.
"""

from __future__ import annotations

import pytest

from tests.fitui.ui.covers import Stage, covers
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace

TRACES = "traces sort:time"


# Moving


@covers("down", TRACES)
async def _down(stage: Stage) -> None:
    await stage.press()
    await stage.press()
    assert stage.row == 2


@covers("up", TRACES)
async def _up(stage: Stage) -> None:
    await stage.driver.press("j", "j", "j")
    await stage.press()
    assert stage.row == 2


@covers("half_down", TRACES)
async def _half_down(stage: Stage) -> None:
    await stage.press()
    assert 5 < stage.row < 14


@covers("half_up", TRACES)
async def _half_up(stage: Stage) -> None:
    await stage.driver.press("G")
    await stage.press()
    assert 0 < stage.row < 9


@covers("page_down", "solution tma_a")
async def _page_down(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.bench.text._top >= 15


@covers("page_up", "solution tma_a")
async def _page_up(stage: Stage) -> None:
    await stage.driver.press("pagedown", "pagedown")
    top = stage.driver.bench.text._top
    await stage.press()
    assert stage.driver.bench.text._top <= top - 15


@covers("first", TRACES)
async def _first(stage: Stage) -> None:
    await stage.driver.press("j", "j")
    await stage.press()
    assert stage.row == 0


@covers("last", TRACES)
async def _last(stage: Stage) -> None:
    await stage.press()
    assert stage.row == 14


@covers("left", TRACES)
async def _left(stage: Stage) -> None:
    await stage.driver.press("l", "l")
    await stage.press()
    assert stage.driver.bench.table.column == 1


@covers("right", TRACES)
async def _right(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.bench.table.column == 1


# Going about


@covers("open", "definitions")
async def _open(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "definition double_h8"


@covers("place", "traces sol:tma_a")
async def _place(stage: Stage) -> None:
    await stage.driver.press("enter")
    await stage.press()
    assert stage.driver.view == "solution tma_a at:kernel.cu:88"
    assert "tma_load(smem, desc);" in stage.driver.screen()


@covers("out", "definition double_h8")
async def _out(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "definitions"


@covers("next_tab", "definition double_h8")
async def _next_tab(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "definition double_h8 tab:workloads"


@covers("previous_tab", "definition double_h8 tab:workloads")
async def _previous_tab(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "definition double_h8"


@covers("history_back", "definitions")
async def _history_back(stage: Stage) -> None:
    await stage.driver.press("2")
    await stage.press()
    assert stage.driver.view == "definitions"


@covers("history_forward", "definitions")
async def _history_forward(stage: Stage) -> None:
    await stage.driver.press("2", "left_square_bracket")
    await stage.press()
    assert stage.driver.view == "traces"


@covers("go_triage", "problems")
async def _go_triage(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "triage"


@covers("go_definitions", "problems")
async def _go_definitions(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "definitions" and "triple_h8" in stage.driver.screen()


@covers("go_traces", "problems")
async def _go_traces(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "traces" and "tma_b" in stage.driver.screen()


@covers("go_runs", "problems", run=True)
async def _go_runs(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "runs" and stage.run.run in stage.driver.screen()


@covers("go_devices", "problems", gpus=True)
async def _go_devices(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "devices"
    await stage.driver.shows("cuda:1")


@covers("go_problems", "definitions")
async def _go_problems(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "problems" and "broken.json" in stage.driver.screen()


@covers("matrix", "definitions")
async def _matrix(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "matrix double_h8" and "bs=256" in stage.driver.screen()


@covers("source", "traces sol:slow")
async def _source(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "solution slow" and "y[:] = x + x" in stage.driver.screen()


@covers("history", "traces sol:large")
async def _history(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view.startswith("history large wl-")


@covers("bookmark", "traces status:failed")
async def _bookmark(stage: Stage) -> None:
    await stage.press()
    await stage.driver.type("mine")
    await stage.driver.press("enter", "1", "colon")
    await stage.driver.type("mine")
    await stage.driver.press("enter")
    assert stage.driver.view == "traces status:failed"


@covers("palette", "definitions")
async def _palette(stage: Stage) -> None:
    await stage.press()
    await stage.driver.type("traces status:failed")
    await stage.driver.press("enter")
    assert stage.driver.view == "traces status:failed"


@covers("help", "matrix double_h8")
async def _help(stage: Stage) -> None:
    await stage.press()
    assert "keys valid here" in stage.driver.screen() and "Run, and choose" in stage.driver.screen()


@covers("leave", "matrix double_h8")
async def _leave(stage: Stage) -> None:
    await stage.driver.press("l")
    await stage.press()
    assert stage.driver.app.return_code == 0
    assert "matrix double_h8" in (stage.state / "state.json").read_text()


# Looking


@covers("filter", "definitions")
async def _filter(stage: Stage) -> None:
    await stage.press()
    await stage.driver.type("op:other")
    await stage.driver.press("enter")
    assert stage.driver.view == "definitions op:other"
    assert "double_h8" not in stage.driver.screen()


async def _searched(stage: Stage) -> None:
    """In the log of two errors, at the first of three lines that name the file."""
    await stage.driver.press("enter", "tab", "slash")
    await stage.driver.type("kernel.cu")
    await stage.driver.press("enter")


@covers("search", "traces sol:tma_a")
async def _search(stage: Stage) -> None:
    await stage.driver.press("enter", "tab")
    await stage.press()
    await stage.driver.type("detected")
    await stage.driver.press("enter")
    text = stage.driver.bench.text
    assert text.here is not None and "1 error detected" in text.lines.plain(text.here)


@covers("next_hit", "traces sol:tma_a")
async def _next_hit(stage: Stage) -> None:
    await _searched(stage)
    before = stage.driver.bench.text.here
    await stage.press()
    assert before is not None and stage.driver.bench.text.here == before + 1


@covers("previous_hit", "traces sol:tma_a")
async def _previous_hit(stage: Stage) -> None:
    await _searched(stage)
    await stage.driver.press("n", "n")
    before = stage.driver.bench.text.here
    await stage.press()
    assert before is not None and (stage.driver.bench.text.here or 0) < before


@covers("sort", "definitions")
async def _sort(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "definitions sort:name"
    await stage.press()
    assert stage.driver.bench.table.source.key(0) == "triple_h8"


@covers("next_failure", "traces sort:solution")
async def _next_failure(stage: Stage) -> None:
    source = stage.driver.bench.table.source
    assert source.cell(0, 0) == "P"
    await stage.press()
    assert stage.row > 0 and source.cell(stage.row, 0) != "P"


@covers("previous_failure", "traces sort:-solution")
async def _previous_failure(stage: Stage) -> None:
    source = stage.driver.bench.table.source
    await stage.driver.press("G")
    assert source.cell(stage.row, 0) == "P"
    await stage.press()
    assert source.cell(stage.row, 0) != "P"


@covers("metric", "matrix double_h8")
async def _metric(stage: Stage) -> None:
    assert "12.5" in stage.driver.screen()
    await stage.press()
    assert "P 2.00x" in stage.driver.screen() and "P  12.5" not in stage.driver.screen()


@covers("mute", "triage")
async def _mute(stage: Stage) -> None:
    await stage.driver.shows("5 causes")
    first = stage.driver.bench.table.source.key(0)
    await stage.press()
    assert "1 cause muted" in stage.driver.screen()
    assert stage.driver.bench.table.source.key(0) != first


@covers("reload", "definitions")
async def _reload(stage: Stage) -> None:
    looks: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        store = stage.driver.bench.session.store
        refresh = store.refresh
        patch.setattr(store, "refresh", lambda *args: looks.append("") or refresh(*args))
        await stage.press()
        await stage.driver.until(lambda: bool(looks))
    lines(stage.root / "traces/late.jsonl", [trace("slow", WORKLOADS[1], "PASSED")])
    await stage.press()
    await stage.driver.press("2")
    await stage.driver.shows("16 traces")
