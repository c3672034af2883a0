"""The queue on disk: which runs are to be worked on, and who works on them.

``<state>/queue/<run id>.json`` exists from the moment a run is asked for until it has ended; it
names the machine and the surroundings (interpreter, packages, environment) that the run is for. At
most one runner per machine and surroundings serves the queue, and holds a lock as long as it lives.
Priority, pause and cancellation are files in the run's own folder, so that any terminal can set
them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.schema.hashing import digest

_SURROUNDINGS = (
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "CXX",
    "FITUI_CACHE",
    "FITUI_LOCKS",
    "FITUI_START_METHOD",
)
"""Environment variables that decide how solutions are built and run."""
_SILENCE_S = 60.0
"""Seconds after which a runner on another machine counts as gone."""


def host_name() -> str:
    """Name of this machine, as far as a shared state folder must tell machines apart."""
    return socket.gethostname() or "localhost"


def surroundings() -> str:
    """Key of the interpreter, this package and the environment that a runner would have."""
    here = str(Path(__file__).resolve().parents[2])
    values = [f"{name}={os.environ.get(name, '')}" for name in _SURROUNDINGS]
    compilers = [str(shutil.which(name)) for name in ("c++", "nvcc")]
    return digest([sys.prefix, here, *values, *compilers])


class Ticket(Struct, kw_only=True):
    """Content of a file of the queue.

    Args:
        host: Machine that the run is for.
        key: Surroundings that it is for.
    """

    host: str
    key: str


class Queue:
    """The queue of one state folder.

    Args:
        state: The state folder; nothing is created until something is written.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self._folder = state / "queue"

    def put(self, run: str) -> None:
        """Have the runner of this machine and these surroundings work on a run.

        Raises:
            OSError: The state folder cannot be written.
        """
        with self.intake():
            path = self._ticket(run)
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_suffix(".tmp")
            ticket = Ticket(host=host_name(), key=surroundings())
            temporary.write_bytes(msgspec.json.encode(ticket))
            temporary.rename(path)

    def remove(self, run: str) -> None:
        """The run has ended."""
        with suppress(FileNotFoundError):
            self._ticket(run).unlink()

    def ticket(self, run: str) -> Ticket | None:
        """Who is to work on a run; None where nobody is."""
        try:
            return msgspec.json.decode(self._ticket(run).read_bytes(), type=Ticket)
        except (OSError, msgspec.DecodeError):
            return None

    def waiting(self, host: str, key: str) -> list[str]:
        """Runs for a runner, oldest first."""
        try:
            names = sorted(item.stem for item in self._folder.iterdir() if item.suffix == ".json")
        except OSError:
            return []
        wanted = Ticket(host=host, key=key)
        return [name for name in names if self.ticket(name) == wanted]

    def lock_file(self, host: str, key: str) -> Path:
        """Locked by the runner as long as it lives; holds its process id."""
        return self.state / f"runner-{host}-{key}.lock"

    def runner_lives(self, run: str) -> bool:
        """True while a runner is there to work on a run, as far as can be told from here."""
        ticket = self.ticket(run)
        if ticket is None:
            return False
        lock = self.lock_file(ticket.host, ticket.key)
        if ticket.host == host_name():
            return is_locked(lock)
        try:
            # Locks of other machines, and of containers that are gone, cannot be seen.
            return time.time() - lock.stat().st_mtime < _SILENCE_S
        except OSError:
            return False

    def beat(self, host: str, key: str) -> None:
        """Say, as the runner, that it is there; to be called every few seconds."""
        with suppress(OSError):
            os.utime(self.lock_file(host, key))

    def runner_pid(self, run: str) -> int:
        """Process id of the runner that works on a run; 0 where there is none."""
        ticket = self.ticket(run)
        try:
            return int(self.lock_file(ticket.host, ticket.key).read_text()) if ticket else 0
        except (OSError, ValueError):
            return 0

    @contextmanager
    def intake(self) -> Iterator[None]:
        """While held, no run is put in and no runner leaves because there is none."""
        self.state.mkdir(parents=True, exist_ok=True)
        path = self.state / "queue.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _ticket(self, run: str) -> Path:
        return self._folder / f"{run}.json"


def is_locked(path: Path) -> bool:
    """True while somebody holds the lock of a file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
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


def take_lock(path: Path, patience_s: float = 2.0) -> int | None:
    """Take a runner's lock, which somebody who only looks whether it is free holds for a moment.

    Returns:
        The descriptor that holds it, or None where another runner has it.

    Raises:
        OSError: The file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.01)
        else:
            return descriptor
