"""The folder of a run: written by one process, read by others while it grows."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import msgspec
import pytest

from engine.run.files import EventReader, RunFolder, new_run_id
from engine.schema import Event, Kind, Request
from engine.schema.run import SampleRecord

REQUEST = Request(run="r", created=1.0, dataset=["a", "b"], devices=["cpu"], pairs=[("s", "w")])


def event(n: int) -> Event:
    return Event(kind=Kind.TIMING, t=float(n), evaluation="r.1", n=n)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "runs" / "r")
    made.create(REQUEST)
    return made


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_run_id(moment) for moment in (0.0, 1e9, 2e9)]
    assert ids == sorted(ids)
    assert new_run_id(0.0) < new_run_id(1e-3)


def test_naming_a_folder_makes_nothing(tmp_path: Path) -> None:
    made = RunFolder(tmp_path / "x")
    assert made.run == "x"
    assert not made.path.exists()


def test_a_request_is_read_as_it_was_written(folder: RunFolder) -> None:
    assert folder.read_request() == REQUEST
    assert sorted(item.name for item in folder.path.iterdir()) == ["logs", "request.json"]


def test_a_run_is_private(folder: RunFolder) -> None:
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_folder_is_not_made_twice(folder: RunFolder) -> None:
    with pytest.raises(FileExistsError):
        folder.create(REQUEST)


def test_a_missing_request_is_told_from_a_bad_one(folder: RunFolder) -> None:
    folder.request_file.write_text("{}")
    with pytest.raises(msgspec.DecodeError):
        folder.read_request()
    folder.request_file.unlink()
    with pytest.raises(FileNotFoundError):
        folder.read_request()


def test_samples_are_one_line_each_and_spell_what_is_not_finite(folder: RunFolder) -> None:
    for n in (1, 2):
        folder.append_samples(SampleRecord(evaluation=f"r.{n}", checks=[{"max_abs": float("inf")}]))
    lines = [json.loads(line) for line in folder.samples_file.read_text().splitlines()]
    assert [line["evaluation"] for line in lines] == ["r.1", "r.2"]
    assert lines[0]["checks"] == [{"max_abs": "Infinity"}]


class TestReading:
    def test_no_file_yet_is_no_event(self, folder: RunFolder) -> None:
        assert list(EventReader(folder.events_file).poll()) == []

    def test_each_event_comes_once(self, folder: RunFolder) -> None:
        reader = EventReader(folder.events_file)
        folder.append_events(event(1))
        folder.append_events(event(2))
        assert list(reader.poll()) == [event(1), event(2)]
        assert list(reader.poll()) == []
        folder.append_events(event(3))
        assert list(reader.poll()) == [event(3)]

    def test_a_second_reader_starts_from_the_beginning(self, folder: RunFolder) -> None:
        folder.append_events(event(1))
        for _ in range(2):
            assert list(EventReader(folder.events_file).poll()) == [event(1)]

    def test_a_torn_line_waits_for_its_newline(self, folder: RunFolder) -> None:
        reader = EventReader(folder.events_file)
        data = msgspec.json.encode(event(1)) + b"\n"
        with folder.events_file.open("ab", buffering=0) as stream:
            for byte in data[:-1]:
                stream.write(bytes([byte]))
                assert list(reader.poll()) == []
            stream.write(data[-1:])
        assert list(reader.poll()) == [event(1)]

    @pytest.mark.parametrize("line", [b"garbage", b"", b"{}", b"\xff", b'{"kind":"new","t":1}'])
    def test_a_line_that_is_no_event_is_passed_over(self, folder: RunFolder, line: bytes) -> None:
        folder.append_events(event(1))
        with folder.events_file.open("ab") as stream:
            stream.write(line + b"\n")
        folder.append_events(event(2))
        assert list(EventReader(folder.events_file).poll()) == [event(1), event(2)]

    def test_line_separators_within_a_text_do_not_split_it(self, folder: RunFolder) -> None:
        said = Event(kind=Kind.NOTICE, t=1.0, message="a\u2028b\x85c\r\nd")
        folder.append_events(said)
        assert list(EventReader(folder.events_file).poll()) == [said]
