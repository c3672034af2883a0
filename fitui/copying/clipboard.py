"""The way of a text to the clipboard: by the terminal (OSC 52), through tmux, and into a file.

Nothing answers to OSC 52, so the text always lies in a file as well. Knows no widgets.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from fitui import format as form
from fitui.copying.texts import Copy

MOST_ENCODED = 74_994
"""Bytes of base64 that terminals are known to take in one sequence."""

_TMUX_S = 2.0


class Delivery(Struct, frozen=True, kw_only=True):
    """Where a text went.

    Args:
        what: What it is.
        size: Bytes.
        text: What the terminal is to get, "" where it is too large for that.
        tmux: Whether tmux has it.
        file: Where it lies; None where it could not be written.
        problem: Why not, or what else to know.
    """

    what: str
    size: int
    text: str
    tmux: bool
    file: Path | None
    problem: str = ""

    @property
    def sentence(self) -> str:
        """What was copied, how large it is, and where it lies."""
        places = []
        if self.text:
            places.append("clipboard")
        if self.tmux:
            places.append("tmux")
        if self.file is not None:
            places.append(form.path(self.file))
        large = "" if self.text else ", too large for the clipboard"
        where = ", ".join(places) or "nowhere"
        problem = f"; {self.problem}" if self.problem else ""
        return f"copied {self.what}, {size_words(self.size)}{large}: {where}{problem}"


def encoded_size(text: str) -> int:
    """Bytes of a text in base64."""
    return 4 * ((len(text.encode("utf-8", "replace")) + 2) // 3)


def deliver(copy: Copy, state: Path, environment: Mapping[str, str]) -> Delivery:
    """Take a text to where a process can: the file, and tmux. The terminal is left to the caller.

    Args:
        copy: The text.
        state: State folder.
        environment: Of the process; ``TMUX`` says that it runs in tmux.
    """
    data = copy.text.encode("utf-8", "replace")
    file: Path | None = state / "clip.txt"
    problem = copy.note
    try:
        state.mkdir(parents=True, exist_ok=True)
        temporary = state / f"clip.{os.getpid()}.tmp"
        temporary.write_bytes(data)
        temporary.rename(state / "clip.txt")
    except OSError as error:
        file, problem = None, f"clip.txt could not be written: {error.strerror or error}"
    fits = encoded_size(copy.text) <= MOST_ENCODED
    return Delivery(
        what=copy.what,
        size=len(data),
        text=data.decode() if fits else "",
        tmux=bool(environment.get("TMUX")) and _to_tmux(data, environment),
        file=file,
        problem=problem,
    )


def _to_tmux(data: bytes, environment: Mapping[str, str]) -> bool:
    """Put a text into tmux's buffer, and through it into the terminal around tmux.

    ``-w`` came with tmux 3.2; an older one gets the buffer alone.
    """
    for options in (["-w"], []):
        command = ["tmux", "load-buffer", *options, "-"]
        try:
            done = subprocess.run(
                command, input=data, capture_output=True, timeout=_TMUX_S, env=dict(environment)
            )
        except (OSError, subprocess.SubprocessError):
            return False
        if done.returncode == 0:
            return True
    return False


def size_words(size: int) -> str:
    """A number of bytes: ``118 B``, ``12.3 kB``."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
