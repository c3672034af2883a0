"""The files of a solution as one text, and where a line of one of them stands in it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.schema import Solution
from fitui.format import clean, count
from fitui.screens.documents import Line, heading
from fitui.widgets.code import CodeLines, lexer_for
from fitui.widgets.text import Document, Joined, Lines


class SourceText:
    """The files of a solution, one below the other.

    Args:
        solution: The solution.
        above: Lines before the first file.
    """

    def __init__(self, solution: Solution, above: Sequence[Line] = ()) -> None:
        parts: list[Lines] = [Document(above)]
        self._starts: dict[str, range] = {}
        total = len(above)
        for source in solution.sources:
            code = CodeLines(source.content, lexer_for(source.path))
            title = Document([*heading(f"{clean(source.path)} ({count(len(code), 'line')})"), []])
            total += len(title)
            self._starts[source.path] = range(total, total + len(code))
            total += len(code)
            parts += [title, code]
        self.lines = Joined(parts)

    def line_of(self, path: str, number: int) -> int | None:
        """The line of the text that a line of a file is; None where there is no such line.

        Args:
            path: Of the file.
            number: From 1.
        """
        lines = self._starts.get(path, range(0))
        return lines[number - 1] if 1 <= number <= len(lines) else None
