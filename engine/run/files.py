"""The folder of one run: its files, and appending to and reading from them."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from engine.schema.codec import encode
from engine.schema.run import Event, Request, SampleRecord
from engine.schema.trace import Trace

_EVENTS = msgspec.json.Decoder(Event)


def new_run_id(now: float | None = None) -> str:
    """An id that sorts by time and is unique: ``20261122-104122-a3f9``."""
    moment = time.localtime(now if now is not None else time.time())
    return f"{time.strftime('%Y%m%d-%H%M%S', moment)}-{secrets.token_hex(2)}"


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
        self.unsaved_file = path / "traces-not-in-the-dataset.jsonl"
        self.lock_file = path / "runner.lock"
        self.cancel_file = path / "cancel"
        self.output_file = path / "runner.log"
        self.logs = path / "logs"
        self.scratch = path / "scratch"

    @property
    def run(self) -> str:
        """The run's id."""
        return self.path.name

    def create(self, request: Request) -> None:
        """Make the folder and write the request, whole or not at all.

        Raises:
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

    def append_unsaved(self, trace: Trace) -> Path:
        """Keep a trace that could not be appended to the dataset, and say where.

        Raises:
            OSError: It cannot be written here either.
        """
        _append(self.unsaved_file, encode(trace) + b"\n")
        return self.unsaved_file

    def append_event(self, event: Event) -> None:
        """Append one event to ``events.jsonl``.

        Raises:
            OSError: It cannot be written.
        """
        _append(self.events_file, encode(event) + b"\n")


def is_running(folder: RunFolder) -> bool:
    """True while a runner holds the lock of a run."""
    try:
        descriptor = os.open(folder.lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared: several may look at once. The runner's own is exclusive.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


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
