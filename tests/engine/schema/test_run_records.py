"""Requests, events and samples: written, read back, and folded into the state of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.run.files import EventReader, RunFolder, new_run_id
from engine.run.progress import Progress
from engine.schema import (
    QUICK,
    Event,
    Kind,
    Request,
    SampleRecord,
    Settings,
    Status,
    decode,
    encode,
)

REQUEST = Request(
    run="20260102-030405-beef",
    created=1.5,
    dataset=["/data/lower", "/data/upper"],
    devices=["cuda:0", "cpu"],
    settings=QUICK,
    definitions=["scale_n4"],
    pairs=[("fast", "w1"), ("slow", "w2")],
    note="a note",
)

RECORDS = [
    REQUEST,
    Request(run="r", created=0.0, dataset=[], devices=[]),
    Settings(atol=1e-3, rtol=0.0, matched_ratio=0.95),
    *(Event(kind=kind, t=1.25) for kind in Kind),
    Event(
        kind=Kind.DONE,
        t=2.5,
        evaluation="e1",
        status=Status.INCORRECT_NUMERICAL,
        latency_ms=0.0123,
        max_absolute_error="NaN",
        axes={"M": 3},
        elapsed_s=0.0,
    ),
    SampleRecord(
        evaluation="e1",
        device_ns=[1900, 1901],
        kernels=[("norm", 1800)],
        checks=[{"output": "y", "worst": "Infinity"}],
        phases_s={"build": 0.5},
        flags=["host_sync"],
    ),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_was(record: msgspec.Struct) -> None:
    assert decode(encode(record), type(record)) == record
    assert msgspec.json.decode(msgspec.json.encode(record), type=type(record)) == record


def test_a_quick_run_differs_from_a_full_one_in_its_settings_only_downwards() -> None:
    full = Settings()
    assert QUICK.quick and not full.quick
    for name in ("input_sets", "min_samples", "max_samples", "time_budget_s", "total_limit_s"):
        assert getattr(QUICK, name) < getattr(full, name)


def test_a_newer_record_with_unknown_keys_is_still_read() -> None:
    assert decode('{"kind":"queued","t":1,"colour":"blue"}', Event).kind is Kind.QUEUED


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "runs" / REQUEST.run)
    folder.create(REQUEST)
    return folder


def test_a_run_folder_holds_the_request(folder: RunFolder) -> None:
    assert folder.read_request() == REQUEST
    assert folder.run == REQUEST.run
    assert folder.path.stat().st_mode & 0o077 == 0, "nobody else reads what somebody runs"
    assert sorted(item.name for item in folder.path.iterdir()) == ["logs", "request.json"]


def test_a_run_folder_is_never_made_twice(folder: RunFolder) -> None:
    with pytest.raises(FileExistsError):
        folder.create(REQUEST)


def test_run_ids_sort_by_time_and_do_not_repeat() -> None:
    assert new_run_id(1e9) < new_run_id(1e9 + 1)
    assert new_run_id(1e9) < new_run_id(1e9 + 1e-3)


def kinds(events: Iterator[Event]) -> list[Kind]:
    return [event.kind for event in events]


def test_a_reader_finds_what_is_new_each_time(folder: RunFolder) -> None:
    reader = EventReader(folder.events_file)
    assert kinds(reader.poll()) == [], "no file yet"
    folder.append_events(Event(kind=Kind.RUN_STARTED, t=1.0))
    folder.append_events(Event(kind=Kind.QUEUED, t=2.0))
    assert kinds(reader.poll()) == [Kind.RUN_STARTED, Kind.QUEUED]
    assert kinds(reader.poll()) == []
    folder.append_events(Event(kind=Kind.DONE, t=3.0))
    assert kinds(reader.poll()) == [Kind.DONE]


def test_a_torn_last_line_waits_until_it_is_whole(folder: RunFolder) -> None:
    line = msgspec.json.encode(Event(kind=Kind.DONE, t=3.0, message="żółw")) + b"\n"
    reader = EventReader(folder.events_file)
    for end in range(1, len(line)):
        folder.events_file.write_bytes(line[:end])
        assert kinds(reader.poll()) == []
    folder.events_file.write_bytes(line)
    assert [event.message for event in reader.poll()] == ["żółw"]


def test_a_whole_line_before_a_torn_one_counts_at_once(folder: RunFolder) -> None:
    reader = EventReader(folder.events_file)
    folder.events_file.write_bytes(b'{"kind":"queued","t":1}\n{"kind":"do')
    assert kinds(reader.poll()) == [Kind.QUEUED]
    with folder.events_file.open("ab") as stream:
        stream.write(b'ne","t":2}\n')
    assert kinds(reader.poll()) == [Kind.DONE]


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"junk",
        b"{}",
        b'{"kind":"other","t":1}',
        b"\xff\xfe",
        b"[1]",
        b'{"kind":"done","t":1,"message":"\xff"}',
    ],
)
def test_a_line_that_is_no_event_is_passed_over(folder: RunFolder, junk: bytes) -> None:
    folder.events_file.write_bytes(
        b'{"kind":"queued","t":1}\n' + junk + b'\n{"kind":"done","t":2}\n'
    )
    assert kinds(EventReader(folder.events_file).poll()) == [Kind.QUEUED, Kind.DONE]


def queued(name: str, t: float = 1.0) -> Event:
    return Event(
        kind=Kind.QUEUED,
        t=t,
        evaluation=name,
        definition="scale_n4",
        solution="fast",
        workload="w1",
        axes={"M": 3},
    )


def test_a_run_is_folded_from_its_events() -> None:
    progress = Progress()
    assert progress.state == "queued"
    progress.apply_all([Event(kind=Kind.RUN_STARTED, t=1.0, n=2), queued("a"), queued("b", 2.0)])
    assert (progress.state, progress.started) == ("running", 1.0)
    assert list(progress.cells) == ["a", "b"]
    assert progress.counts == {"QUEUED": 2}

    cell = progress.apply(Event(kind=Kind.TIMING, t=3.0, evaluation="a", n=50, latency_ms=0.5))
    assert cell is progress.cells["a"]
    assert (cell.phase, cell.n, cell.latency_ms, cell.since) == (Kind.TIMING, 50, 0.5, 3.0)
    assert (cell.solution, cell.axes) == ("fast", {"M": 3}), "what was queued stays"
    assert progress.counts == {"ACTIVE": 1, "QUEUED": 1}

    progress.apply(Event(kind=Kind.VERIFYING, t=4.0, evaluation="a"))
    assert (cell.phase, cell.n, cell.latency_ms) == (Kind.VERIFYING, 50, 0.5)
    progress.apply(Event(kind=Kind.DONE, t=5.0, evaluation="a", status=Status.PASSED, log="l"))
    progress.apply(Event(kind=Kind.DONE, t=6.0, evaluation="b", status=Status.TIMEOUT, message="m"))
    assert progress.counts == {"PASSED": 1, "TIMEOUT": 1}
    assert (progress.ended, progress.failed) == (2, 1)
    assert cell.ended

    progress.apply(Event(kind=Kind.RUN_FINISHED, t=7.0, message="all done"))
    assert (progress.state, progress.finished, progress.message) == ("finished", 7.0, "all done")
    assert progress.version == 8


def test_what_was_not_run_has_ended_and_has_not_failed() -> None:
    progress = Progress()
    progress.apply_all(
        [queued("a"), Event(kind=Kind.NOT_RUN, t=2.0, evaluation="a", message="too slow here")]
    )
    assert progress.counts == {"NOT_RUN": 1}
    assert (progress.ended, progress.failed) == (1, 0)
    assert progress.cells["a"].message == "too slow here"


def test_a_notice_speaks_of_the_run_or_of_one_evaluation() -> None:
    progress = Progress()
    progress.apply_all([queued("a"), Event(kind=Kind.BUILDING, t=2.0, evaluation="a")])
    assert progress.apply(Event(kind=Kind.NOTICE, t=3.0, message="GPU is busy")) is None
    assert progress.notices == ["GPU is busy"]
    progress.apply(Event(kind=Kind.NOTICE, t=4.0, evaluation="a", message="again"))
    assert progress.notices == ["GPU is busy"]
    assert (progress.cells["a"].phase, progress.cells["a"].message) == (Kind.BUILDING, "again")


def test_an_event_of_an_unknown_evaluation_changes_nothing_but_the_version() -> None:
    progress = Progress()
    assert progress.apply(Event(kind=Kind.DONE, t=1.0, evaluation="?")) is None
    assert (progress.cells, progress.version) == ({}, 1)
