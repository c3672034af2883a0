"""Source code as lines with numbers, coloured by Pygments, which is imported when first needed."""

from __future__ import annotations

from collections.abc import Sequence

from fitui.format import clean
from fitui.widgets.lines import Span

LEXERS = {
    ".py": "python",
    ".cu": "cuda",
    ".cuh": "cuda",
    ".cpp": "cpp",
    ".cc": "cpp",
    ".c": "c",
    ".h": "cpp",
    ".hpp": "cpp",
    ".ptx": "ptx",
    ".json": "json",
}
"""Pygments lexers by the ending of a file's name."""

_LIMIT = 400_000
"""Characters beyond which a source is shown without colour."""


class CodeLines:
    """A source, one line each, with its line numbers.

    Args:
        text: The source.
        lexer: Name of a Pygments lexer, "" for no colour.
        numbers: False to leave the line numbers out.
    """

    def __init__(self, text: str, lexer: str = "python", *, numbers: bool = True) -> None:
        self._text = text.replace("\r\n", "\n").expandtabs(4)
        self._lexer = lexer if len(text) <= _LIMIT else ""
        self._lines = self._text.rstrip("\n").split("\n") if text else []
        self._digits = len(str(len(self._lines))) if numbers else 0
        self._spans: list[list[Span]] | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        return self._prefix(index) + self._lines[index]

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""
        if self._spans is None:
            self._spans = _highlight(self._text, self._lexer)
        body = self._spans[index] if index < len(self._spans) else []
        prefix = self._prefix(index)
        return [(prefix, "dim"), *body] if prefix else body

    def marks(self) -> Sequence[int]:
        """None."""
        return ()

    def _prefix(self, index: int) -> str:
        return f" {index + 1:>{self._digits}}  " if self._digits else ""


def lexer_for(path: str) -> str:
    """Name of the lexer for a file."""
    dot = path.rfind(".")
    return LEXERS.get(path[dot:].lower(), "") if dot >= 0 else ""


def _highlight(text: str, lexer: str) -> list[list[Span]]:
    if not lexer:
        return [[(clean(line), "")] for line in text.split("\n")]
    from pygments.lexers import get_lexer_by_name
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    styles = (
        (Comment, "comment"),
        (Keyword, "keyword"),
        (String, "string"),
        (Number, "number"),
        (Operator.Word, "keyword"),
        (Name.Function, "name"),
        (Name.Class, "name"),
        (Name.Decorator, "name"),
        (Name.Builtin.Pseudo, "keyword"),
        (Name.Tag, "name"),
    )
    lines: list[list[Span]] = [[]]
    for token, value in get_lexer_by_name(lexer, stripnl=False).get_tokens(text):
        style = next((name for kind, name in styles if token in kind), "")
        for number, piece in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if piece:
                lines[-1].append((clean(piece), style))
    return lines
