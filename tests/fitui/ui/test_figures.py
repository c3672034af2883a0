"""Percent of the limit and flags on the screens, where there is room and without colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.schema import Status
from engine.schema.run import Kind
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace

FASTER = "faster than the limit"
ROOFLINE = slice(59, 65)
"""Where the column is in a table of traces at 80 columns."""


def measured(name: str, place: int, when: int, **own: Any) -> dict[str, Any]:
    """A passed trace with figures."""
    line = trace(name, WORKLOADS[place], "PASSED")
    line["evaluation"]["timestamp"] = f"2026-11-22T11:00:{when:02}+00:00"
    line["evaluation"]["correctness"]["extra"]["fitui"] |= own
    return line


@pytest.fixture
def root(root: Path) -> Path:
    """Figures of two solutions; those of ``slow`` cannot be true."""
    lines(
        root / "traces/me/pointwise/figures.jsonl",
        [
            measured("fast", 0, 1, roofline=20.0),
            measured("fast", 1, 2, roofline=80.0, flags=["host_sync"]),
            measured("slow", 0, 3, roofline=131.7, flags=["host_sync", FASTER]),
        ],
    )
    return root


def row(driver: Driver, text: str) -> str:
    """The first line of the screen's body with a text."""
    return next(line for line in driver.screen().splitlines()[2:] if text in line)


async def test_traces_at_80_columns(start: Start) -> None:
    async with start("traces") as driver:
        title, *rows = driver.screen().splitlines()[2:6]
        assert "SPEED % ROOF ABS ERR AGE" in title
        assert [line[ROOFLINE].strip() for line in rows] == ["132!", "80.0", "20.0"]
        assert "PASSED  faster than the limit, host_sync  slow on" in driver.status
        await driver.press("j")
        assert "PASSED  host_sync  fast on" in driver.status


async def test_traces_at_200_columns_have_flags(start: Start) -> None:
    async with start("traces", size=(200, 50)) as driver:
        title, slow, fast, plain, *_ = driver.screen().splitlines()[2:]
        assert " FLAGS " in title
        assert f"{FASTER}, ho…" in slow and " host_sync " in fast and "host_sync" not in plain


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_definitions_have_that_of_their_best_solution(
    start: Start, size: tuple[int, int]
) -> None:
    async with start("definitions", size=size) as driver:
        _, _, title, first, second, *_ = driver.screen().splitlines()
        assert title.split()[5:9] == ["BEST", "%", "ROOF", "RUN"]
        assert first.split()[4:7] == ["4/5", "2.00x", "40.0!"]
        assert second.split()[:4] == ["triple_h8", "other", "0", "0"] and "." not in second


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_solutions_have_their_mean(start: Start, size: tuple[int, int]) -> None:
    async with start("definition double_h8 tab:solutions", size=size) as driver:
        _, _, title, fast, slow, wrong, *_ = driver.screen().splitlines()
        assert "GEOM % ROOF  RUN" in title
        assert fast.split()[-3:-1] == ["2.00x", "40.0"]
        assert slow.split()[-3:-1] == ["2.00x", "132!"]
        assert wrong.split()[:-1] == ["wrong", "me", "python", "0/1", "3"]


async def test_the_selected_column_sorts_by_it(start: Start) -> None:
    async with start("definition double_h8 tab:traces") as driver:
        await driver.press(*"lllll", "s")
        assert driver.view == "definition double_h8 tab:traces sort:-roofline"
        figures = [line[ROOFLINE].strip() for line in driver.screen().splitlines()[3:7]]
        assert figures == ["132!", "80.0", "20.0", ""]


async def test_alarms_are_found(start: Start) -> None:
    async with start("traces is:alarm") as driver:
        assert "1 of 8" in driver.screen()
        rows = driver.screen().splitlines()[3:]
        assert rows[0].startswith("P slow ") and not rows[1].strip()


async def test_the_matrix_marks_alarms(start: Start) -> None:
    async with start("matrix double_h8") as driver:
        fast, slow = (row(driver, name) for name in ("fast ", "slow "))
        assert "P  12.5" in fast and "P! 12.5" in slow and "!" not in fast
        model = driver.bench.matrix.source
        place = model.find("slow")
        assert place is not None
        assert model.mark(place, 1) == "failed"
        driver.bench.matrix.go_to(place, 1)
        await driver.pilot.pause()
        assert f"2.00x 132 % roof  {FASTER}, host_sync" in driver.status


async def test_a_run_shows_them_as_they_come(start: Start, fake_run: FakeRun) -> None:
    passed = {"status": Status.PASSED, "latency_ms": 0.0123, "speedup": 2.0}
    fake_run.event(Kind.DONE, "e0", **passed, roofline=131.7, flags=["host_sync", FASTER])
    fake_run.event(Kind.DONE, "e1", **passed, roofline=50.0, flags=["contended"])
    for size in ((80, 24), (200, 50)):
        async with start(f"run {fake_run.run}", size=size) as driver:
            first, second = (row(driver, f"bs={batch} ") for batch in (1, 16))
            assert " passed! " in first and " passed  " in second
            if size[0] == 200:
                assert "132!" in first and f"{FASTER}, host_sync" in first
                assert "50.0 " in second and "contended" in second
