"""Bytes that go to the terminal, counted through a pty: the same on every machine."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fitui.ui.failing_files import write_failing

REPOSITORY = Path(__file__).resolve().parents[3]
START = (
    "import sys; from fitui.app import run_app; sys.exit(run_app(sys.argv[1], view=sys.argv[2]))"
)


class Terminal:
    """The app in a terminal of 80x24 that answers what is asked of it.

    Args:
        root: Dataset.
        view: First view.
    """

    def __init__(self, root: Path, view: str) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(REPOSITORY)
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.environ.pop("NO_COLOR", None)
            os.execv(sys.executable, [sys.executable, "-c", START, str(root), view])
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read(self, quiet: float, limit: float = 20.0) -> bytes:
        """What is painted until nothing has come for a while."""
        data, end = b"", time.monotonic() + limit
        while time.monotonic() < end:
            if not select.select([self.descriptor], [], [], quiet)[0]:
                break
            piece = os.read(self.descriptor, 65536)
            if b"\x1b[6n" in piece:
                os.write(self.descriptor, b"\x1b[1;1R")
            data += piece
        return data

    def press(self, key: bytes) -> bytes:
        """What a key makes it paint."""
        os.write(self.descriptor, key)
        return self.read(0.5)

    def close(self) -> None:
        """Leave."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


@pytest.fixture
def terminal(root: Path) -> Iterator[Terminal]:
    """The app on three traces, painted."""
    terminal = Terminal(root, "traces solution:fast")
    try:
        painted = b""
        while b"fast" not in painted:
            painted += terminal.read(1.0)
        yield terminal
    finally:
        terminal.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_triage_is_as_quiet(root: Path) -> None:
    terminal = Terminal(write_failing(root.parent / "failing"), "triage")
    try:
        painted = b""
        while b"tma_load" not in painted:
            painted += terminal.read(1.0)
        terminal.read(3.0)
        assert terminal.read(3.0) == b""
        # A row, and the status line with the whole cause.
        assert len(terminal.press(b"j")) <= 900
        assert len(terminal.press(b"k")) <= 900
    finally:
        terminal.close()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_idle_costs_nothing_and_a_step_little(terminal: Terminal) -> None:
    terminal.read(3.0)
    assert terminal.read(3.0) == b""
    assert len(terminal.press(b"j")) <= 650
    assert len(terminal.press(b"k")) <= 650
    assert len(terminal.press(b"\x1b[O") + terminal.press(b"\x1b[I")) == 0
    assert len(terminal.press(b"m")) <= 9_000
