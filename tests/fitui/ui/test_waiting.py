"""Queries that take long: the former rows stay, keys go on working, and what was asked for last
is shown when it comes.

Each case parks a real query of the store on its way into the index.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.store import TraceStore
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.test_follow import add, seen
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace


class Parking:
    """Parks queries that are asked on another thread than the screen's."""

    def __init__(self) -> None:
        self.parked = 0
        self.breaks: Exception | None = None
        self._wants: Callable[[str, str, int], bool] = lambda _where, _sort, _offset: False
        self._open = threading.Event()

    def shut(self, wants: Callable[[str, str, int], bool]) -> None:
        """Park queries of some filter, sort and offset from now on."""
        self._wants = wants
        self._open.clear()

    def open(self) -> None:
        """Let them go on."""
        self._wants = lambda _where, _sort, _offset: False
        self._open.set()

    def around(self, name: str) -> Callable[..., Any]:
        """A list of the store that stops for parking."""
        real = getattr(TraceStore, name)

        def query(store: TraceStore, *args: Any, **named: Any) -> Any:
            where = named.get("where", args[-1] if name == "count" else "")
            asked = (where, named.get("sort", ""), named.get("offset", 0))
            elsewhere = threading.current_thread() is not threading.main_thread()
            if elsewhere and self._wants(*asked):
                self.parked += 1
                assert self._open.wait(60), "nobody opened the parking"
                self.parked -= 1
                if self.breaks is not None:
                    raise self.breaks
            return real(store, *args, **named)

        return query


