"""A program in a pseudo-terminal: every byte that it writes, and when it came.

Shared by ``benchmarks.ui`` and the tests. The terminal answers the questions that Textual asks,
as slowly as its line is, or never.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from benchmarks.ui_screen import Screen

REPOSITORY = Path(__file__).resolve().parents[1]
SIZES = ((80, 24), (200, 50))
FRAME_END = b"\x1b[?2026l"
"""What closes a frame on a terminal that can take frames as a whole."""

PROBE = b"\x1b[6n"
_QUESTIONS = (
    (PROBE, b"\x1b[1;1R"),
    (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
)
_PIECE = 256
"""Bytes that a slow line delivers at once."""


class NeverShown(AssertionError):
    """What was waited for did not come."""


class Answer(NamedTuple):
    """What a key brought: the bytes, and the seconds to the last of them."""

    data: bytes
    seconds: float


class Terminal:
    """A program in a terminal of its own, read by a thread.

    Args:
        command: What to start.
        size: Columns and lines.
        environment: Variables beside those of this process.
        answers: False for a terminal that says nothing to ``ESC[6n``.
        rate: Bytes a second that the line carries; None for no limit.
    """

    def __init__(
        self,
        command: Sequence[str],
        size: tuple[int, int] = (80, 24),
        *,
        environment: Mapping[str, str] | None = None,
        answers: bool = True,
        rate: float | None = None,
    ) -> None:
        self.size = size
        self.rate = rate
        self.screen = Screen(size)
        self.probes = 0
        self._answers = answers
        self._pieces: list[tuple[float, bytes]] = []
        self._fed = self._taken = 0
        self._news = threading.Condition()
        self._asked = b""
        self.descriptor, inner = os.openpty()
        self._tell_size()
        variables = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        for name in ("NO_COLOR", "TERM_PROGRAM", "TMUX", "COLUMNS", "LINES"):
            variables.pop(name, None)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=REPOSITORY,
            env={**variables, **(environment or {})},
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(inner)
        self._open = True
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Reading

    def _pump(self) -> None:
        due = 0.0
        while self._open:
            try:
                if not select.select([self.descriptor], [], [], 0.1)[0]:
                    continue
                data = os.read(self.descriptor, _PIECE if self.rate else 65536)
            except (OSError, ValueError):
                data = b""
            if not data:
                break
            if self.rate:
                due = max(due, time.monotonic()) + len(data) / self.rate
                time.sleep(max(0.0, due - time.monotonic()))
            with self._news:
                self._pieces.append((time.monotonic(), data))
                self._news.notify_all()
            self._reply(data)

    def _reply(self, data: bytes) -> None:
        """Answer what is asked; a question may come in two pieces."""
        text = self._asked + data
        end = 0
        for question, answer in _QUESTIONS:
            for found in re.finditer(re.escape(question), text):
                end = max(end, found.end())
                self.probes += question == PROBE
                if self._answers or question != PROBE:
                    self.send(answer)
        self._asked = text[end:][-16:]

    def send(self, data: bytes) -> None:
        """Type; silently lost where the program has ended."""
        try:
            os.write(self.descriptor, data)
        except OSError:
            pass

    def _wait(self, seen: int, seconds: float) -> bool:
        """Wait for more than the first pieces.

        Returns:
            False if none came in time.
        """
        with self._news:
            return self._news.wait_for(lambda: len(self._pieces) > seen, seconds)

    def read(self, quiet: float = 0.3, limit: float = 30.0) -> bytes:
        """Everything that has come since the last reading, when nothing has come for a while.

        Args:
            quiet: Seconds without a byte after which it is over.
            limit: Seconds after which it is over in any case.
        """
        end = time.monotonic() + limit
        seen = len(self._pieces)
        while self._wait(seen, quiet) and time.monotonic() < end:
            seen = len(self._pieces)
        return self.take()

    def take(self) -> bytes:
        """Everything that has come since the last reading, without waiting."""
        seen = len(self._pieces)
        data = b"".join(piece for _moment, piece in self._pieces[self._taken : seen])
        self._taken = seen
        return data

    @property
    def quiet_for(self) -> float:
        """Seconds since the last byte came."""
        return time.monotonic() - (self._pieces[-1][0] if self._pieces else self.started)

    def press(self, key: bytes, quiet: float = 0.3) -> Answer:
        """Type a key, and take what it makes the program write."""
        self.take()
        begin = time.monotonic()
        self.send(key)
        data = self.read(quiet)
        last = self._pieces[-1][0] if self._pieces else begin
        return Answer(data, max(0.0, last - begin))

    def until(
        self, condition: Callable[[Screen], bool], limit: float = 30.0, what: str = ""
    ) -> float:
        """Wait until the screen is as wanted.

        Args:
            condition: Asked after each piece of what is written.
            limit: Seconds to wait at most.
            what: Is waited for, in words for the error.

        Returns:
            Moment (``time.monotonic``) at which the byte came that made it so.

        Raises:
            NeverShown: It was not so in time.
        """
        end = time.monotonic() + limit
        while True:
            while self._fed < len(self._pieces):
                moment, data = self._pieces[self._fed]
                self._fed += 1
                self.screen.feed(data)
                if condition(self.screen):
                    return moment
            if condition(self.screen):
                return self._pieces[self._fed - 1][0] if self._fed else time.monotonic()
            left = end - time.monotonic()
            if left <= 0 or (self.process.poll() is not None and not self._wait(self._fed, 0.2)):
                raise NeverShown(f"{what or 'it'} never came; there is\n{self.screen.text}")
            self._wait(self._fed, min(left, 0.2))

    def shows(self, *texts: str, limit: float = 30.0) -> float:
        """Wait until all of these texts are on the screen; see :meth:`until`."""
        return self.until(
            lambda screen: all(text in screen.text for text in texts), limit, " and ".join(texts)
        )

    def look(self) -> Screen:
        """The screen as it is now."""
        self.until(lambda _screen: self._fed == len(self._pieces))
        return self.screen

    def resize(self, size: tuple[int, int]) -> None:
        """Be of another size; what was shown is lost."""
        self.look()
        self.size, self.screen = size, Screen(size)
        self._tell_size()

    def _tell_size(self) -> None:
        columns, lines = self.size
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    # Ending

    def hang_up(self) -> None:
        """The window is closed, or the connection lost: the program gets SIGHUP."""
        if self._open:
            self._open = False
            self._thread.join()
            os.close(self.descriptor)

    def kill(self) -> None:
        """End the program without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """End what is left."""
        if self.process.poll() is None:
            self.kill()
        self.hang_up()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def open_fitui(
    dataset: Path,
    view: str,
    size: tuple[int, int] = (80, 24),
    *,
    places: Path | None = None,
    answers: bool = True,
    rate: float | None = None,
) -> Terminal:
    """The workbench in a terminal.

    Args:
        dataset: Its folder.
        view: Text of the first view, "" for the remembered one.
        size: Columns and lines.
        places: Folder for its state, data and cache; where None, the environment says them.
        answers: As for :class:`Terminal`, likewise the next.
        rate: Bytes a second.
    """
    command = [
        sys.executable,
        "-m",
        "fitui",
        "--dataset",
        str(dataset),
        *([f":{view}"] if view else []),
    ]
    names = ("state", "data", "cache") if places is not None else ()
    variables = {f"FITUI_{name.upper()}": f"{places}/{name}" for name in names}
    return Terminal(command, size, environment=variables, answers=answers, rate=rate)
