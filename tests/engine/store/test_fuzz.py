"""A short differential fuzz; ``python -m benchmarks.fuzz_store`` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.store.fuzzing import QUICK, USUAL, Trial, set_quiet


@pytest.fixture(autouse=True)
def _usual_quiet_afterwards() -> object:
    yield
    set_quiet(USUAL)


@pytest.mark.parametrize("seed", range(1000, 1006))
def test_any_sequence_of_changes_ends_like_a_fresh_index(tmp_path: Path, seed: int) -> None:
    ending = Trial(tmp_path, seed, QUICK).run(operations=250, comparisons=3)
    assert ending.wrong == []
    assert ending.kills > 3 and ending.traces + ending.problems > 0


def test_so_it_does_where_files_are_quiet_after_two_seconds(tmp_path: Path) -> None:
    assert Trial(tmp_path, 2000, USUAL).run(operations=150, comparisons=1).wrong == []
