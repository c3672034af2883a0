"""The filter language: text to a tree. What a field is and where it is stored is not known here.

``status:failed op:gemm lat<0.1ms (author:me | author:you) !lang:triton "out of memory"``

Terms side by side must all hold, ``|`` is or, ``!`` or a leading ``-`` is not. A word without a
field is looked for in names, status and author.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class QueryError(ValueError):
    """A filter or sort text that means nothing.

    Attributes:
        message: What is wrong, in one sentence.
        start: Position of the first offending character.
        end: Position after the last one.
    """

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end


class Text(NamedTuple):
    """A word or a quoted text."""

    value: str


class Test(NamedTuple):
    """A field compared with a value; positions are those in the filter's text."""

    field: str
    operator: str
    value: str
    field_start: int
    field_end: int
    value_start: int
    value_end: int


class Not(NamedTuple):
    """The opposite of a part."""

    part: Node


class All(NamedTuple):
    """Every part must hold."""

    parts: Sequence[Node]


class Any(NamedTuple):
    """One part must hold."""

    parts: Sequence[Node]


Node = Text | Test | Not | All | Any

_WORD = re.compile(r'[^\s()|"]+')
_FIELD = re.compile(r"([A-Za-z_][\w.]*)(<=|>=|[:=<>])")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def parse(text: str) -> Node | None:
    """Read a filter.

    Returns:
        Its tree, or None where the text is blank.

    Raises:
        QueryError: With the place in ``text``.
    """
    parser = _Parser(text)
    if parser.at_end():
        return None
    node = parser.alternatives()
    if not parser.at_end():
        start = parser.position
        raise QueryError("this parenthesis was never opened", start, start + 1)
    return node


class _Parser:
    """Recursive descent over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._depth = 0

    def at_end(self) -> bool:
        while self.position < len(self.text) and self.text[self.position].isspace():
            self.position += 1
        return self.position >= len(self.text)

    def alternatives(self) -> Node:
        parts = [self._sequence()]
        while not self.at_end() and self.text[self.position] == "|":
            self.position += 1
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Any(parts)

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while not self.at_end() and self.text[self.position] not in "|)":
            parts.append(self._term())
        if not parts:
            start = min(self.position, max(len(self.text) - 1, 0))
            raise QueryError("a term is missing here", start, start + 1)
        return parts[0] if len(parts) == 1 else All(parts)

    def _term(self) -> Node:
        start = self.position
        character = self.text[start]
        if character in "!-":
            self.position += 1
            if self.position >= len(self.text) or self.text[self.position] in " \t|)":
                raise QueryError(f"{character!r} needs a term right after it", start, start + 1)
            return Not(self._term())
        if character == "(":
            return self._group()
        if character == '"':
            return Text(self._quoted())
        return self._word()

    def _group(self) -> Node:
        start = self.position
        self.position += 1
        self._depth += 1
        if self._depth > 50:
            raise QueryError("too many parentheses", start, start + 1)
        if self.at_end():
            raise QueryError("this parenthesis is never closed", start, start + 1)
        node = self.alternatives()
        if self.at_end() or self.text[self.position] != ")":
            raise QueryError("this parenthesis is never closed", start, start + 1)
        self.position += 1
        self._depth -= 1
        return node

    def _quoted(self) -> str:
        match = _QUOTED.match(self.text, self.position)
        if not match:
            raise QueryError("this quote is never closed", self.position, len(self.text))
        self.position = match.end()
        return re.sub(r"\\(.)", r"\1", match[1])

    def _word(self) -> Node:
        start = self.position
        match = _FIELD.match(self.text, start)
        if match:
            self.position = match.end()
            return self._test(match)
        word = _WORD.match(self.text, start)
        assert word is not None
        if word[0][0] in "<>=:":
            raise QueryError(
                f"put a field right before {word[0][0]!r}, without a space", start, word.end()
            )
        self.position = word.end()
        return Text(word[0])

    def _test(self, match: re.Match[str]) -> Node:
        start = self.position
        if start < len(self.text) and self.text[start] == '"':
            value = self._quoted()
        else:
            word = _WORD.match(self.text, start)
            if not word:
                raise QueryError(
                    f"a value is missing after {match[0]!r}", match.start(), match.end()
                )
            value = word[0]
            self.position = word.end()
        return Test(match[1], match[2], value, match.start(1), match.end(1), start, self.position)
