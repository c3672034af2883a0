"""From a line of a log to the line of a solution's source that it speaks of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.build.diagnostics import error_in

_UPWARDS, _DOWNWARDS = 200, 40
"""Lines around the one that was asked about in which a place is looked for."""

_PATTERNS = (
    re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)'),
    re.compile(r"at line (?P<line>\d+) of (?P<file>[^\s\"']+)"),
    re.compile(r'loc\("(?P<file>[^"]+)":(?P<line>\d+):'),
    re.compile(r"(?P<file>[\w./+~-]*\w\.[A-Za-z]\w*)(?::(?P<line>\d+)|\((?P<inner>\d+)\))"),
)
_CARET = re.compile(r"^\s*\^\s*$")
_EXCERPT = re.compile(r"\bat \d+:\d+:\s*$")


class Place(NamedTuple):
    """A line of a source: the path as the solution has it, and the number from 1."""

    path: str
    line: int


def find_place(lines: Sequence[str], at: int, sources: Mapping[str, str]) -> Place | None:
    """The line of a source that a line of a log speaks of.

    Where the line names none, the nearest above that does so counts (the frames of a traceback
    stand above its exception, the innermost last), then the nearest below (an instantiation is
    named below its error).

    Args:
        lines: The log.
        at: Line of it, from 0.
        sources: Texts of a solution's files by path.
    """
    if not 0 <= at < len(lines):
        return None
    above = range(at, max(-1, at - _UPWARDS), -1)
    below = range(at + 1, min(len(lines), at + _DOWNWARDS))
    for index in (*above, *below):
        if place := _quoted(lines, index, sources) or _named(lines[index], sources):
            return place
    return None


def _named(line: str, sources: Mapping[str, str]) -> Place | None:
    """By what a line names: a frame, a diagnostic, FILE:LINE."""
    diagnostic = error_in(line.strip())
    named = [(diagnostic.file, diagnostic.line)] if diagnostic and diagnostic.line else []
    for pattern in _PATTERNS:
        for match in pattern.finditer(line[:4096]):
            parts = match.groupdict()
            named.append((parts["file"], int(parts["line"] or parts["inner"])))
    for file, number in named:
        path = source_of(file, sources)
        if path is not None and 1 <= number <= sources[path].count("\n") + 1:
            return Place(path, number)
    return None


def source_of(file: str, sources: Mapping[str, str]) -> str | None:
    """The source that a file in a log is: by its path, its end, or by its name if that is one's."""
    if file in sources:
        return file
    ends = [path for path in sources if file.endswith(f"/{path}")]
    if ends:
        return max(ends, key=len)
    name = file.rpartition("/")[2]
    same = [path for path in sources if path.rpartition("/")[2] == name]
    return same[0] if len(same) == 1 else None


def _quoted(lines: Sequence[str], at: int, sources: Mapping[str, str]) -> Place | None:
    """By an excerpt, as Triton prints one: source lines, then a caret below the last of them.

    Triton counts lines from the function's own beginning, so the excerpt is looked up in the
    sources instead.
    """
    caret = next((index for index in (at, at + 1) if _is_caret(lines, index)), None)
    if caret is None:
        return None
    begin = caret
    while begin > 0 and caret - begin < 20 and not _EXCERPT.search(lines[begin - 1]):
        begin -= 1
    if begin == 0 or not _EXCERPT.search(lines[begin - 1]):
        return None
    wanted = [line.strip() for line in lines[begin:caret]]
    for path, text in sources.items():
        found = [line.strip() for line in text.split("\n")]
        for start in range(len(found) - len(wanted) + 1):
            if wanted and found[start : start + len(wanted)] == wanted:
                return Place(path, start + len(wanted))
    return None


def _is_caret(lines: Sequence[str], at: int) -> bool:
    return at < len(lines) and _CARET.match(lines[at]) is not None
