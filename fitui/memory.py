"""What the UI remembers between two starts: ``state.json`` in the state folder.

Written on change, not on exit, so that a lost connection loses nothing. Knows no widgets.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct, field


class Memory(Struct, kw_only=True, omit_defaults=True):
    """Content of the state file.

    Args:
        trail: Texts of the views from the outermost to the one on the screen.
        anchors: Row under the cursor, by view without filter and sort.
        metric: What a matrix cell shows, "latency" or "speedup".
        seen: Time until which ended runs have been seen.
        bookmarks: Texts of views by the names that the user gave them.
    """

    trail: list[str] = field(default_factory=list)
    anchors: dict[str, str] = field(default_factory=dict)
    metric: str = "latency"
    seen: float = 0.0
    bookmarks: dict[str, str] = field(default_factory=dict)


class MemoryFile:
    """Reads and atomically writes one :class:`Memory`. A file that cannot be read is forgotten.

    Args:
        state: The state folder.
    """

    def __init__(self, state: Path) -> None:
        self.path = state / "state.json"
        self._written = b""

    def read(self) -> Memory:
        """What was remembered, or nothing."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Memory)
        except (OSError, msgspec.DecodeError):
            return Memory()

    def write(self, memory: Memory) -> None:
        """Remember, if it differs from what was written last.

        Raises:
            OSError: The state folder cannot be written.
        """
        data = msgspec.json.encode(memory)
        if data == self._written:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"state.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(data)
            temporary.rename(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        self._written = data
