"""The folder of one run: its files, and appending to and reading from them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from engine.schema.codec import encode
from engine.schema.run import ComparisonRecord, Event, Request, SampleRecord

_EVENTS = msgspec.json.Decoder(Event)
_SAMPLES = msgspec.json.Decoder(SampleRecord)
_COMPARISONS = msgspec.json.Decoder(ComparisonRecord)


def new_run_id(now: float | None = None) -> str:
    """An id that sorts by time: ``20261122-104122-a3f9``; the last part is that of the second."""
    moment = time.time() if now is None else now
    fraction = int(moment % 1 * 0x10000)
    return f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(moment))}-{fraction:04x}"


class RunFolder:
    """Paths of one run's files. Creates nothing until something is written.

    Args:
        path: ``<state>/runs/<run id>``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.request_file = path / "request.json"
        self.events_file = path / "events.jsonl"
        self.samples_file = path / "samples.jsonl"
        self.comparisons_file = path / "comparisons.jsonl"
        self.pending = path / "pending"
        """Traces on their way into the dataset, one file each."""
        self.cancel_file = path / "cancel"
        self.pause_file = path / "pause"
        self.priority_file = path / "priority"
        self.logs = path / "logs"

    @property
    def run(self) -> str:
        """The run's id."""
        return self.path.name

    def create(self, request: Request) -> None:
        """Make the folder and write the request, whole or not at all.

        Raises:
            FileExistsError: There is such a run.
            OSError: The state folder cannot be written.
        """
        self.path.mkdir(parents=True, mode=0o700)
        self.logs.mkdir()
        temporary = self.request_file.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(request))
        temporary.rename(self.request_file)

    def read_request(self) -> Request:
        """The request as written.

        Raises:
            OSError: There is none.
            msgspec.DecodeError: It is no request.
        """
        return msgspec.json.decode(self.request_file.read_bytes(), type=Request)

    def append_samples(self, record: SampleRecord) -> None:
        """Append one record to ``samples.jsonl``.

        Raises:
            OSError: It cannot be written.
        """
        _append(self.samples_file, encode(record) + b"\n")

    def read_samples(self, evaluation: str) -> SampleRecord | None:
        """What was measured in an evaluation; None where that was not kept.

        Of several records of one evaluation the last counts, since a runner that is killed makes
        it again.

        Args:
            evaluation: Id within the run.
        """
        # Lines are long and many: only those of this evaluation are decoded.
        head = b'{"evaluation":' + msgspec.json.encode(evaluation) + b","
        found: SampleRecord | None = None
        try:
            with self.samples_file.open("rb") as stream:
                for line in stream:
                    if line.startswith(head):
                        with suppress(msgspec.DecodeError, UnicodeDecodeError):
                            found = _SAMPLES.decode(line)
        except OSError:
            return None
        return found

    def append_comparison(self, record: ComparisonRecord) -> None:
        """Append one record to ``comparisons.jsonl``.

        Raises:
            OSError: It cannot be written.
        """
        _append(self.comparisons_file, encode(record) + b"\n")

    def read_comparisons(self) -> dict[str, ComparisonRecord]:
        """What has been compared, by the id of the evaluation; nothing where there is no file.

        Lines that are no record are passed over.
        """
        found: dict[str, ComparisonRecord] = {}
        try:
            data = self.comparisons_file.read_bytes()
        except FileNotFoundError:
            return found
        for line in data.splitlines():
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                record = _COMPARISONS.decode(line)
                found[record.evaluation] = record
        return found

    def append_events(self, *events: Event) -> None:
        """Append events to ``events.jsonl``, all or none.

        Raises:
            OSError: They cannot be written.
        """
        _append(self.events_file, b"".join(encode(event) + b"\n" for event in events))

    def repair(self) -> None:
        """Remove half a line that a runner was killed over. For the runner's own files only.

        Raises:
            OSError: They cannot be written.
        """
        for path in (self.events_file, self.samples_file, self.comparisons_file):
            _drop_torn_end(path)

    @property
    def priority(self) -> int | None:
        """As set after the run was asked for; None where it was not."""
        try:
            return int(self.priority_file.read_text())
        except (OSError, ValueError):
            return None


def _drop_torn_end(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        end = os.fstat(descriptor).st_size
        start, tail = end, b""
        while start > 0 and b"\n" not in tail:
            step = min(start, 1 << 16)
            start -= step
            tail = os.pread(descriptor, step, start)
        whole = start + tail.rfind(b"\n") + 1
        if whole != end:
            os.ftruncate(descriptor, whole)
    finally:
        os.close(descriptor)


def _append(path: Path, data: bytes) -> None:
    """Append a line, all or nothing; only one process writes here."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        start = os.fstat(descriptor).st_size
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            # The next line must not be glued to half of this one.
            os.ftruncate(descriptor, start)
            raise
    finally:
        os.close(descriptor)


class EventReader:
    """Reads ``events.jsonl`` as it grows; a line counts once its newline is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def poll(self) -> Iterator[Event]:
        """Events that were appended since the last call, to be taken all at once.

        Lines that are no event are passed over; no file is no event.
        """
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
        except FileNotFoundError:
            return
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        for line in data[:whole].splitlines():
            try:
                yield _EVENTS.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
