"""Which workload of a comparison a pair of processes goes to next."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run import rounds as module
from engine.run.plan import Job, make_plan
from engine.run.rounds import Rounds
from engine.schema.run import Request
from engine.store import TraceStore

from .conftest import GOOD, write_dataset

SIZES = {64: 512, 128: 1024, 256: 2048}
"""Bytes of inputs and outputs of each workload, by the length of its only axis."""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    dataset = write_dataset(tmp_path / "dataset", {"good": GOOD}, lengths=tuple(SIZES))
    request = Request(run="r", created=0.0, dataset=[], devices=["cpu"], compare=("good", "good"))
    with TraceStore.open(dataset) as store:
        (job,) = make_plan(request, store).jobs
    return job


def rounds_of(job: Job) -> Rounds:
    (cells,) = job.cells.values()
    return Rounds(cells, job.definition, 1)


def go_through(rounds: Rounds) -> list[int]:
    """Lengths of the workloads that one pair of processes visits."""
    found = []
    cell = rounds.next()
    while not found or not rounds.at_start:
        rounds.visit(cell)
        found.append(cell.workload.axes["n"])
        cell = rounds.next()
    return found


def end_first(rounds: Rounds, job: Job) -> None:
    (cells,) = job.cells.values()
    del rounds.begun[cells.pop(0).evaluation]


def test_each_round_goes_through_all_that_is_left(job: Job) -> None:
    rounds = rounds_of(job)
    assert go_through(rounds) == [64, 128, 256]
    end_first(rounds, job)
    assert go_through(rounds) == [128, 256]


def test_what_ends_in_a_round_makes_no_difference_to_it(job: Job) -> None:
    rounds = rounds_of(job)
    rounds.visit(rounds.next())
    end_first(rounds, job)
    assert not rounds.at_start
    assert rounds.next().workload.axes["n"] == 128


def test_a_long_round_begins_no_further_workload(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = rounds_of(job)
    with monkeypatch.context() as patch:
        patch.setattr(module, "ROUND_S", 0.0)
        assert go_through(rounds) == [64]
        assert go_through(rounds) == [64]
    assert go_through(rounds) == [64, 128, 256]


@pytest.mark.parametrize(
    ("name", "limit"), [("BUDGET_BYTES", SIZES[128] + SIZES[256]), ("MOST_SETS", 2)]
)
def test_no_more_begin_than_inputs_are_kept_of(
    job: Job, monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    monkeypatch.setattr(module, name, limit)
    rounds = rounds_of(job)
    assert go_through(rounds) == [64, 128]
    end_first(rounds, job)
    assert go_through(rounds) == [128, 256]


def test_a_workload_of_which_not_all_inputs_are_kept_goes_alone(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUDGET_BYTES", SIZES[64] - 1)
    rounds = rounds_of(job)
    assert go_through(rounds) == [64]
    end_first(rounds, job)
    assert go_through(rounds) == [128]
