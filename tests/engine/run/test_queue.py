"""Several runs at one runner: order, pause, priorities, and going on with what had ended."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from engine.run.client import (
    RunHandle,
    cancel,
    open_run,
    pause,
    resume,
    set_priority,
    start_runner,
    submit,
)
from engine.run.files import RunFolder
from engine.run.queue import Queue, host_name, surroundings
from engine.schema import Event, Kind, Status

from .conftest import GOOD, LIMITS, run_to_end, wait_for, write_dataset

WAITS = "import time\ndef run(x, y):\n    time.sleep(0.05)\n    y.copy_(x * 2)\n"
WRONG = "def run(x, y):\n    y.zero_()\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset", {"a": WAITS, "b": GOOD}, lengths=(8, 16, 24))


def started(dataset: Path, **request: object) -> RunHandle:
    return submit([dataset], devices=["cpu"], settings=LIMITS, **request)  # type: ignore[arg-type]


def ended(*handles: RunHandle) -> None:
    for handle in handles:
        wait_for(handle, lambda found: not found.live, 120)


def events(handle: RunHandle) -> list[Event]:
    lines = handle.folder.events_file.read_bytes().splitlines()
    return [Event(**_fields(json.loads(line))) for line in lines]


def _fields(event: dict[str, object]) -> dict[str, object]:
    return event | {"kind": Kind(str(event["kind"]))}


def span(handle: RunHandle) -> tuple[float, float]:
    """When the first evaluation of a run began, and the last one ended."""
    times = [event.t for event in events(handle) if event.kind in (Kind.BUILDING, Kind.DONE)]
    return min(times), max(times)


def test_runs_share_one_runner_and_go_one_after_another(dataset: Path) -> None:
    first, second = started(dataset), started(dataset)
    wait_for(first, lambda found: found.progress.ended > 0, 60)
    second.poll()
    assert first.runner_pid == second.runner_pid != 0
    ended(first, second)
    assert first.state == second.state == "finished"
    assert span(first)[1] <= span(second)[0]


def test_a_run_of_higher_priority_goes_in_between(dataset: Path) -> None:
    first = started(dataset)
    wait_for(first, lambda found: found.progress.ended > 0, 60)
    urgent = started(dataset, solutions=["b"], priority=5)
    ended(urgent)
    first.poll()
    assert first.live
    ended(first)
    assert first.progress.counts == {"PASSED": 6}


def test_priority_can_be_changed_while_a_run_waits(dataset: Path) -> None:
    first, second, third = started(dataset), started(dataset), started(dataset, solutions=["b"])
    set_priority(third, 3)
    assert third.priority == 3
    ended(first, second, third)
    assert span(third)[1] <= span(second)[0]


def test_a_paused_run_begins_nothing_until_it_is_resumed(dataset: Path) -> None:
    handle = started(dataset)
    wait_for(handle, lambda found: found.progress.ended > 0, 60)
    pause(handle)
    wait_for(handle, lambda found: found.state == "paused", 10)
    time.sleep(1.5)
    handle.poll()
    before = handle.progress.ended
    other = started(dataset, solutions=["b"])
    ended(other)
    handle.poll()
    assert handle.progress.ended == before < 6
    assert handle.live
    resume(handle)
    ended(handle)
    assert handle.state == "finished"
    assert handle.progress.counts == {"PASSED": 6}


def test_a_queued_run_can_be_cancelled(dataset: Path) -> None:
    first, second = started(dataset), started(dataset)
    cancel(second)
    wait_for(second, lambda found: found.state == "cancelled", 60)
    ended(first)
    assert first.progress.counts == {"PASSED": 6}


def test_a_cancelled_run_can_go_on(dataset: Path) -> None:
    handle = started(dataset)
    wait_for(handle, lambda found: found.progress.ended > 0, 60)
    cancel(handle)
    wait_for(handle, lambda found: found.state == "cancelled", 60)
    done = handle.progress.ended
    assert done < 6
    again = open_run(handle.run)
    again.poll()
    resume(again)
    wait_for(again, lambda found: found.state == "finished", 60)
    assert again.progress.counts == {"PASSED": 6}
    assert len(traces(dataset)) == 6


def traces(dataset: Path) -> list[dict[str, object]]:
    text = "".join(path.read_text() for path in dataset.glob("traces/**/*.jsonl"))
    return [json.loads(line) for line in text.splitlines()]


def test_a_finished_run_cannot_be_resumed(dataset: Path) -> None:
    handle = run_to_end(dataset, solutions=["b"])
    with pytest.raises(ValueError, match="has finished"):
        resume(handle)


def test_resume_skips_what_was_evaluated_in_the_same_way(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"good": GOOD, "wrong": WRONG}, lengths=(8, 16))
    run_to_end(dataset, workloads=["w8"])
    second = run_to_end(dataset, resume=True)
    cells = second.progress.cells.values()
    assert [cell.message for cell in cells if cell.phase is Kind.NOT_RUN] == []
    assert second.progress.counts == {"PASSED": 2, "INCORRECT_NUMERICAL": 2}
    skipped = [cell for cell in second.progress.cells.values() if cell.phase is Kind.SKIPPED]
    assert {(cell.solution, cell.workload) for cell in skipped} == {("good", "w8"), ("wrong", "w8")}
    assert all("evaluated before" in cell.message for cell in skipped)
    (good,) = [cell for cell in skipped if cell.solution == "good"]
    assert good.latency_ms is not None
    assert len(traces(dataset)) == 4
    third = run_to_end(dataset, resume=True, retry_failed=True)
    evaluated = [cell for cell in third.progress.cells.values() if cell.phase is Kind.DONE]
    assert {cell.solution for cell in evaluated} == {"wrong"}
    assert len(evaluated) == 2


def test_resume_skips_no_other_version_and_no_other_settings(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"good": GOOD})
    run_to_end(dataset)
    quick = submit([dataset], devices=["cpu"], quick=True, resume=True)
    ended(quick)
    assert [cell.phase for cell in quick.progress.cells.values()] == [Kind.DONE]
    path = dataset / "solutions/good.json"
    path.write_text(path.read_text().replace("x + x", "x * 2.0"))
    edited = run_to_end(dataset, resume=True)
    assert [cell.phase for cell in edited.progress.cells.values()] == [Kind.DONE]


def test_a_run_over_which_runners_keep_dying_is_given_up(dataset: Path) -> None:
    state = dataset.parent / "state"
    handle = submit([dataset], devices=["cpu"], settings=LIMITS, state=state)
    wait_for(handle, lambda found: found.progress.state == "running", 60)
    cancel(handle)
    wait_for(handle, lambda found: found.state == "cancelled", 60)
    handle.folder.append_events(
        *(Event(kind=Kind.RUNNER_STARTED, t=time.time(), pid=1) for _ in range(10))
    )
    handle.folder.cancel_file.unlink()
    Queue(state).put(handle.run)
    start_runner(state)
    again = open_run(handle.run, state)
    wait_for(again, lambda found: found.progress.state == "failed", 60)
    assert "10 runners ended over it" in again.progress.message


def test_a_run_is_worked_on_only_in_its_own_surroundings(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = surroundings()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert surroundings() != before
    state = dataset.parent / "state"
    queue = Queue(state)
    queue.put("20260101-000000-aaaa")
    assert queue.waiting(host_name(), surroundings()) == ["20260101-000000-aaaa"]
    assert queue.waiting(host_name(), before) == []
    assert queue.waiting("elsewhere", surroundings()) == []


def test_a_broken_request_in_the_queue_harms_nobody(dataset: Path) -> None:
    state = dataset.parent / "state"
    bad = RunFolder(state / "runs" / "20200101-000000-dead")
    bad.path.mkdir(parents=True)
    bad.request_file.write_text("{")
    Queue(state).put(bad.run)
    good = submit([dataset], devices=["cpu"], settings=LIMITS, solutions=["b"], state=state)
    ended(good)
    assert good.progress.counts == {"PASSED": 3}
    assert Queue(state).ticket(bad.run) is None


def test_an_evaluation_that_is_killed_from_outside_is_made_again(tmp_path: Path) -> None:
    once = (
        "import os, signal\n"
        "from pathlib import Path\n"
        f"mark = Path({str(tmp_path / 'mark')!r})\n"
        "def run(x, y):\n"
        "    if not mark.exists():\n"
        "        mark.touch()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    y.copy_(x * 2)\n"
    )
    handle = run_to_end(write_dataset(tmp_path / "dataset", {"once": once}))
    (cell,) = handle.progress.cells.values()
    assert cell.status is Status.PASSED
    (again,) = [event for event in events(handle) if event.kind is Kind.REQUEUED]
    assert "killed from outside" in again.message
