"""Figures of several timers on one screen: ranked by one of them, the others marked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from engine.run.progress import Cell
from engine.schema import Status
from engine.schema.run import Kind
from engine.store import TraceStore
from fitui.screens.matrix_model import MatrixModel

from .conftest import Start
from .tiny_files import WORKLOADS, lines, trace, write_dataset

TRACES = "traces/me/pointwise/double_h8.jsonl"


def timed(name: str, work: int, timer: str, latency_us: float, speedup: float) -> dict[str, Any]:
    """A passed trace."""
    found = trace(name, WORKLOADS[work], "PASSED")
    body = found["evaluation"]
    body["environment"]["libs"]["fitui.timer"] = timer
    body["performance"] = {
        "latency_ms": latency_us / 1e3,
        "reference_latency_ms": latency_us * speedup / 1e3,
        "speedup_factor": speedup,
    }
    return found


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """``fast`` and ``slow`` by CUPTI, ``wrong`` by flashinfer's way, with the highest speedup."""
    root = write_dataset(tmp_path / "mixed", traces=False)
    found = [timed("fast", work, "cupti", 10.0, 4.0) for work in range(3)]
    found += [timed("slow", work, "cupti", 20.0, 2.0) for work in range(2)]
    found += [timed("slow", 2, "flashinfer", 90.0, 90.0)]
    found += [timed("wrong", 0, "flashinfer", 5.0, 80.0)]
    lines(root / TRACES, found)
    return root


def model_of(root: Path, tmp_path: Path) -> MatrixModel:
    with TraceStore.open([root], cache=tmp_path) as store:
        return MatrixModel(
            store.solutions(), store.workloads(), store.matrix("double_h8"), lambda: "latency"
        )


def names(model: MatrixModel) -> list[str]:
    return [row.name for row in model.solutions]


def test_the_matrix_ranks_by_the_timer_of_most_and_marks_the_rest(
    mixed: Path, tmp_path: Path
) -> None:
    model = model_of(mixed, tmp_path)
    assert (model.timer, model.mixed) == ("cupti", True)
    assert names(model) == ["fast", "slow", "wrong"], "80x by another timer is no first place"
    assert [model.cell(row, 1) for row in range(3)] == ["P  10.0", "P  20.0", "P* 5.00"]
    assert model.cell(1, 3) == "P* 90.0"


def test_latencies_of_another_timer_come_last_in_either_order(mixed: Path, tmp_path: Path) -> None:
    model = model_of(mixed, tmp_path)
    model.sort_rows(1, descending=False)
    assert names(model) == ["fast", "slow", "wrong"]
    model.sort_rows(1, descending=True)
    assert names(model) == ["slow", "fast", "wrong"]
    model.sort_rows(0, descending=True)
    assert names(model) == ["wrong", "slow", "fast"]


def test_what_a_run_has_measured_counts_once_it_has_ended(mixed: Path, tmp_path: Path) -> None:
    model = model_of(mixed, tmp_path)
    pairs = [(name, item["workload"]["uuid"]) for name in ("fast", "slow") for item in WORKLOADS]
    for number, (solution, workload) in enumerate(pairs):
        model.live[solution, workload] = Cell(
            evaluation=f"e{number}",
            definition="double_h8",
            solution=solution,
            workload=workload,
            axes={},
            phase=Kind.TIMING,
            latency_ms=0.05,
            since=time.time(),
        )
    model._choose_timer()
    assert model.timer == "cupti" and model.cell(0, 1) == "t  50.0"
    for cell in model.live.values():
        cell.phase, cell.status, cell.timer = Kind.DONE, Status.PASSED, "flashinfer"
    model._choose_timer()
    assert (model.timer, model.mixed) == ("flashinfer", False)
    assert model.cell(2, 1) == "P  5.00"


async def test_the_matrix_says_by_which_timer(start: Start, mixed: Path) -> None:
    async with start("matrix double_h8", dataset=mixed) as driver:
        assert "us by cupti * other" in driver.screen().splitlines()[1]
        driver.bench.matrix.put_cursor("wrong")
        await driver.press("h", "h")
        await driver.shows("by flashinfer, not ranked: others by cupti")
        await driver.press("t")
        assert "P*80.0x" in driver.screen()


async def test_one_timer_needs_no_words(start: Start) -> None:
    async with start("matrix double_h8") as driver:
        assert " not" not in driver.screen().splitlines()[1]
    async with start("definition double_h8 tab:solutions") as driver:
        assert "GEOM by" not in driver.screen()


async def test_mean_speedups_are_of_one_timer(start: Start, mixed: Path) -> None:
    async with start("definition double_h8 tab:solutions sort:-speedup", dataset=mixed) as driver:
        screen = driver.screen().splitlines()
        assert "GEOM by cupti only" in screen[1]
        rows = [line for line in screen if "me " in line and "python" in line]
        assert [line.split()[0] for line in rows] == ["fast", "slow", "wrong"]
        assert "4.00x" in rows[0] and "2.00x" in rows[1] and "x" not in rows[2].split("python")[1]
        await driver.press("slash")
        await driver.type("slow")
        await driver.press("enter")
        assert "1 of 3" in driver.screen()
