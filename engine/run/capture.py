"""What a child printed: its beginning and its end, however much lies between."""

from __future__ import annotations

HEAD = 32 << 10
TAIL = 32 << 10


class Capture:
    """Keeps the first and the last bytes of a stream in bounded memory."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Take more bytes."""
        self.total += len(data)
        room = HEAD - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail += data
            if len(self._tail) > 2 * TAIL:
                del self._tail[:-TAIL]

    def text(self) -> str:
        """What was kept, with a line that counts what was not."""
        tail = self._tail[-TAIL:]
        left_out = self.total - len(self._head) - len(tail)
        if not left_out:
            # Together: a character may lie across the seam.
            return (self._head + tail).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "replace")
        return f"{head}\n... {left_out} bytes left out ...\n{tail.decode('utf-8', 'replace')}"

    def clear(self) -> None:
        """Forget everything."""
        self._head.clear()
        self._tail.clear()
        self.total = 0
