"""Following a run: what is said of it, and that nothing foreign reaches the terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from engine.run.client import RunHandle, runs_dir
from engine.run.files import RunFolder
from engine.schema import Event, Kind, Request, Status
from fitui.cli.follow import MOST_RESTARTS, follow, now_text


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a runner is there: the last word of the list."""
    found = [True]
    monkeypatch.setattr("engine.run.client.is_running", lambda _queue, _run: found[-1])
    return found


@pytest.fixture
def handle(tmp_path: Path, alive: list[bool]) -> RunHandle:
    folder = RunFolder(runs_dir(tmp_path) / "20260102-030405-abcd")
    folder.create(Request(run=folder.run, created=0.0, dataset=[], devices=["cpu"]))
    folder.append_events(Event(kind=Kind.RUN_STARTED, t=1.0, n=1))
    folder.append_events(
        Event(kind=Kind.QUEUED, t=1.0, evaluation="e", definition="d", solution="s", workload="w")
    )
    return RunHandle(folder)


def tell(handle: RunHandle, kind: Kind, message: str = "", **fields: object) -> None:
    event = Event(kind=kind, t=2.0, evaluation="e", message=message, **fields)  # type: ignore[arg-type]
    handle.folder.append_events(event)
    handle.poll()


def finish(handle: RunHandle, state: str = "finished", message: str = "") -> None:
    handle.folder.append_events(Event(kind=Kind.RUN_FINISHED, t=3.0, state=state, message=message))


def test_a_run_that_waits_says_what_for(handle: RunHandle) -> None:
    handle.poll()
    assert now_text(handle) == f"run {handle.run}: 0/1, waiting for its turn"
    tell(handle, Kind.WAITING, "waiting for cpu: another run is using it")
    assert now_text(handle).endswith("0/1, waiting for cpu: another run is using it")
    tell(handle, Kind.FIRST_CALL)
    assert now_text(handle).endswith("0/1, first call s")
    handle.folder.pause_file.touch()
    handle.poll()
    assert now_text(handle).endswith("0/1, paused, first call s")
    tell(handle, Kind.NOT_RUN, "no verdict")
    assert now_text(handle).endswith("1/1, paused")


def test_what_a_solution_says_cannot_steer_the_terminal(
    handle: RunHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(handle, Kind.DONE, "\x1b[2Jgone\x07\nmore", status=Status.RUNTIME_ERROR)
    finish(handle, "failed", "\x1b]0;title\x07broke")
    assert follow(handle, json=False) == 2
    printed = capsys.readouterr()
    assert "gone" in printed.out
    assert "broke" in printed.err
    assert not set("\x1b\x07") & set(printed.out + printed.err)


def test_what_was_made_before_counts_with_its_verdict_and_says_so(
    handle: RunHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(
        handle,
        Kind.SKIPPED,
        "evaluated before, as r.00001",
        status=Status.PASSED,
        latency_ms=0.005,
        speedup=2.0,
    )
    finish(handle)
    assert follow(handle, json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("P   5.00 us") and lines[0].endswith("(before)")
    assert "1 evaluation skipped: made in the same way before" in lines
    assert any(line.split()[:4] == ["d", "s", "1/1", "2.00x"] for line in lines)
    assert follow(RunHandle(handle.folder), json=True) == 0
    (found,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert found["skipped"] is True and found["status"] == "PASSED"


def test_what_it_costs_to_start_a_solution_is_told(
    handle: RunHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(handle, Kind.DONE, status=Status.PASSED, startup_s=0.42)
    finish(handle)
    assert follow(handle, json=False) == 0
    printed = capsys.readouterr().out
    assert "start" in printed and "0.42 s" in printed
    follow(RunHandle(handle.folder), json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["startup_s"] == 0.42 and found["skipped"] is False


def test_a_run_whose_runner_is_gone_gets_another_and_goes_on(
    handle: RunHandle,
    alive: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alive.append(False)

    def start(_state: Path) -> None:
        tell(handle, Kind.DONE, status=Status.PASSED)
        finish(handle)

    monkeypatch.setattr("engine.run.client.start_runner", start)
    assert follow(handle, json=False) == 0
    error = capsys.readouterr().err
    assert error.count("is gone") == 1 and "runner.log" in error


def test_a_runner_that_never_stays_is_given_up(
    handle: RunHandle,
    alive: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alive.append(False)
    started: list[Path] = []
    monkeypatch.setattr("engine.run.client.start_runner", started.append)
    monkeypatch.setattr("fitui.cli.follow.START_S", 0.0)
    assert follow(handle, json=False) == 2
    assert len(started) == MOST_RESTARTS
    error = capsys.readouterr().err
    assert error.count("is gone") == 1 and "stopped" in error


def test_a_run_that_was_just_asked_for_is_given_time(
    tmp_path: Path,
    alive: list[bool],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    alive.append(False)
    folder = RunFolder(runs_dir(tmp_path) / "20260102-030405-beef")
    folder.create(Request(run=folder.run, created=time.time(), dataset=[], devices=["cpu"]))
    handle = RunHandle(folder)

    def sleep(_seconds: float) -> None:
        finish(handle, "cancelled", "cancelled by the user")

    monkeypatch.setattr("fitui.cli.follow.time.sleep", sleep)
    monkeypatch.setattr(
        "engine.run.client.start_runner", lambda _state: pytest.fail("started another")
    )
    assert follow(handle, json=False) == 1
    assert "is gone" not in capsys.readouterr().err


def test_a_paused_run_says_how_it_goes_on(
    handle: RunHandle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handle.folder.pause_file.touch()
    looks = 0

    def sleep(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            tell(handle, Kind.DONE, status=Status.PASSED)
            finish(handle)

    monkeypatch.setattr("fitui.cli.follow.time.sleep", sleep)
    assert follow(handle, json=False) == 0
    error = capsys.readouterr().err
    assert error.count(f"`fitui resume {handle.run}` has it go on") == 1
