"""Following a run: what is said of it, and that nothing foreign reaches the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.client import RunHandle
from engine.run.files import RunFolder
from engine.schema import Event, Kind, Request, Status
from fitui.cli.follow import follow, now_text


@pytest.fixture
def handle(tmp_path: Path) -> RunHandle:
    folder = RunFolder(tmp_path / "20260102-030405-abcd")
    folder.create(Request(run=folder.run, created=0.0, dataset=[], devices=["cpu"]))
    folder.append_event(Event(kind=Kind.RUN_STARTED, t=1.0, n=1))
    folder.append_event(
        Event(kind=Kind.QUEUED, t=1.0, evaluation="e", definition="d", solution="s", workload="w")
    )
    return RunHandle(folder)


def tell(handle: RunHandle, kind: Kind, message: str = "", **fields: object) -> None:
    event = Event(kind=kind, t=2.0, evaluation="e", message=message, **fields)  # type: ignore[arg-type]
    handle.folder.append_event(event)
    handle.poll()


def test_a_run_that_waits_says_what_for(handle: RunHandle) -> None:
    handle.poll()
    assert now_text(handle) == f"run {handle.run}: 0/1"
    tell(handle, Kind.WAITING, "waiting for cpu: another run is using it")
    assert now_text(handle).endswith("0/1, waiting for cpu: another run is using it")
    tell(handle, Kind.FIRST_CALL)
    assert now_text(handle).endswith("0/1, first call s")
    tell(handle, Kind.NOT_RUN, "no verdict")
    assert now_text(handle).endswith("1/1")


def test_what_a_solution_says_cannot_steer_the_terminal(
    handle: RunHandle, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(handle, Kind.DONE, "\x1b[2Jgone\x07\nmore", status=Status.RUNTIME_ERROR)
    handle.folder.append_event(
        Event(kind=Kind.RUN_FINISHED, t=3.0, state="failed", message="\x1b]0;title\x07broke")
    )
    assert follow(handle, json=False) == 2
    printed = capsys.readouterr()
    assert "gone" in printed.out
    assert "broke" in printed.err
    assert not set("\x1b\x07") & set(printed.out + printed.err)
