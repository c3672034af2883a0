"""A short differential fuzz; ``python -m benchmarks.fuzz_store`` is the long one."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from engine.store import TraceStore
from tests.engine.store.fuzz_answers import answers, damage, differences
from tests.engine.store.fuzzing import (
    BESIDE,
    LARGE,
    ONE_BY_ONE,
    QUICK,
    USUAL,
    Other,
    Trial,
    limits,
    set_quiet,
)
from tests.engine.store.store_samples import Dataset, trace


@pytest.fixture(autouse=True)
def _usual_quiet_afterwards() -> object:
    yield
    set_quiet(USUAL)


@pytest.mark.parametrize("seed", range(1000, 1005))
def test_any_sequence_of_changes_ends_like_a_fresh_index(tmp_path: Path, seed: int) -> None:
    ending = Trial(tmp_path, seed, QUICK).run(operations=200, comparisons=2, kills=5)
    assert ending.wrong == []
    assert ending.kills > 2 and ending.traces + ending.problems > 0


def test_so_it_does_where_files_are_quiet_after_two_seconds(tmp_path: Path) -> None:
    assert Trial(tmp_path, 2000, USUAL).run(operations=100, comparisons=1, kills=3).wrong == []


@pytest.mark.parametrize("values", [LARGE, BESIDE], ids=["here", "beside"])
def test_a_large_load_that_is_killed_at_any_moment_is_done_again(
    tmp_path: Path, values: dict[str, float]
) -> None:
    dataset = Dataset.small(tmp_path / "data")
    for number in range(20):
        lines = [trace("fast", day=day, log=f"{number} {day}") for day in range(1, 29)] * 8
        dataset.lines(f"traces/{number}.jsonl", *lines)
    time.sleep(QUICK)
    cache, chosen = tmp_path / "cache", random.Random(5)
    for _ in range(6):
        doomed = Other("refresh", [dataset.root], cache, {"QUIET_SECONDS": QUICK, **values})
        while not list(cache.glob("*.db")):
            time.sleep(0.001)
        time.sleep(chosen.random() * 0.3)
        doomed.kill()
    assert damage(cache) == []
    with TraceStore.open(dataset.root, cache=cache) as store:
        assert store.count("traces") == 5 + 20 * 28
        with limits(ONE_BY_ONE), TraceStore.open(dataset.root, cache=tmp_path / "c") as fresh:
            assert differences(answers(fresh), answers(store)) == []
