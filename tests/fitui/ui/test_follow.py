"""Tables that are read while rows come in: anchored, followed, frozen; previews; the way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace

FILE = "traces/me/pointwise/double_h8.jsonl"


def later(number: int) -> dict[str, object]:
    """A trace that is younger than all before it."""
    item = trace("slow", WORKLOADS[number % 3], "PASSED")
    moment = datetime(2026, 11, 22, 11, tzinfo=UTC) + timedelta(seconds=number)
    item["evaluation"]["timestamp"] = moment.isoformat()
    return item


def add(root: Path, numbers: range) -> None:
    """Append traces."""
    lines(root / FILE, [later(number) for number in numbers])


def rows(driver: Driver) -> int:
    """Rows in the table."""
    return driver.bench.table.source.row_count


def seen(driver: Driver) -> list[str]:
    """Keys of the rows on the screen."""
    table = driver.bench.table
    last = min(table.top + table.body_height, rows(driver))
    return [table.source.key(row) for row in range(table.top, last)]


async def test_new_rows_above_move_no_line_and_are_counted(start: Start, root: Path) -> None:
    add(root, range(30))
    async with start("traces") as driver:
        await driver.press("j", "j", "j")
        before, held = seen(driver), driver.bench.table.held
        add(root, range(30, 34))
        await driver.until(lambda: rows(driver) == 39)
        assert driver.bench.table.held == held and driver.bench.table.cursor == 7
        assert seen(driver) == before
        assert "+4" in driver.bench.bar.text
        await driver.press("g")
        assert "+4" not in driver.bench.bar.text
        assert seen(driver)[4:] == before[:-4]


async def test_the_row_is_found_again_far_down_at_the_next_start(start: Start, root: Path) -> None:
    add(root, range(1500))
    async with start("traces sort:id") as driver:
        driver.bench.table.move_to(1400)
        held = driver.bench.table.held
        await driver.press("q")
    async with start() as driver:
        assert driver.bench.table.held == held and driver.bench.table.cursor == 1400


async def test_follow_stays_on_the_newest_row(start: Start, root: Path) -> None:
    async with start("traces sort:id") as driver:
        await driver.press("f")
        assert driver.view == "traces follow:newest" and "follow" in driver.bench.bar.text
        assert driver.bench.table.cursor == 0
        add(root, range(3))
        await driver.until(lambda: rows(driver) == 8)
        table = driver.bench.table
        assert table.cursor == 0 and table.held == table.source.key(0)
        assert "+3" not in driver.bench.bar.text
        await driver.press("j")
        assert "g follows" in driver.bench.bar.text
        held = table.held
        add(root, range(3, 5))
        await driver.until(lambda: rows(driver) == 10)
        assert table.held == held and table.cursor == 3
        await driver.press("g")
        assert "follow " in driver.bench.bar.text and "g follows" not in driver.bench.bar.text
        await driver.press("f")
        assert driver.view == "traces"


async def test_a_frozen_table_counts_and_does_not_move(start: Start, root: Path) -> None:
    add(root, range(40))
    async with start("traces") as driver:
        await driver.press("z")
        assert "frozen" in driver.bench.bar.text
        before = [driver.bench.table.source.key(row) for row in range(rows(driver))]
        add(root, range(40, 45))
        await driver.until(lambda: "frozen +5" in driver.bench.bar.text)
        assert rows(driver) == 45
        await driver.press("G", "g")
        assert [driver.bench.table.source.key(row) for row in range(rows(driver))] == before
        await driver.press("z")
        assert rows(driver) == 50 and "frozen" not in driver.bench.bar.text


async def test_frozen_definitions_keep_their_figures(start: Start, root: Path) -> None:
    async with start("definitions") as driver:
        cells = [driver.bench.table.source.cell(0, column) for column in range(8)]
        await driver.press("z")
        generation = driver.bench.session.store.generation
        add(root, range(3))
        await driver.until(lambda: driver.bench.session.store.generation != generation)
        await driver.pilot.pause()
        assert [driver.bench.table.source.cell(0, column) for column in range(8)] == cells
        await driver.press("z")
        await driver.until(
            lambda: [driver.bench.table.source.cell(0, c) for c in range(8)] != cells
        )


async def test_the_last_two_views(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("minus")
        assert "no other view" in driver.status
        await driver.press("2", "3", "minus")
        assert driver.view == "traces"
        await driver.press("minus")
        assert driver.view == "runs"


async def test_bookmarks_are_found_by_name(start: Start) -> None:
    async with start("traces status:failed cols:-age") as driver:
        await driver.press("B")
        await driver.type("red")
        await driver.press("enter")
        assert "kept as red" in driver.status
        await driver.press("1", "q")
    async with start("definitions") as driver:
        await driver.press("colon")
        await driver.type("bookmark red")
        assert "traces status:failed" in driver.screen()
        await driver.press("enter")
        assert driver.view == "traces status:failed cols:-age"
        await driver.press("B")
        assert driver.bench.typing.text == "red"
        await driver.press("ctrl+u", "enter")
        assert driver.bench.memory.bookmarks == {}


async def test_a_wide_table_has_the_row_beside_it(start: Start) -> None:
    async with start("traces sort:id", size=(200, 50)) as driver:
        await driver.shows("Test CPU")
        driver.bench.table.move_to(3)
        await driver.shows("mat1 and mat2 shapes cannot be multiplied")
        await driver.shows("return x @ x")
        await driver.press("1")
        await driver.shows("3 workloads")
        await driver.shows("bs=256")


async def test_the_preview_is_not_made_for_rows_that_are_passed_by(start: Start) -> None:
    async with start("definitions", size=(200, 50)) as driver:
        await driver.shows("Every element times two.")
        page = driver.bench.page
        made: list[str] = []
        original = page.preview_of

        def noted(row: object) -> object:
            made.append(row.name)
            return original(row)

        page._feed._make = noted  # type: ignore[attr-defined]
        await driver.press("j", "k", "j")
        await driver.until(lambda: made != [])
        assert made[-1] == "triple_h8" and len(made) <= 2
