"""A device that can no longer be trusted: it is left at once, and its work goes elsewhere."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.run import client, runner
from engine.run.client import RunHandle, submit
from engine.run.lane import Lane
from engine.run.preferences import quarantined, release
from engine.run.process import Child
from engine.run.protocol import Ended
from engine.run.queue import host_name, surroundings
from engine.schema import Kind

from .conftest import GOOD, LIMITS, wait_for, write_dataset

HANGS = "def run(x, y):\n    while True:\n        pass\n"


@pytest.fixture
def served_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are served in this process, by ``serve``."""
    monkeypatch.setattr(client, "start_runner", lambda _state: None)
    monkeypatch.setattr(runner, "LINGER_S", 0.0)


def serve(handle: RunHandle) -> None:
    state = handle.folder.path.parents[1]
    runner.Runner(state, host_name(), surroundings()).serve(lambda: None)
    handle.poll()


@pytest.mark.usefixtures("served_here")
def test_a_device_made_sick_is_quarantined_and_the_rest_can_go_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(lane: Lane, run: object, child: Child, _ended: Ended) -> None:
        if child.hung:
            lane._quarantine("a healthy process cannot use it any more", run)  # type: ignore[arg-type]

    monkeypatch.setattr(Lane, "_confirm_free", confirm)
    sources = {"a_good": GOOD, "b_hangs": HANGS, "c_good": GOOD}
    dataset = write_dataset(tmp_path / "dataset", sources)
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    serve(handle)
    assert handle.state == "failed"
    assert "cpu is quarantined: a healthy process" in handle.progress.message
    assert "fitui devices --release cpu" in handle.progress.message
    first, sick, last = handle.progress.cells.values()
    assert first.phase is Kind.DONE
    assert sick.phase is Kind.NOT_RUN and "no verdict: cpu is quarantined" in sick.message
    assert not last.ended
    assert list(quarantined()) == ["cpu"]
    release("cpu")
    client.resume(handle)
    serve(handle)
    assert handle.state == "finished"
    assert last.phase is Kind.DONE


@pytest.mark.usefixtures("served_here")
def test_no_room_for_sources_ends_the_run_and_blames_no_solution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    dataset = write_dataset(tmp_path / "dataset", {"a": GOOD, "b": GOOD})
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    with monkeypatch.context() as patch:
        patch.setattr("engine.run.solution_run.lay_out", full)
        serve(handle)
    assert handle.state == "failed"
    assert "No space left on device" in handle.progress.message
    assert not any(cell.ended for cell in handle.progress.cells.values())
    client.resume(handle)
    serve(handle)
    assert handle.progress.counts == {"PASSED": 2}


@pytest.mark.usefixtures("served_here")
def test_what_goes_wrong_with_one_solution_costs_no_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.build.layout import lay_out

    def odd(solution: object, parent: Path) -> Path:
        if "'a'" in repr(solution):
            raise RuntimeError("odd")
        return lay_out(solution, parent)  # type: ignore[arg-type]

    monkeypatch.setattr("engine.run.solution_run.lay_out", odd)
    dataset = write_dataset(tmp_path / "dataset", {"a": GOOD, "b": GOOD})
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    serve(handle)
    assert handle.state == "finished"
    first, last = handle.progress.cells.values()
    assert first.message == "no verdict: RuntimeError: odd"
    assert last.phase is Kind.DONE


@pytest.mark.usefixtures("served_here")
def test_a_run_of_another_machine_counts_as_stopped_once_it_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"a": GOOD})
    monkeypatch.setattr("engine.run.queue.host_name", lambda: "elsewhere")
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    queue = handle._queue
    lock = queue.lock_file("elsewhere", surroundings())
    lock.touch()
    monkeypatch.setattr("engine.run.queue.host_name", lambda: "here")
    assert handle.has_runner
    queue.beat("elsewhere", surroundings())
    assert handle.has_runner

    os.utime(lock, (0, 0))
    assert not handle.has_runner
    monkeypatch.setattr(client, "START_S", 0.0)
    monkeypatch.setattr(client, "RESTART_S", 0.0)
    other = client.open_run(handle.run)
    wait_for(other, lambda found: found.state == "stopped", 10)


@pytest.mark.usefixtures("served_here")
def test_a_run_counts_as_it_was_when_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"a": GOOD})
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    handle.poll()
    assert handle.live
    monkeypatch.setattr(client.time, "time", lambda: handle.request.created + 1000.0)
    assert handle.live
