"""A short round of ``benchmarks/chaos.py``: parts of the engine are killed while runs go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos import Chaos


@pytest.mark.slow
def test_every_evaluation_ends_in_exactly_one_trace_whatever_is_killed(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, kills=12, seed=1, each=1)
    assert chaos.run() == []
    assert sum(chaos.killed.values()) == 12
