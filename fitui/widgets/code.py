"""Source code as lines with numbers, coloured by Pygments a hundred lines at a time.

What is out of sight is not looked at: a source of ten thousand lines opens at its last line as
quickly as at its first. Comments and strings of several lines are found beforehand by one
expression over the text, so that no part begins inside of one. Pygments is imported when it is
first needed.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from fitui.format import clean
from fitui.widgets.lines import Span

LEXERS = {
    ".py": "python",
    ".pyi": "python",
    ".cu": "cuda",
    ".cuh": "cuda",
    ".cpp": "cpp",
    ".cc": "cpp",
    ".cxx": "cpp",
    ".c": "c",
    ".h": "cpp",
    ".hpp": "cpp",
    ".inc": "cpp",
    ".inl": "cpp",
    ".ptx": "ptx",
    ".sass": "sass",
    ".json": "json",
    ".toml": "toml",
}
"""Lexers by the ending of a file's name."""

LONGEST = 16 << 10
"""Characters of a line that are shown and searched."""

_CHUNK = 100
"""Lines that are coloured together."""

_MOST = 64 << 10
"""Characters that are coloured together; more are shown without colour."""

_C_TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^\s()\\]{0,16})\(.*?\)(?P=d)"'
    r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'',
    re.DOTALL,
)
_QUOTED_TOKENS = re.compile(
    r'#[^\n]*|"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\''
    r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
    re.DOTALL,
)
_TOKENS = {
    "python": _QUOTED_TOKENS,
    "toml": _QUOTED_TOKENS,
    **dict.fromkeys(("c", "cpp", "cuda", "ptx", "sass"), _C_TOKENS),
}
"""What may stretch over lines, and what looks like the beginning of such a thing but is none."""


class CodeLines:
    """A source, one line each, with its line numbers.

    Args:
        text: The source.
        lexer: Name of a lexer, "" for no colour.
        numbers: False to leave the line numbers out.
    """

    noun = "error"

    def __init__(self, text: str, lexer: str = "python", *, numbers: bool = True) -> None:
        self._text = text.replace("\r\n", "\n").expandtabs(4)
        self._lexer = lexer
        self._lines = self._text.rstrip("\n").split("\n") if text else []
        self._digits = len(str(len(self._lines))) if numbers else 0
        self._chunks: dict[int, list[list[Span]]] = {}
        self._long: list[tuple[int, int]] | None = None

    def __len__(self) -> int:
        return len(self._lines)

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        return self.prefix(index) + self.code(index)

    def code(self, index: int) -> str:
        """A line without its number."""
        return _cut(self._lines[index])

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""
        prefix, body = self.prefix(index), self.code_spans(index)
        return [(prefix, "dim"), *body] if prefix else body

    def code_spans(self, index: int) -> list[Span]:
        """A line without its number, as it is painted."""
        chunk, inner = divmod(index, _CHUNK)
        if chunk not in self._chunks:
            self._chunks[chunk] = self._colour(chunk * _CHUNK)
        return self._chunks[chunk][inner]

    def is_mark(self, index: int) -> bool:
        """None is."""
        return False

    def prefix(self, index: int) -> str:
        """Its number."""
        return f" {index + 1:>{self._digits}}  " if self._digits else ""

    def _colour(self, first: int) -> list[list[Span]]:
        """The lines of a chunk, coloured unless it takes too much to do so."""
        last = min(first + _CHUNK, len(self._lines))
        start, end = first, last
        if self._long is None:
            self._long = _stretches(self._text, self._lexer)
        for begin, stop in self._long:
            if begin < first <= stop:
                start = begin
            if begin < last <= stop:
                end = stop + 1
        lines = self._lines[start:end]
        if not self._lexer or sum(map(len, lines)) > _MOST:
            return [[(_cut(line), "")] for line in self._lines[first:last]]
        spans = highlight("\n".join(lines), self._lexer)[first - start : last - start]
        return spans + [[] for _ in range(last - first - len(spans))]


def lexer_for(path: str) -> str:
    """Name of the lexer for a file."""
    dot = path.rfind(".")
    return LEXERS.get(path[dot:].lower(), "") if dot >= 0 else ""


def _cut(line: str) -> str:
    """A line made safe to paint, cut where it is too long."""
    more = len(line) - LONGEST
    return clean(line) if more <= 0 else f"{clean(line[:LONGEST])} … and {more} characters more"


def _stretches(text: str, lexer: str) -> list[tuple[int, int]]:
    """First and last line of each comment and string that goes over several lines."""
    tokens = _TOKENS.get(lexer)
    if tokens is None:
        return []
    found: list[tuple[int, int]] = []
    starts: list[int] = []
    for match in tokens.finditer(text):
        if "\n" in match[0]:
            if not starts:
                starts = [0, *(at.end() for at in re.finditer("\n", text))]
            first = bisect_right(starts, match.start()) - 1
            found.append((first, first + match[0].count("\n")))
    return found


def highlight(text: str, lexer: str) -> list[list[Span]]:
    """Lines of a source, coloured.

    Args:
        text: The source.
        lexer: Name of a lexer.
    """
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    styles = (
        (Comment.Preproc, "keyword"),
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
    known: dict[object, str] = {}
    lines: list[list[Span]] = [[]]
    for token, value in _lexer_named(lexer).get_tokens(text):
        style = known.get(token)
        if style is None:
            style = next((name for kind, name in styles if token in kind), "")
            known[token] = style
        for number, piece in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if piece:
                lines[-1].append((clean(piece), style))
    return lines


def _lexer_named(name: str):  # type: ignore[no-untyped-def]
    if name == "sass":
        from fitui.widgets.sass import SassLexer

        return SassLexer(stripnl=False)
    from pygments.lexers import get_lexer_by_name

    return get_lexer_by_name(name, stripnl=False)
