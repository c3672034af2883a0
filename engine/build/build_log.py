"""The log of one build: a file that grows while compilers speak, and what is read from it."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from engine.build.diagnostics import Diagnostic, Trouble, better, error_in, trouble_in

MOST_KEPT = 1 << 20
_MOST_TEXT = 64 << 10
_AFTER_ERROR = 16 << 10
_MOST_PATHS = 64
_LONGEST_LINE = 16 << 10
_CUT = "[cut here: the compilers said more than fits]\n"


class BuildLog:
    """Takes what the commands of a build say; several may speak at once.

    Args:
        path: A file to write it to, as it comes; it is appended to.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._parts: list[str] = []
        self._size = 0
        self._speaker = ""
        self._paths: list[Path] = []
        if path is not None:
            self.attach(path)

    def attach(self, path: Path) -> None:
        """Write it to a further file: what was said so far, and what comes."""
        with self._lock:
            if path not in self._paths:
                self._paths.append(path)
                del self._paths[:-_MOST_PATHS]
                _append(path, "".join(self._parts))

    def write(self, speaker: str, text: str) -> None:
        """Take lines from a command, under a heading where another one spoke before.

        Args:
            speaker: The heading.
            text: Whole lines; "" begins to speak.
        """
        with self._lock:
            if self._size >= MOST_KEPT:
                return
            if speaker != self._speaker:
                self._speaker = speaker
                text = f"== {speaker}\n{text}"
            self._size += len(text)
            if self._size >= MOST_KEPT:
                text = text[: len(text) - (self._size - MOST_KEPT)] + f"\n{_CUT}"
            self._parts.append(text)
            for path in self._paths:
                _append(path, text)

    def close(self, text: str) -> None:
        """Take nothing more, and keep no more than a text for files that are attached yet."""
        with self._lock:
            self._parts = [text]
            self._size = MOST_KEPT

    def text(self) -> str:
        """All that was kept."""
        with self._lock:
            return "".join(self._parts)


def _append(path: Path, text: str) -> None:
    # A log that cannot be written, on a full disk say, fails no build.
    with suppress(OSError), path.open("a", encoding="utf-8", errors="replace") as file:
        file.write(text)


class Voice:
    """What one command says: sent on to the log by lines, and searched for errors.

    Attributes:
        error: The first error.
        trouble: The first trouble of the machine.

    Args:
        log: Of the build.
        name: The heading.
        folder: Where the sources lie; paths below it are shortened to what is below.
    """

    def __init__(self, log: BuildLog, name: str, folder: Path) -> None:
        self.error: Diagnostic | None = None
        self.trouble: Trouble | None = None
        self._log = log
        self._name = name
        self._prefix = f"{folder}/"
        self._rest = b""
        self._kept: list[str] = [f"== {name}\n"]
        self._room = _MOST_TEXT
        self._skipped = False
        log.write(name, "")

    def hear(self, data: bytes) -> None:
        """Take the next piece of output."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._log.write(self._name, "".join(map(self._line, lines)))

    def end(self) -> None:
        """Take the last line, which may lack its end."""
        if self._rest:
            self.hear(b"\n")

    def text(self) -> str:
        """The beginning of it, and what surrounds the first error."""
        return "".join(self._kept)

    def _line(self, data: bytes) -> str:
        line = data.decode("utf-8", "replace").replace(self._prefix, "").rstrip("\r")
        trouble = trouble_in(line)
        if trouble is not None:
            self.trouble = self.trouble or trouble
        elif self.error is None or self.error.summary:
            former = self.error
            self.error = better(former, error_in(line.strip()))
            if self.error is not former:
                self._room = max(self._room, _AFTER_ERROR)
        self._keep(f"{line}\n")
        return f"{line}\n"

    def _keep(self, line: str) -> None:
        if self._room > 0:
            if self._skipped:
                self._kept.append(_CUT)
                self._skipped = False
            self._kept.append(line[: self._room])
            self._room -= len(line)
        else:
            self._skipped = True