@pytest.fixture
def parking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Parking]:
    """A parking for queries; keys wait for a moment only."""
    parking = Parking()
    for name in ("traces", "definitions", "count", "ids"):
        monkeypatch.setattr(TraceStore, name, parking.around(name))
    yield parking
    parking.open()


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have keys wait no longer than on the screen of a user."""

    def hurry() -> None:
        monkeypatch.setattr("fitui.screens.patience.KEY_S", 0.01)
        monkeypatch.setattr("fitui.screens.patience.LIVE_S", 0.01)

    return hurry


@pytest.fixture
def many(root: Path) -> None:
    """More traces than are fetched at once; the younger half of them failed."""
    add(root, range(900))
    failed = trace("wrong", WORKLOADS[0], "RUNTIME_ERROR", log="it failed\n")
    failed["evaluation"]["timestamp"] = "2026-11-01T10:00:00+00:00"
    lines(root / "traces/me/pointwise/old.jsonl", [failed])


async def sort_by(driver: Driver, field: str) -> None:
    """Select a column, and press the key that sorts by it."""
    names = [item.sort for item in driver.bench.page.columns()]  # type: ignore[attr-defined]
    driver.bench.table.select_column(names.index(field))
    await driver.press("s")


async def gone(driver: Driver, parking: Parking) -> None:
    """Open the parking, and wait until everything that was asked for has been answered."""
    parking.open()
    page: Any = driver.bench.page
    slots = ("rows", "news", "count", "pages", "seek", "marks")
    await driver.until(lambda: not page.patience.waits(*slots))


async def test_old_rows_stay_until_the_sorted_ones_come(
    start: Start, parking: Parking, hurry: Callable[[], None], many: None
) -> None:
    async with start("traces") as driver:
        hurry()
        before = seen(driver)
        parking.shut(lambda _where, sort, _offset: "solution" in sort)
        await sort_by(driver, "solution")
        await driver.until(lambda: parking.parked == 1)
        assert driver.view == "traces sort:solution"
        assert "...  sort solution" in driver.bench.bar.text
        assert seen(driver) == before
        await driver.press("j", "j")
        assert driver.bench.table.cursor == 2 and driver.bench.table.held == before[2]
        await gone(driver, parking)
        assert "906 traces  sort solution" in driver.bench.bar.text
        names = [row.solution for row in driver.bench.session.store.traces(sort="solution")]
        rows: Any = driver.bench.table.source
        assert [rows.row(index).solution for index in range(20)] == names[:20]
        assert driver.bench.table.sort == "solution"


async def test_the_newest_sort_wins(
    start: Start, parking: Parking, hurry: Callable[[], None], many: None
) -> None:
    async with start("traces") as driver:
        hurry()
        parking.shut(lambda _where, sort, _offset: sort == "solution")
        await sort_by(driver, "solution")
        await driver.until(lambda: parking.parked == 1)
        await driver.press("s")
        assert driver.view == "traces sort:-solution"
        await driver.press("s")
        assert driver.view == "traces"
        shown: list[str] = []
        real = driver.bench.table.show

        def show(source: Any, **named: Any) -> None:
            shown.append(named["sort"])
            real(source, **named)

        driver.bench.table.show = show  # type: ignore[method-assign]
        await gone(driver, parking)
        assert shown and set(shown) == {"-time"}
        assert "906 traces " in driver.bench.bar.text


async def test_the_newest_filter_wins_while_it_is_typed(
    start: Start, parking: Parking, hurry: Callable[[], None]
) -> None:
    async with start("traces") as driver:
        hurry()
        parking.shut(lambda where, _sort, _offset: where != "")
        await driver.press("slash")
        await driver.type("sol:slow")
        await driver.until(lambda: parking.parked == 1)
        assert driver.bench.typing.note.strip() == "..."
        assert driver.bench.table.source.row_count == 5
        await driver.press("ctrl+u")
        await driver.type("sol:wrong")
        assert driver.bench.typing.text == "sol:wrong"
        assert driver.bench.typing.note.strip() == "..." and parking.parked == 1
        await gone(driver, parking)
        left = driver.bench.session.store.count("traces", "sol:wrong")
        assert driver.bench.typing.note == f"{left} left "
        assert driver.bench.table.source.row_count == left
        await driver.press("enter")
        assert driver.view == "traces sol:wrong"


async def test_escape_gives_up_a_sort_and_restores_the_view(
    start: Start, parking: Parking, hurry: Callable[[], None], many: None
) -> None:
    async with start("traces status:passed sort:id") as driver:
        hurry()
        await driver.press("j")
        source, page = driver.bench.table.source, driver.bench.page
        parking.shut(lambda _where, sort, _offset: "solution" in sort)
        await sort_by(driver, "solution")
        await driver.press("s")
        assert driver.view == "traces status:passed sort:-solution"
        await driver.press("escape")
        assert driver.view == "traces status:passed sort:id" and "given up" in driver.status
        assert driver.bench.page is page and driver.bench.table.source is source
        assert "..." not in driver.bench.bar.text and driver.bench.table.cursor == 1
        await gone(driver, parking)
        await driver.pilot.pause()
        assert driver.bench.table.source is source and driver.bench.table.sort == "id"
        await driver.press("escape")
        assert driver.view == "traces sort:id", "with nothing to give up it goes out as ever"


async def test_escape_gives_up_a_filter(
    start: Start, parking: Parking, hurry: Callable[[], None]
) -> None:
    async with start("traces") as driver:
        hurry()
        source = driver.bench.table.source
        parking.shut(lambda where, _sort, _offset: where != "")
        await driver.press("slash")
        await driver.type("sol:slow")
        await driver.press("escape")
        assert driver.view == "traces" and driver.bench.table.source is source
        await driver.press("slash")
        await driver.type("sol:slow")
        await driver.press("enter")
        assert driver.view == "traces sol:slow" and "/ sol:slow" in driver.bench.bar.text
        assert "..." in driver.bench.bar.text
        await driver.press("escape")
        assert driver.view == "traces" and "5 traces" in driver.bench.bar.text
        await gone(driver, parking)
        await driver.pilot.pause()
        assert driver.bench.table.source is source


async def test_a_late_error_is_underlined_while_it_is_typed(
    start: Start, parking: Parking, hurry: Callable[[], None]
) -> None:
    async with start("traces") as driver:
        hurry()
        parking.shut(lambda where, _sort, _offset: where != "")
        await driver.press("slash")
        await driver.type(" nofield:1")
        await driver.until(lambda: parking.parked == 1)
        assert driver.bench.typing.note.strip() == "..."
        await gone(driver, parking)
        assert "nofield" in driver.bench.typing.note
        assert driver.bench.typing._wrong == (1, 8)
        assert driver.bench.table.source.row_count == 5


async def test_a_late_error_leaves_the_filter_out(
    start: Start, parking: Parking, hurry: Callable[[], None]
) -> None:
    async with start("traces") as driver:
        hurry()
        parking.shut(lambda where, _sort, _offset: where != "")
        await driver.press("slash")
        await driver.type("nofield:1")
        await driver.press("enter")
        assert driver.view == "traces nofield:1"
        await gone(driver, parking)
        await driver.until(lambda: driver.view == "traces")
        assert "filter left out: " in driver.status and "nofield" in driver.status
        await driver.until(lambda: "5 traces" in driver.bench.bar.text)


async def test_rows_that_are_scrolled_to_come_later(
    start: Start, parking: Parking, hurry: Callable[[], None], many: None
) -> None:
    async with start("traces") as driver:
        hurry()
        parking.shut(lambda _where, _sort, offset: offset > 0)
        await driver.press("G")
        await driver.until(lambda: parking.parked == 1)
        table = driver.bench.table
        assert table.cursor == 905 and table.held == ""
        assert table.source.cell(905, 0) == "" and table.source.cell(905, 1) == "..."
        assert "  ... " in driver.screen()
        await driver.press("k", "g", "j")
        assert table.cursor == 1 and table.held and "  ... " not in driver.screen()
        await driver.press("G")
        await gone(driver, parking)
        assert table.cursor == 905 and table.source.cell(905, 1) == "wrong"
        assert table.held == table.source.key(905) != ""


async def test_the_next_failure_is_found_later_or_given_up(
    start: Start, parking: Parking, hurry: Callable[[], None], many: None
) -> None:
    async with start("traces sort:-id") as driver:
        hurry()
        table, rows = driver.bench.table, driver.bench.table.source
        found = next(index for index in range(906) if not _passed(rows, index))
        table.move_to(found)
        expected = next(
            index % 906 for index in range(found + 1, found + 907) if not _passed(rows, index % 906)
        )
        rows._pages.clear()  # type: ignore[attr-defined]
        parking.shut(lambda _where, _sort, _offset: True)
        await driver.press("e")
        await driver.until(lambda: parking.parked == 1)
        assert "looking" in driver.bench.bar.text and table.cursor == found
        await driver.press("escape")
        assert driver.view == "traces sort:-id" and "given up" in driver.status
        await driver.press("e", "j")
        assert table.cursor == found + 1
        await gone(driver, parking)
        assert table.cursor == expected and "looking" not in driver.bench.bar.text


def _passed(rows: Any, index: int) -> bool:
    return bool(rows.row(index).status == "PASSED")


async def test_everything_is_marked_when_the_keys_are_there(
    start: Start, parking: Parking, hurry: Callable[[], None]
) -> None:
    async with start("traces") as driver:
        hurry()
        parking.shut(lambda _where, _sort, _offset: True)
        await driver.press("asterisk")
        await driver.until(lambda: parking.parked == 1)
        assert "looking" in driver.bench.bar.text
        await driver.press("j")
        assert driver.bench.table.cursor == 1
        await gone(driver, parking)
        assert "5 marked" in driver.bench.bar.text


async def test_what_comes_in_is_shown_later_around_the_row(
    start: Start, root: Path, parking: Parking, hurry: Callable[[], None]
) -> None:
    add(root, range(30))
    async with start("traces") as driver:
        hurry()
        await driver.press("j")
        held = driver.bench.table.held
        parking.shut(lambda _where, _sort, _offset: True)
        add(root, range(30, 32))
        await driver.until(lambda: parking.parked > 0)
        assert "35 traces" in driver.bench.bar.text, "nobody has asked: nothing says that it waits"
        await driver.press("j", "k")
        add(root, range(32, 34))
        await driver.until(lambda: driver.bench.session.store.count("traces") == 39)
        parking.open()
        await driver.until(lambda: driver.bench.table.source.row_count == 39)
        assert driver.bench.table.held == held and driver.bench.table.cursor == 5
        assert "+4" in driver.bench.bar.text


async def test_another_view_waits_with_an_empty_table(
    start: Start, parking: Parking, hurry: Callable[[], None]
) -> None:
    async with start("definitions") as driver:
        hurry()
        parking.shut(lambda _where, sort, _offset: sort == "-time")
        await driver.press("2")
        await driver.until(lambda: parking.parked == 1)
        assert "Reading the index ..." in driver.screen() and driver.view == "traces"
        await driver.press("e", "asterisk", "enter", "j", "y", "escape")
        await driver.press("1")
        assert driver.view == "definitions"
        await driver.shows("double_h8")
        await driver.press("2")
        parking.open()
        await driver.shows("5 traces")
        assert driver.bench.table.cursor == 0 and driver.bench.table.held != ""


async def test_an_index_that_breaks_meanwhile_says_so(
    start: Start, parking: Parking, hurry: Callable[[], None]
) -> None:
    async with start("definitions") as driver:
        hurry()
        parking.breaks = sqlite3.OperationalError("disk I/O error")
        parking.shut(lambda _where, sort, _offset: sort == "-time")
        await driver.press("2")
        await driver.until(lambda: parking.parked == 1)
        await gone(driver, parking)
        assert "The index could not be read." in driver.screen()
        assert "disk I/O error" in driver.status
        await driver.press("1", "2")
        await driver.shows("5 traces")
