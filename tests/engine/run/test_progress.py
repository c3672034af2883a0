"""What the events of a run say so far."""

from __future__ import annotations

from typing import Any

import pytest

from engine.run.progress import Cell, Progress
from engine.schema import Event, Kind, Status


def queued(evaluation: str = "r.1") -> Event:
    return Event(
        kind=Kind.QUEUED,
        t=1.0,
        evaluation=evaluation,
        definition="d",
        solution="s",
        workload="w",
        axes={"M": 3},
    )


def about(kind: Kind, t: float = 2.0, evaluation: str = "r.1", **fields: Any) -> Event:
    return Event(kind=kind, t=t, evaluation=evaluation, **fields)


def after(*events: Event) -> Progress:
    progress = Progress()
    progress.apply_all([queued(), *events])
    return progress


def cell_after(*events: Event) -> Cell:
    return after(*events).cells["r.1"]


def test_a_queued_evaluation_is_a_cell() -> None:
    cell = cell_after()
    assert (cell.definition, cell.solution, cell.workload, cell.axes) == ("d", "s", "w", {"M": 3})
    assert (cell.phase, cell.status, cell.since, cell.ended) == (Kind.QUEUED, None, 1.0, False)


@pytest.mark.parametrize(
    "kind", [Kind.WAITING, Kind.BUILDING, Kind.FIRST_CALL, Kind.CHECKING, Kind.VERIFYING]
)
def test_the_phase_follows_the_events(kind: Kind) -> None:
    progress = after(about(kind, t=5.0, device="cpu"))
    cell = progress.cells["r.1"]
    assert (cell.phase, cell.since, cell.device, cell.ended) == (kind, 5.0, "cpu", False)
    assert progress.counts == {"ACTIVE": 1}


def test_figures_stay_until_others_come() -> None:
    timing = about(Kind.TIMING, n=8, latency_ms=1.5, interval=0.1, device="cpu")
    cell = cell_after(timing, about(Kind.VERIFYING))
    assert (cell.n, cell.latency_ms, cell.interval, cell.device) == (8, 1.5, 0.1, "cpu")
    assert cell_after(timing, about(Kind.TIMING, n=16, latency_ms=1.25)).latency_ms == 1.25


def test_a_latency_of_zero_is_a_figure() -> None:
    cell = cell_after(about(Kind.TIMING, n=8, latency_ms=1.5), about(Kind.DONE, latency_ms=0.0))
    assert cell.latency_ms == 0.0


def test_a_verdict_ends_a_cell() -> None:
    progress = after(
        about(Kind.DONE, status=Status.PASSED, speedup=2.0, log="logs/1.txt", trace_file="t.jsonl")
    )
    cell = progress.cells["r.1"]
    assert (cell.status, cell.speedup, cell.log) == (Status.PASSED, 2.0, "logs/1.txt")
    assert cell.ended
    assert (progress.ended, progress.failed, progress.counts) == (1, 0, {"PASSED": 1})


def test_a_failure_is_counted_by_its_status() -> None:
    progress = after(about(Kind.DONE, status=Status.TIMEOUT, message="too slow"))
    assert (progress.failed, progress.counts) == (1, {"TIMEOUT": 1})
    assert progress.cells["r.1"].message == "too slow"


def test_what_was_not_run_has_ended_and_has_not_failed() -> None:
    progress = after(about(Kind.NOT_RUN, message="too large for the cpu"))
    assert (progress.ended, progress.failed, progress.counts) == (1, 0, {"NOT_RUN": 1})


def test_why_it_waited_is_forgotten_once_it_goes_on() -> None:
    waiting = about(Kind.WAITING, message="another run is using it")
    assert cell_after(waiting).message == "another run is using it"
    assert cell_after(waiting, about(Kind.BUILDING)).message == ""
    assert cell_after(waiting, about(Kind.DONE, status=Status.PASSED)).message == ""


def test_a_notice_about_an_evaluation_leaves_its_phase() -> None:
    cell = cell_after(about(Kind.CHECKING), about(Kind.NOTICE, message="throttled"))
    assert (cell.phase, cell.message) == (Kind.CHECKING, "throttled")


def test_the_run_starts_speaks_and_ends() -> None:
    progress = Progress()
    assert progress.state == "queued"
    progress.apply(Event(kind=Kind.RUN_STARTED, t=1.0))
    assert (progress.state, progress.started) == ("running", 1.0)
    progress.apply(Event(kind=Kind.NOTICE, t=2.0, message="no definition 'x'"))
    assert progress.notices == ["no definition 'x'"]
    progress.apply(Event(kind=Kind.RUN_FINISHED, t=3.0, state="failed", message="no device"))
    assert (progress.state, progress.finished, progress.message) == ("failed", 3.0, "no device")


def test_an_end_that_does_not_say_how_is_a_finish() -> None:
    progress = Progress()
    progress.apply(Event(kind=Kind.RUN_FINISHED, t=3.0))
    assert progress.state == "finished"


def test_events_about_unknown_evaluations_are_passed_over() -> None:
    progress = Progress()
    assert progress.apply(about(Kind.BUILDING, evaluation="r.9")) is None
    assert progress.cells == {}


def test_applying_says_which_cell_changed_and_counts() -> None:
    progress = Progress()
    assert progress.apply(Event(kind=Kind.RUN_STARTED, t=0.0)) is None
    first = progress.apply(queued())
    assert first is progress.cells["r.1"]
    assert progress.apply(about(Kind.BUILDING)) is first
    assert progress.version == 3


def test_cells_stay_in_the_order_they_were_queued() -> None:
    progress = Progress()
    progress.apply_all([queued("r.2"), queued("r.1"), about(Kind.BUILDING)])
    assert list(progress.cells) == ["r.2", "r.1"]
