"""Frequency tables: every row is counted once, and Enter leads to the rows that were counted."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from engine.store import TraceStore
from fitui.bins import MOST, age_bins, number_bins
from fitui.frequency import NOTHING, count_rows, count_traces
from fitui.reading import Form, Reading
from fitui.screens.store_fields import DEFINITION_FIELDS, TRACE_FIELDS
from fitui.view import parse_view
from tests.engine.store.store_samples import Dataset, trace
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import WORKLOADS, lines
from tests.fitui.ui.tiny_files import trace as tiny_trace


@pytest.fixture
def many(tmp_path: Path) -> Iterator[TraceStore]:
    """Traces of several solutions, with latencies over five decades, and failures."""
    dataset = Dataset.small(tmp_path / "many")
    chance = random.Random(3)
    items = []
    for number in range(300):
        status = chance.choice(["PASSED", "PASSED", "RUNTIME_ERROR", "COMPILE_ERROR"])
        name = chance.choice(["fast", "slow"])
        latency = 10 ** chance.uniform(-3, 2)
        day = number % 28 + 1
        items.append(trace(name, f"w{number % 7}", status, latency=latency, day=day, m=number % 7))
    dataset.lines("traces/ada/gemm/more.jsonl", *items)
    with TraceStore.open(dataset.root, cache=tmp_path / "cache") as store:
        yield store


@pytest.mark.parametrize("name", [field.called for field in TRACE_FIELDS])
@pytest.mark.parametrize("where", ["", "solution:fast | status:failed"])
def test_every_trace_is_counted_once_and_found_again(
    many: TraceStore, name: str, where: str
) -> None:
    field = next(field for field in TRACE_FIELDS if field.called == name)
    now = time.time()
    found = count_traces(many, where, field, now)
    every = many.count("traces", where)
    assert found.rows == every == sum(group.count for group in found.groups) > 0
    assert sum(group.share for group in found.groups) == pytest.approx(1)
    for group in found.groups:
        if group.term:
            whole = f"({where}) {group.term}" if where else group.term
            assert many.count("traces", whole) == group.count, group
    rows = count_rows(many.traces(where), field, now)
    assert {(item.label, item.count) for item in rows.groups if item.count} == {
        (item.label, item.count) for item in found.groups if item.count
    }


def test_rows_at_hand_are_counted_too(many: TraceStore) -> None:
    field = next(field for field in DEFINITION_FIELDS if field.called == "solutions")
    found = count_rows(many.definitions(), field, time.time())
    assert found.rows == len(many.definitions())
    for group in found.groups:
        assert len(many.definitions(group.term)) == group.count
    assert count_rows([], field, 0.0).groups == ()


LATENCY = Reading("latency", Form.NUMBER, str, "us", 1000.0)


@pytest.mark.parametrize("seed", range(200))
def test_intervals_cover_what_they_are_made_for(seed: int) -> None:
    chance = random.Random(seed)
    low = chance.choice([0.0, 10 ** chance.uniform(-9, 6)])
    high = low + 10 ** chance.uniform(-9, 9)
    positive = low or high * 10 ** -chance.uniform(0, 12)
    bins = number_bins(LATENCY, low, high, positive)
    assert bins[0].low <= low and bins[-1].high > high
    assert all(one.high == two.low for one, two in pairwise(bins))
    assert all(item.low < item.high for item in bins)
    assert len(bins) <= MOST + 2


def test_one_number_and_ages() -> None:
    assert [item.label for item in number_bins(LATENCY, 0.005, 0.005, None)] == ["5 to 5.5 us"]
    labels = [item.label for item in age_bins(Reading("age", Form.AGE), 0.0, 9_990.0, 10_000.0)]
    assert labels == ["under 1m", "1m to 10m", "10m to 1h", "1h to 6h"]


def groups(driver: object) -> list[tuple[str, str]]:
    """Values and counts on the screen."""
    source = driver.bench.table.source  # type: ignore[attr-defined]
    return [(source.cell(row, 0), source.cell(row, 1)) for row in range(source.row_count)]


async def test_count_a_column_and_enter_a_value(start: Start, root: Path) -> None:
    async with start("traces") as driver:
        driver.bench.table.select_column(1)
        await driver.press("F")
        assert driver.view == "traces group:solution"
        await driver.until(lambda: len(groups(driver)) == 3)
        assert groups(driver) == [("fast", "3"), ("slow", "1"), ("wrong", "1")]
        screen = driver.screen()
        assert "60.0%" in screen and "traces by solution" in screen and "########" in screen
        lines(root / "traces/me/pointwise/double_h8.jsonl",
              [tiny_trace("slow", WORKLOADS[2], "PASSED")])  # fmt: skip
        await driver.until(lambda: ("slow", "2") in groups(driver))
        await driver.press("enter")
        assert driver.view == "traces solution=fast"
        assert driver.bench.table.source.row_count == 3
        await driver.press("escape")
        await driver.until(lambda: len(groups(driver)) == 3)
        await driver.press("exclamation_mark")
        assert driver.view == "traces !solution=fast"
        await driver.press("escape", "escape")
        assert driver.view == "traces"


async def test_the_filter_of_a_frequency_table(start: Start) -> None:
    async with start("traces status:failed group:S") as driver:
        await driver.until(lambda: len(groups(driver)) == 2)
        await driver.press("slash")
        await driver.type(" wrong")
        await driver.until(lambda: groups(driver) == [("INCORRECT_NUMERICAL", "1")])
        await driver.press("enter", "s")
        assert driver.view == "traces status:failed wrong sort:value group:S"


async def test_a_histogram_by_rows(start: Start) -> None:
    async with start("traces group:latency") as driver:
        await driver.until(lambda: len(groups(driver)) > 1)
        assert groups(driver)[-1] == (NOTHING, "2")
        assert ("12 to 14 us", "3") in groups(driver)
        row = groups(driver).index(("12 to 14 us", "3"))
        driver.bench.table.move_to(row)
        await driver.press("enter")
        assert driver.bench.table.source.row_count == 3


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ("definitions group:op", [("other", "1"), ("pointwise", "1")]),
        ("definition double_h8 tab:solutions group:lang", [("python", "3")]),
        ("problems group:field", [(NOTHING, "1")]),
    ],
)
async def test_every_table_can_be_counted(
    start: Start, view: str, expected: list[tuple[str, str]]
) -> None:
    async with start(view) as driver:
        await driver.until(lambda: groups(driver) == expected)
        await driver.press("enter")
        assert driver.bench.table.source.row_count == int(expected[0][1])


@pytest.mark.parametrize(
    ("view", "words"),
    [("traces group:nothing", "no column 'nothing'"), ("triage group:line", "cannot be grouped")],
)
async def test_what_cannot_be_counted_says_so(start: Start, view: str, words: str) -> None:
    async with start(view) as driver:
        assert words in driver.screen()


async def test_keys_answer_while_a_million_rows_are_counted(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    counting, go_on = threading.Event(), threading.Event()
    facet = TraceStore.facet

    def slow(store: TraceStore, kind: str, column: str, where: str = "") -> dict[str, int]:
        if column == "solution":
            counting.set()
            assert go_on.wait(20)
        return facet(store, kind, column, where)

    monkeypatch.setattr(TraceStore, "facet", slow)
    async with start("traces") as driver:
        try:
            await go(driver, "traces group:solution")
            await driver.until(counting.is_set)
            assert "Counting" in driver.screen()
            await driver.press("1")
            assert driver.view == "definitions"
            await driver.press("minus")
            assert driver.view == "traces group:solution"
        finally:
            go_on.set()
        await driver.until(lambda: len(groups(driver)) == 3)


async def go(driver: object, text: str) -> None:
    """Go to a view by its text."""
    driver.bench.jump(parse_view(text))  # type: ignore[attr-defined]
    await driver.pilot.pause()  # type: ignore[attr-defined]
