"""`fitui runs`, `pause`, `resume`, `priority` and `cancel`, on runs that files emulate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.places import state_dir
from engine.run.queue import Queue
from engine.schema import Kind, Status
from fitui.cli import main
from tests.fitui.ui.tiny_files import FakeRun, write_dataset


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a runner is there: the last word of the list."""
    found = [True]
    monkeypatch.setattr("engine.run.client.is_running", lambda _queue, _run: found[-1])
    return found


@pytest.fixture
def run(tmp_path: Path, alive: list[bool]) -> FakeRun:
    found = FakeRun(state_dir(), write_dataset(tmp_path / "dataset"), age_s=60.0)
    found.begin()
    return found


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, alive: list[bool]) -> list[Path]:
    """State folders for which a runner was started; it is there at once."""
    found: list[Path] = []

    def start(state: Path) -> None:
        found.append(state)
        alive.append(True)

    monkeypatch.setattr("engine.run.client.start_runner", start)
    return found


class Console:
    """Runs the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.error = ""

    def run(self, *arguments: str, status: int = 0) -> str:
        assert main(arguments) == status
        printed = self._capsys.readouterr()
        self.error = printed.err
        return printed.out

    def json(self, *arguments: str) -> dict[str, Any]:
        found = json.loads(self.run(*arguments, "--json"))
        assert isinstance(found, dict)
        return found


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(capsys)


def test_the_list_says_what_a_run_waits_for_and_its_priority(
    console: Console, run: FakeRun
) -> None:
    titles, row = console.run("runs").splitlines()
    assert titles.split()[:3] == ["run", "state", "done"], "nobody has a priority"
    assert "queued" in row and row.endswith("its turn")
    run.event(Kind.WAITING, "e0", message="waiting for cuda:3: alice")
    console.run("priority", "beef", "2")
    titles, row = console.run("runs").splitlines()
    assert "priority" in titles and row.endswith("cuda:3: alice")
    found = console.json("runs")
    assert (found["priority"], found["waits_for"]) == (2, "cuda:3: alice")
    assert found["state"] == "running"


def test_how_much_is_left_is_told_from_what_has_ended(console: Console, run: FakeRun) -> None:
    run.event(Kind.DONE, "e0", device="cpu", status=Status.PASSED, elapsed_s=60.0)
    run.event(Kind.BUILDING, "e1", device="cpu")
    assert "8 min" in console.run("runs")
    assert console.json("runs")["left_s"] == 480.0
    # On the workload of e0 two are left, of which more is known now; of the others nothing else.
    run.event(Kind.DONE, "e3", device="cpu", status=Status.PASSED, elapsed_s=30.0)
    run.event(Kind.DONE, "e1", device="cpu", status=Status.PASSED, elapsed_s=15.0)
    same, other = [60.0, 30.0], [15.0]
    mean = sum(same + other) / 3
    assert console.json("runs")["left_s"] == 45.0 + 2 * 15.0 + 3 * mean


def test_a_run_is_paused_and_goes_on(console: Console, run: FakeRun) -> None:
    assert "fitui resume" in console.run("pause", "beef")
    assert run.folder.pause_file.exists()
    assert "paused" in console.run("runs")
    assert "was paused already" in console.run("pause", "beef")
    assert "was paused and goes on: 9 evaluations left" in console.run("resume", "beef")
    assert not run.folder.pause_file.exists()
    assert "goes on already" in console.run("resume", "beef")
    assert console.json("pause", "beef")["state"] == "paused"
    assert console.json("resume", "beef")["state"] == "running"


def test_a_stopped_run_gets_a_runner(
    console: Console, run: FakeRun, alive: list[bool], started: list[Path]
) -> None:
    alive.append(False)
    assert "stopped" in console.run("runs")
    assert "its runner is gone" in console.run("pause", "beef")
    assert "was stopped and goes on: 9 evaluations left" in console.run("resume", "beef")
    assert started == [state_dir()]
    assert Queue(state_dir()).ticket(run.run) is not None


def test_a_runner_that_does_not_come_is_an_error(
    console: Console, run: FakeRun, alive: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive.append(False)
    monkeypatch.setattr("engine.run.client.start_runner", lambda _state: None)
    monkeypatch.setattr("fitui.cli.resume.WAIT_S", 0.2)
    console.run("resume", "beef", status=2)
    assert "no runner" in console.error and "runner.log" in console.error


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
def test_what_failed_or_was_cancelled_goes_on_with_the_rest(
    console: Console, run: FakeRun, started: list[Path], ended: str
) -> None:
    run.event(Kind.DONE, "e0", status=Status.PASSED)
    run.event(Kind.RUN_FINISHED, state=ended)
    assert f"was {ended} and goes on: 8 evaluations left" in console.run("resume", "beef")
    assert started == [state_dir()]


def test_what_has_finished_is_left_alone(console: Console, run: FakeRun) -> None:
    run.finish()
    console.run("resume", "beef", status=2)
    assert "has finished" in console.error
    assert "already ended" in console.run("pause", "beef")
    assert "already ended" in console.run("priority", "beef", "3")
    assert "already ended" in console.run("cancel", "beef")
    assert run.folder.priority is None


def test_a_priority_may_be_below_the_others(console: Console, run: FakeRun) -> None:
    assert "has priority -1; it was 0" in console.run("priority", "beef", "-1")
    assert run.folder.priority == -1


def test_a_stopped_run_can_be_cancelled(
    console: Console, run: FakeRun, alive: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    alive.append(False)
    monkeypatch.setattr(
        "engine.run.client.start_runner",
        lambda _state: run.event(Kind.RUN_FINISHED, state="cancelled"),
    )
    assert f"run {run.run} cancelled" in console.run("cancel", "beef")
    assert run.folder.cancel_file.exists()


@pytest.mark.parametrize(
    "name", ["bench", "runs", "attach", "pause", "resume", "priority", "cancel"]
)
def test_every_command_about_runs_shows_examples(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    assert f"\n  fitui {name}" in capsys.readouterr().out
