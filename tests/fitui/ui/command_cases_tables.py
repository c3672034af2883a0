"""Every command on tables: marking rows, columns, values, what comes in; and on differences."""

from __future__ import annotations

import json

from engine.run.client import list_runs
from engine.schema import Status
from engine.schema.run import Kind
from tests.fitui.ui.covers import Stage, covers
from tests.fitui.ui.failing_files import cuda
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace

TRACES = "traces sort:id"


def cells(stage: Stage, column: int) -> list[str]:
    """What the rows of the table say in a column."""
    source = stage.driver.bench.table.source
    return [source.cell(row, column) for row in range(source.row_count)]


def arrive(stage: Stage) -> None:
    """A trace comes in that is newer than all others."""
    late = trace("slow", WORKLOADS[2], "TIMEOUT", log="too late\n")
    late["evaluation"]["timestamp"] = "2026-11-22T11:00:00+00:00"
    lines(stage.root / "traces/late.jsonl", [late])
    stage.driver.bench.session.reload()


# Marks


@covers("mark", "traces sort:id")
async def _mark(stage: Stage) -> None:
    key = stage.driver.bench.table.source.key(0)
    await stage.press()
    marks = stage.driver.bench.marks
    assert [name for group in marks._names for name in marks.of(group)] == [key]
    await stage.press()
    assert not any(marks.number(group) for group in marks._names)


@covers("mark_range", TRACES)
async def _mark_range(stage: Stage) -> None:
    await stage.driver.press("space", "j", "j")
    await stage.press()
    assert "3 traces marked" in stage.driver.status


@covers("mark_all", "traces sol:tma_a")
async def _mark_all(stage: Stage) -> None:
    await stage.press()
    assert "3 traces marked" in stage.driver.status


@covers("unmark", TRACES)
async def _unmark(stage: Stage) -> None:
    await stage.driver.press("asterisk")
    marks = stage.driver.bench.marks
    assert any(marks.number(group) == 15 for group in marks._names)
    await stage.press()
    assert not any(marks.number(group) for group in marks._names)


# Columns and values


@covers("sort_more", "traces sort:status")
async def _sort_more(stage: Stage) -> None:
    await stage.driver.press("l")
    await stage.press()
    assert stage.driver.view == "traces sort:status,solution"
    await stage.press()
    assert stage.driver.view == "traces sort:status,-solution"
    assert cells(stage, 1)[0] == "tma_b"


@covers("keep_value", TRACES)
async def _keep_value(stage: Stage) -> None:
    await stage.driver.press("l")
    await stage.press()
    assert set(cells(stage, 1)) == {"fast"} and "fast" in stage.driver.view


@covers("drop_value", TRACES)
async def _drop_value(stage: Stage) -> None:
    await stage.driver.press("l")
    await stage.press()
    assert "fast" not in cells(stage, 1) and len(cells(stage, 1)) == 12


@covers("frequency", TRACES)
async def _frequency(stage: Stage) -> None:
    await stage.driver.press("l")
    await stage.press()
    assert stage.driver.view == "traces group:solution"
    await stage.driver.shows("tma_a")
    assert ("fast", "3") in zip(cells(stage, 0), cells(stage, 1), strict=True)


@covers("columns", TRACES)
async def _columns(stage: Stage) -> None:
    await stage.press()
    assert "IN cols:" in stage.driver.screen()
    await stage.driver.press("j", "space", "enter")
    assert stage.driver.view == "traces sort:id cols:-solution"
    assert "SOLUTION" not in stage.driver.screen()


# What comes in


@covers("follow", "traces")
async def _follow(stage: Stage) -> None:
    await stage.press()
    assert stage.driver.view == "traces follow:newest"
    arrive(stage)
    await stage.driver.shows("T slow")
    assert stage.row == 0 and cells(stage, 0)[0] == "T"


@covers("freeze", "traces")
async def _freeze(stage: Stage) -> None:
    await stage.press()
    arrive(stage)
    await stage.driver.shows("frozen +1")
    assert len(cells(stage, 0)) == 15
    await stage.press()
    assert len(cells(stage, 0)) == 16 and "frozen" not in stage.driver.screen()


@covers("retry", "runs", run=True)
async def _retry(stage: Stage) -> None:
    stage.run.event(Kind.DONE, "e4", status=Status.TIMEOUT, message="too late")
    stage.run.event(Kind.DONE, "e5", status=Status.PASSED)
    stage.run.finish()
    await stage.driver.shows("finished")
    await stage.press()
    newest = max(list_runs(stage.state), key=lambda handle: handle.run)
    assert newest.request.pairs == [("slow", "wl-0016")]
    assert stage.driver.view == f"run {newest.run}"


# What differs


@covers("diff", "solution tma_a")
async def _diff(stage: Stage) -> None:
    path = stage.root / "solutions/me/pointwise/double_h8/tma_a.json"
    changed = cuda("tma_a")
    changed["sources"][0]["content"] = changed["sources"][0]["content"].replace("tma_l", "bulk_l")
    path.write_text(json.dumps(changed))
    stage.driver.bench.session.reload()
    await stage.driver.until(lambda: "bulk_load" in _source(stage))
    await stage.press()
    assert "tab:diff" in stage.driver.view


def _source(stage: Stage) -> str:
    return str(stage.driver.bench.session.store.solution("tma_a").sources[0].content)


@covers("next_change", "solution returns tab:diff against:large")
async def _next_change(stage: Stage) -> None:
    await stage.driver.shows("# large")
    await stage.press()
    assert "change 1 of 1" in stage.driver.status


@covers("previous_change", "solution returns tab:diff against:large")
async def _previous_change(stage: Stage) -> None:
    await stage.driver.shows("# large")
    await stage.driver.press("G")
    await stage.press()
    assert "change 1 of 1" in stage.driver.status


# Going back


@covers("last_view", "definitions")
async def _last_view(stage: Stage) -> None:
    await stage.driver.press("2")
    await stage.press()
    assert stage.driver.view == "definitions"
    await stage.press()
    assert stage.driver.view == "traces"
