"""Two versions of some files as a unified diff: lines with their numbers, changed words marked.

Made once, on a thread where the files are long; painted lazily, unchanged lines coloured as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from msgspec import Struct

from fitui.format import clean
from fitui.widgets.code import CodeLines, lexer_for
from fitui.widgets.lines import Span

AROUND = 3
"""Unchanged lines that are shown around a change."""

_WORD = re.compile(r"\w+|\s+|.")
_ALIKE = 0.5
"""Share of a line that must be the same for its changed words to be marked one by one."""
_LONG = 400
"""Characters of a line up to which its words are compared."""


class Row(Struct, frozen=True):
    """One line of a diff.

    Args:
        sign: "-", "+", " ", "@" for the beginning of a part, "f" for a file's name.
        number: Line in its file, from 1.
        text: Of a line that is no line of a file.
        code: The file that it is a line of, or None.
        words: Begin and end of the changed words in it.
    """

    sign: str
    number: int = 0
    text: str = ""
    code: CodeLines | None = None
    words: tuple[tuple[int, int], ...] = ()


_STYLES = {"-": "failed", "+": "passed", "@": "accent", "f": "header"}


class DiffLines:
    """A unified diff as a text.

    Args:
        rows: From :func:`diff_rows`.
    """

    noun = "change"

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._digits = len(str(max((row.number for row in rows), default=0)))

    def __len__(self) -> int:
        return len(self._rows)

    def plain(self, index: int) -> str:
        """A line as it is searched."""
        return "".join(text for text, _style in self.spans(index))

    def spans(self, index: int) -> list[Span]:
        """A line as it is painted."""
        row = self._rows[index]
        if row.code is None:
            return [(f" {row.text}", _STYLES.get(row.sign, "dim"))]
        prefix = f" {row.number:>{self._digits}} "
        if row.sign == " ":
            return [(f"{prefix}  ", "dim"), *row.code.code_spans(row.number - 1)]
        style = _STYLES[row.sign]
        spans: list[Span] = [(prefix, "dim"), (f"{row.sign} ", style)]
        text, at = row.code.code(row.number - 1), 0
        for begin, end in row.words:
            spans += [(text[at:begin], style), (text[begin:end], "match")]
            at = end
        return [*spans, (text[at:], style)]

    def is_mark(self, index: int) -> bool:
        """True for the beginning of a changed part."""
        return self._rows[index].sign == "@"


def diff_rows(old: Mapping[str, str], new: Mapping[str, str]) -> list[Row]:
    """The differences of two sets of files; none where they are the same.

    Args:
        old: Texts by path.
        new: The same of what they became.
    """
    rows: list[Row] = []
    for path in dict.fromkeys((*old, *new)):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        what = "only in the first" if after is None else "new" if before is None else ""
        rows += [Row(""), Row("f", text=f"{clean(path)}   {what}".rstrip())]
        rows += _file_rows(path, before or "", after or "")
    return rows


def counts_of(rows: Iterable[Row]) -> tuple[int, int]:
    """How many lines were taken out, and how many put in."""
    signs = [row.sign for row in rows]
    return signs.count("-"), signs.count("+")


def _file_rows(path: str, before: str, after: str) -> list[Row]:
    lexer = lexer_for(path)
    old, new = CodeLines(before, lexer), CodeLines(after, lexer)
    first = [old.code(index) for index in range(len(old))]
    second = [new.code(index) for index in range(len(new))]
    rows: list[Row] = []
    matcher = SequenceMatcher(None, first, second, autojunk=len(first) + len(second) > 4000)
    for group in matcher.get_grouped_opcodes(AROUND):
        begin, end = group[0], group[-1]
        spread = f"@@ -{_spread(begin[1], end[2])} +{_spread(begin[3], end[4])} @@"
        rows.append(Row("@", text=spread))
        for tag, one, two, three, four in group:
            if tag == "equal":
                rows += [Row(" ", number + 1, code=new) for number in range(three, four)]
                continue
            words = _changed(first[one:two], second[three:four])
            rows += [
                Row("-", one + at + 1, code=old, words=words[at][0] if at < len(words) else ())
                for at in range(two - one)
            ]
            rows += [
                Row("+", three + at + 1, code=new, words=words[at][1] if at < len(words) else ())
                for at in range(four - three)
            ]
    return rows


def _spread(begin: int, end: int) -> str:
    return f"{begin + 1 if end > begin else begin},{end - begin}"


_Words = tuple[tuple[int, int], ...]


def _changed(old: Sequence[str], new: Sequence[str]) -> list[tuple[_Words, _Words]]:
    """The changed words of lines that became others one by one; none where the number differs."""
    if len(old) != len(new):
        return []
    return [_changed_words(one, two) for one, two in zip(old, new, strict=True)]


def _changed_words(old: str, new: str) -> tuple[_Words, _Words]:
    if max(len(old), len(new)) > _LONG:
        return (), ()
    first, second = _WORD.findall(old), _WORD.findall(new)
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return (), ()
    edits = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return (
        _places(first, [(code[1], code[2]) for code in edits]),
        _places(second, [(code[3], code[4]) for code in edits]),
    )


def _places(words: Sequence[str], ranges: Iterable[tuple[int, int]]) -> _Words:
    """Ranges of words as ranges of characters."""
    return tuple(
        (len("".join(words[:begin])), len("".join(words[:end])))
        for begin, end in ranges
        if begin < end
    )
