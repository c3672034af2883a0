"""Logs as lines: found by their place in the text, and made safe when they are seen.

To open a log is to count its newlines, a block at a time; a line is cut out, freed of escapes and
control characters and styled when it is painted or searched. Of what a progress bar wrote over
itself the last state counts, as on a terminal. Lines are numbered as in
:func:`engine.insight.folding.log_lines`.
"""

from __future__ import annotations

from bisect import bisect_left

from fitui.format import clean, is_error_line
from fitui.widgets.lines import Span

LONGEST = 16 << 10
"""Characters of a line that are shown and searched."""

_BLOCK = 64 << 10
"""Characters whose newlines are counted together."""

_KEPT = 8
"""Blocks whose newlines are remembered."""

_STATED = 2000
"""Characters of a line in which the statement of an error is looked for."""


_HINTS = (
    *("error", "exception", "interrupt", "exit", "fatal", "mismatch", "time", "killed"),
    "segmentation",
)
"""One of them is in every line that :func:`fitui.format.is_error_line` knows; ten times quicker."""


class LogLines:
    """The lines of a log.

    Args:
        text: The log as it was written.
    """

    noun = "error"

    def __init__(self, text: str) -> None:
        self._text = text
        counts = [0]
        for start in range(0, len(text), _BLOCK):
            counts.append(counts[-1] + text.count("\n", start, start + _BLOCK))
        self._counts = counts
        self._count = counts[-1] + bool(text and not text.endswith("\n"))
        self._newlines: dict[int, list[int]] = {}
        self._lines: dict[int, str] = {}

    def __len__(self) -> int:
        return self._count

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        known = self._lines.get(index)
        if known is None:
            if len(self._lines) > 500:
                self._lines = {}
            known = self._lines[index] = self._read(index)
        return known

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted: errors stand out, the frames of a traceback stand back."""
        line = self.plain(index)
        if self.is_mark(index):
            return [(line, "failed")]
        if line.startswith('  File "'):
            return [(line, "accent")]
        return [(line, "")]

    def is_mark(self, index: int) -> bool:
        """True for an error line."""
        line = self.plain(index)[:_STATED]
        small = line.lower()
        return any(word in small for word in _HINTS) and is_error_line(line)

    def _read(self, index: int) -> str:
        text = self._text
        start = self._newline(index) + 1
        end = self._newline(index + 1) if index < self._counts[-1] else len(text)
        while end > start and text[end - 1] == "\r":
            end -= 1
        start = max(start, text.rfind("\r", start, end) + 1)
        line = clean(text[start : min(end, start + LONGEST)])
        more = end - start - LONGEST
        return line if more <= 0 else f"{line} … and {more} characters more"

    def _newline(self, number: int) -> int:
        """Place of a newline, counted from 1; before the text for 0."""
        if number == 0:
            return -1
        block = bisect_left(self._counts, number) - 1
        newlines = self._newlines.get(block)
        if newlines is None:
            if len(self._newlines) >= _KEPT:
                self._newlines = {}
            newlines = self._newlines[block] = _newlines(self._text, block * _BLOCK)
        return newlines[number - self._counts[block] - 1]


def _newlines(text: str, start: int) -> list[int]:
    """Places of the newlines in a block."""
    end = min(len(text), start + _BLOCK)
    found: list[int] = []
    at = text.find("\n", start, end)
    while at >= 0:
        found.append(at)
        at = text.find("\n", at + 1, end)
    return found
