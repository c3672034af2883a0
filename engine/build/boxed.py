"""Runs a command in a box (``box.py``) and hears what it says, as it says it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import cache
from pathlib import Path

from msgspec import Struct

BOX = Path(__file__).with_name("box.py")
GIB = 1 << 30
_LEAST_MEMORY = 4 * GIB
_MOST_MEMORY = 64 * GIB
_FILE_SIZE = 4 * GIB
_LOOK_S = 0.05
_GRACE_S = 10.0
_LONGEST_REPORT = 1 << 12
_MEMORY_OF_GROUP = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Limits(Struct, frozen=True):
    """What every process of a command may use at most, in bytes.

    Args:
        memory: Of address space.
        file_size: Of one file.
    """

    memory: int
    file_size: int = _FILE_SIZE


class How(StrEnum):
    """How a command ended."""

    EXIT = "exit"
    SIGNAL = "signal"
    LATE = "late"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"


class End(Struct, frozen=True):
    """The end of a command.

    Args:
        how: LOST where the box itself was killed, FAILED where the command never began.
        code: Exit status or number of the signal.
        text: Why it FAILED.
    """

    how: How
    code: int = 0
    text: str = ""


@cache
def default_limits() -> Limits:
    """Half of the memory of the machine or container for one process, from 4 to 64 GiB."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in _MEMORY_OF_GROUP:
        with suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(file.read_text()))
    return Limits(max(_LEAST_MEMORY, min(_MOST_MEMORY, min(found) // 2)))


def run_boxed(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    limits: Limits,
    seconds: float,
    stop: Callable[[], bool],
    hear: Callable[[bytes], None],
) -> End:
    """Run a command to its end; nothing that it started is alive afterwards.

    Args:
        command: Program, by its absolute path, and arguments.
        folder: To run in.
        environment: All of it.
        limits: Of each process.
        seconds: Until it is killed.
        stop: Asked every now and then; True kills it.
        hear: Gets its standard output and error, in pieces.

    Raises:
        OSError: No process can be started.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            numbers = (str(limits.memory), str(limits.file_size), f"{seconds:.3f}")
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(BOX), *numbers, *command],
                cwd=folder,
                env=dict(environment),
                stdin=theirs.fileno(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert process.stdout is not None
        with process.stdout as output:
            try:
                report, wanted = _attend(ours, output.fileno(), seconds, stop, hear)
            finally:
                _bury(process)
            _drain(output.fileno(), hear)
    return _end(report, wanted, process.returncode)


def _attend(
    control: socket.socket,
    output: int,
    seconds: float,
    stop: Callable[[], bool],
    hear: Callable[[bytes], None],
) -> tuple[bytes, How]:
    """Listen until the box is gone.

    Returns:
        What it reported, and what to take for its end where that is nothing.
    """
    watch = select.poll()  # unlike select(), it takes descriptors above 1023
    watch.register(control, select.POLLIN)
    watch.register(output, select.POLLIN)
    report = b""
    wanted = How.LOST
    give_up = time.monotonic() + seconds + _GRACE_S
    look = 0.0
    while True:
        for found, _ in watch.poll(_LOOK_S * 1000):
            data = os.read(found, 1 << 16)
            if found == output:
                if data:
                    hear(data)
                else:
                    watch.unregister(output)
            elif data and len(report) < _LONGEST_REPORT:
                report += data
            else:
                return report, wanted
        now = time.monotonic()
        if now > give_up:
            return report, How.LATE if wanted is How.LOST else wanted
        if now >= look and wanted is How.LOST:
            look = now + _LOOK_S
            if stop():
                wanted = How.STOPPED
                give_up = now + _GRACE_S
                with suppress(OSError):  # it has ended already
                    control.shutdown(socket.SHUT_WR)


def _bury(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the box's process group, and collect what was left to us.

    The box has not been waited for yet, so its number is still the group's and nobody else's.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Where this process adopts orphans, a killed box leaves us its children.
    deadline = time.monotonic() + 2.0
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-process.pid, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


def _drain(output: int, hear: Callable[[bytes], None]) -> None:
    os.set_blocking(output, False)
    with suppress(BlockingIOError):
        while data := os.read(output, 1 << 16):
            hear(data)


def _end(report: bytes, wanted: How, status: int) -> End:
    how, _, rest = report.decode("utf-8", "replace").partition("\n")[0].partition(" ")
    if how == How.FAILED:
        return End(How.FAILED, text=rest)
    if how:
        return End(How(how), int(rest))
    if wanted is How.LOST and status not in (0, -signal.SIGKILL):
        return End(How.FAILED, text=f"the compiler's box ended with status {status}")
    return End(wanted)
