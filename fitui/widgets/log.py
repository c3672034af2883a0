"""Logs as lines: foreign text made safe, error lines known, nothing styled before it is seen."""

from __future__ import annotations

from collections.abc import Sequence

from fitui.format import clean_lines, is_error_line
from fitui.widgets.lines import Span


class LogLines:
    """The lines of a log.

    Args:
        text: The log as it was written.
    """

    def __init__(self, text: str) -> None:
        self._lines = clean_lines(text)
        self._marks: list[int] | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        return self._lines[index]

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted: errors stand out, the frames of a traceback stand back."""
        line = self._lines[index]
        if is_error_line(line):
            return [(line, "failed")]
        if line.startswith('  File "'):
            return [(line, "accent")]
        return [(line, "")]

    def marks(self) -> Sequence[int]:
        """Error lines. Found once, when first asked for."""
        if self._marks is None:
            self._marks = [at for at, line in enumerate(self._lines) if is_error_line(line)]
        return self._marks
