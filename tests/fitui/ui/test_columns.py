"""Columns of tables: chosen, moved, sorted and filtered by."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.store import TraceStore
from fitui.screens.columns import chosen_columns, columns_text, find_field, usual_columns
from fitui.screens.fields import CELL_FIELDS, PROBLEM_FIELDS, RUN_FIELDS
from fitui.screens.matching import keep_matching
from fitui.screens.rows import Field, listed_rows
from fitui.screens.store_fields import (
    DEFINITION_FIELDS,
    SOLUTION_FIELDS,
    TRACE_FIELDS,
    WORKLOAD_FIELDS,
)
from fitui.view import ViewError
from tests.fitui.ui.conftest import Driver, Start

ALL = {
    "definitions": DEFINITION_FIELDS,
    "solutions": SOLUTION_FIELDS,
    "workloads": WORKLOAD_FIELDS,
    "traces": TRACE_FIELDS,
    "cells": CELL_FIELDS,
    "runs": RUN_FIELDS,
    "problems": PROBLEM_FIELDS,
}


def titles(driver: Driver) -> list[str]:
    """Headings of the table."""
    return [column.title for column in driver.bench.table.source.columns]


def select(driver: Driver, title: str) -> None:
    """Select a column."""
    driver.bench.table.select_column(titles(driver).index(title))


# Which columns


@pytest.mark.parametrize("fields", ALL.values(), ids=ALL)
def test_every_column_has_a_name_of_its_own(fields: Sequence[Field]) -> None:
    names = [field.called for field in fields]
    assert len(set(names)) == len(names)
    for field in fields:
        assert find_field(fields, field.called) is field
        assert "," not in field.called and not field.called.startswith(("+", "-"))


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("fields", ALL.values(), ids=ALL)
def test_chosen_columns_are_read_back_from_their_text(fields: Sequence[Field], seed: int) -> None:
    chance = random.Random(seed)
    chosen = tuple(chance.sample(list(fields), chance.randrange(1, len(fields) + 1)))
    if chance.random() < 0.5:
        chosen = tuple(field for field in fields if field in chosen)
    assert chosen_columns(fields, columns_text(fields, chosen)) == chosen


@pytest.mark.parametrize("kind", ["definitions", "solutions", "workloads", "traces"])
def test_permuting_columns_never_changes_a_cell(root: Path, tmp_path: Path, kind: str) -> None:
    fields, chance = ALL[kind], random.Random(7)
    with TraceStore.open(root, cache=tmp_path / "cache") as store:
        rows = list(getattr(store, kind)())
    assert rows

    def cells(order: Sequence[Field]) -> set[tuple[int, str, str, str]]:
        source = listed_rows(order, rows, lambda row: str(id(row)))
        return {
            (row, field.called, source.cell(row, column), source.mark(row, column))
            for row in range(len(rows))
            for column, field in enumerate(order)
        }

    expected = cells(fields)
    for _ in range(20):
        order = chance.sample(list(fields), len(fields))
        assert cells(order) == expected
        part = chosen_columns(fields, columns_text(fields, order[:4]))
        assert cells(part) <= expected


def test_changes_keep_the_usual_order() -> None:
    names = [field.called for field in chosen_columns(TRACE_FIELDS, "+run,-age,+ref")]
    assert "age" not in names and names.index("ref") == names.index("latency") + 1
    assert names[-1] == "run"
    assert columns_text(TRACE_FIELDS, usual_columns(TRACE_FIELDS)) == ""


@pytest.mark.parametrize(
    ("cols", "words"),
    [
        ("+latensy", "did you mean latency?"),
        ("zzz", "there are status, solution"),
        (",".join(f"-{field.called}" for field in TRACE_FIELDS), "leaves no column"),
    ],
)
def test_a_column_that_there_is_not(cols: str, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        chosen_columns(TRACE_FIELDS, cols)


async def test_a_view_says_its_columns(start: Start) -> None:
    async with start("traces cols:speedup,solution,gpu") as driver:
        assert titles(driver) == ["SPEED", "SOLUTION", "DEVICE"]
        await driver.press("enter", "escape")
        assert titles(driver) == ["SPEED", "SOLUTION", "DEVICE"]
    async with start() as driver:
        assert driver.view == "traces cols:speedup,solution,gpu", "the next start shows it too"


async def test_columns_that_there_are_not_leave_the_filter_alone(start: Start) -> None:
    async with start("traces status:failed cols:+nonsense") as driver:
        assert "columns left out: no column 'nonsense'" in driver.status
        assert driver.view == "traces status:failed"
        assert driver.bench.table.source.row_count == 2


# The chooser


async def test_the_chooser_shows_hides_and_moves(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("C")
        screen = driver.screen()
        assert "Space shows, hides" in screen and "DEFINITION" in screen
        await driver.press("j", "space", "enter")
        assert driver.view == "definitions cols:-op" and "OP" not in titles(driver)
        await driver.press("C", "G", "space", "enter")
        assert driver.view == "definitions cols:+file,-op"
        await driver.press("C", "g", "J", "J", "enter")
        assert titles(driver)[:2] == ["WL", "DEFINITION"]
        assert driver.view.startswith("definitions cols:workloads,definition,")
        await driver.press("C", "u", "enter")
        assert driver.view == "definitions"
        await driver.press("C", "space", "escape")
        assert driver.view == "definitions", "Escape leaves them as they were"


async def test_the_selected_column_stays_selected(start: Start) -> None:
    async with start("traces") as driver:
        select(driver, "AGE")
        await driver.press("C", "g", "space", "enter")
        assert driver.view == "traces cols:-status"
        assert titles(driver)[driver.bench.table.column] == "AGE"


# Sorting


async def test_sort_within_what_is_equal(start: Start) -> None:
    async with start("traces") as driver:
        select(driver, "S")
        await driver.press("s")
        select(driver, "SOLUTION")
        await driver.press("S")
        assert driver.view == "traces sort:status,solution"
        await driver.press("S")
        assert driver.view == "traces sort:status,-solution"
        header = driver.screen().splitlines()[2]
        assert header.startswith("^ SOLUTIONv")
        await driver.press("S")
        assert driver.view == "traces sort:status"
        select(driver, "WORKLOAD")
        await driver.press("S")
        assert "cannot be sorted" in driver.status


async def test_triage_is_sorted_by_several(start: Start) -> None:
    async with start("triage sort:-definitions,-line") as driver:
        await driver.until(lambda: driver.bench.table.source.row_count == 2)
        lines = [driver.bench.table.source.cell(row, 2) for row in range(2)]
        assert lines == sorted(lines, reverse=True)


# Keep and drop


async def test_keep_and_drop_a_value(start: Start) -> None:
    async with start("traces") as driver:
        table = driver.bench.table
        select(driver, "S")
        row = next(i for i in range(5) if table.source.cell(i, 0) == "R")
        table.move_to(row)
        await driver.press("exclamation_mark")
        assert driver.view == "traces !status=RUNTIME_ERROR" and table.source.row_count == 4
        table.move_to(next(i for i in range(4) if table.source.cell(i, 0) == "P"))
        await driver.press("equals_sign")
        assert driver.view == "traces !status=RUNTIME_ERROR status=PASSED"
        assert table.source.row_count == 3
        await driver.press("equals_sign")
        assert "says so already" in driver.status
        await driver.press("escape")
        assert driver.view == "traces"


async def test_a_figure_and_its_absence_are_values(start: Start) -> None:
    async with start("traces sort:latency") as driver:
        select(driver, "LAT us")
        await driver.press("g", "equals_sign")
        assert driver.view == "traces latency>=12.45us latency<12.55us sort:latency"
        assert driver.bench.table.source.row_count == 3
        await driver.press("escape", "G", "equals_sign")
        assert driver.view == "traces !latency>=0 sort:latency"
        assert driver.bench.table.source.row_count == 2


async def test_a_workload_is_kept_by_its_axes(start: Start) -> None:
    async with start("traces solution:fast") as driver:
        select(driver, "WORKLOAD")
        driver.bench.table.move_to(0)
        shown = driver.bench.table.source.cell(0, driver.bench.table.column)
        await driver.press("equals_sign")
        assert driver.bench.table.source.row_count == 1
        assert driver.bench.table.source.cell(0, driver.bench.table.column) == shown


async def test_a_filter_with_alternatives_is_kept_together(start: Start) -> None:
    async with start("traces solution:fast | solution:slow") as driver:
        select(driver, "S")
        row = next(i for i in range(4) if driver.bench.table.source.cell(i, 0) == "P")
        driver.bench.table.move_to(row)
        await driver.press("equals_sign")
        assert driver.view == "traces (solution:fast | solution:slow) status=PASSED"
        assert driver.bench.table.source.row_count == 3


async def test_values_of_every_column_can_be_kept(start: Start) -> None:
    """The row under the cursor is among those that its own value keeps, in every column."""
    views = ("traces", "definitions", "definition double_h8 tab:solutions",
             "definition double_h8 tab:workloads", "problems")  # fmt: skip
    async with start("traces") as driver:
        for text in views:
            fields = driver_fields(driver, text)
            for name in fields:
                await go(driver, f"{text} cols:{name}")
                table = driver.bench.table
                for row in range(table.source.row_count):
                    key = table.source.key(row)
                    table.move_to(row)
                    await driver.press("equals_sign")
                    assert table.source.find(key) is not None, (driver.view, driver.status)
                    await go(driver, f"{text} cols:{name}")


def driver_fields(driver: Driver, text: str) -> list[str]:
    """Names of all columns of a view."""
    kind = text.rsplit(":", 1)[-1] if "tab:" in text else text
    return [field.called for field in ALL[kind]]


async def go(driver: Driver, text: str) -> None:
    """Go to a view by its text."""
    from fitui.view import parse_view

    driver.bench.jump(parse_view(text))
    await driver.pilot.pause()


# The filter language over rows at hand


def test_the_filter_language_holds_for_rows_at_hand() -> None:
    fields = (
        Field("NAME", 5, lambda row: str(row[0])),
        Field("FAIL", 5, lambda row: str(row[1] or "")),
    )
    rows = [("old one", 0), ("new", 3), ("newest", 12)]

    def kept(words: str) -> list[str]:
        return [row[0] for row in keep_matching(fields, rows, words)]

    assert kept("") == ["old one", "new", "newest"]
    assert kept("NEW") == ["new", "newest"]
    assert kept("name=new") == ["new"]
    assert kept("name:n*t") == ["newest"]
    assert kept("fail>=3 !name:est") == ["new"]
    assert kept("fail<5") == ["new"], "nothing is no number"
    assert kept('"old one" | fail=12') == ["old one", "newest"]
    assert kept("!fail:?*") == ["old one"]


@pytest.mark.parametrize("words", ["nofield:1", "fail<many", "("])
async def test_a_wrong_filter_of_runs_is_underlined(start: Start, words: str) -> None:
    async with start("runs") as driver:
        await driver.press("slash")
        await driver.type(words)
        assert driver.bench.typing._wrong is not None
