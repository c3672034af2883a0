"""Percent of the limit and flags of an evaluation, in its event and in what is folded from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.measure.roofline import Limit
from engine.run.files import RunFolder
from engine.run.progress import Progress
from engine.run.report import Reporter
from engine.schema import Ending, Event, Kind, Status, decode
from tests.engine.run.test_record import REQUEST, result, subject, timing


def told(folder: Path, **fields: Any) -> Event:
    """The event that a result ends with, as it is read from the file."""
    run = RunFolder(folder / "run")
    run.create(REQUEST)
    reporter = Reporter(run, REQUEST, lambda _subject: folder / "traces.jsonl")
    reporter.done(subject(), result(**fields), "", 1.0, None)
    return decode(run.events_file.read_bytes(), Event)


@pytest.mark.parametrize("flags", [[], ["contended", "host_sync"]])
def test_the_event_has_them(tmp_path: Path, flags: list[str]) -> None:
    event = told(tmp_path, timing=timing(2000, flags=flags), limit=Limit(us=1.5, by="memory"))
    assert event.roofline == pytest.approx(75.0) and event.flags == flags


def test_what_is_not_known_is_not_told(tmp_path: Path) -> None:
    assert told(tmp_path).roofline is None
    event = told(tmp_path / "other", ending=Ending.TIMED_OUT)
    assert event.roofline is None and event.flags == []


def test_progress_keeps_them() -> None:
    progress = Progress()
    progress.apply(Event(kind=Kind.QUEUED, t=1.0, evaluation="e", solution="s"))
    cell = progress.cells["e"]
    assert cell.roofline is None and cell.flags == []
    done = {"status": Status.PASSED, "roofline": 0.0, "flags": ["late work"]}
    progress.apply(Event(kind=Kind.DONE, t=2.0, evaluation="e", **done))
    progress.apply(Event(kind=Kind.NOTICE, t=3.0, evaluation="e", message="m"))
    assert cell.roofline == 0.0 and cell.flags == ["late work"]
