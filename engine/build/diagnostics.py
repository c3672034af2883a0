"""What compilers say: the first error, as file, line and message, and troubles of the machine."""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

# Of a line; a compiler quotes sources that nobody has looked at, of any length.
_SEARCHED = 2048
_ERRORS = (
    # gcc and clang, the assembler and collect2's cousins: FILE:LINE:COLUMN: error: MESSAGE
    re.compile(
        r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+)(?::\d+)?: "
        r"(?:(?:[Ff]atal )?[Ee]rror|internal compiler error): (?P<message>.+)$"
    ),
    # nvcc: FILE(LINE): error #20-D: MESSAGE
    re.compile(
        r"^(?P<file>[^\s(][^(\n]*)\((?P<line>\d+)\): "
        r"(?:catastrophic |internal )?error[^:]*: (?P<message>.+)$"
    ),
    # nvcc's front end on its own: "FILE", line LINE: error: MESSAGE
    re.compile(
        r'^"(?P<file>[^"]+)", line (?P<line>\d+): '
        r"(?:catastrophic |internal )?error[^:]*: (?P<message>.+)$"
    ),
    # ptxas names the lines of a temporary file, which tell nothing: left out
    re.compile(
        r"^(?:ptxas|nvlink|fatbinary) (?:.*, line \d+; )?(?:fatal|error)\s*:\s*(?P<message>.+)$"
    ),
    # lld, gold and mold
    re.compile(r"^(?:\S*(?:ld(?:\.\w+)?|mold|gold)): (?:fatal )?error: (?P<message>.+)$", re.ASCII),
)
# GNU ld; it knows the line where there is debug information
_LINKER = re.compile(
    r"undefined reference to .+|cannot find -l\S+.*|cannot find \S+: No such file.*"
    r"|multiple definition of .+"
)
_LINKER_PLACE = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+): $")
_SUMMARIES = (
    # A driver's own words: of a wrong option, or that a tool which has spoken already has failed
    re.compile(
        r"^[\w./+-]*"
        r"(?:cc1plus|cc1|cc|c\+\+[\w.-]*|g\+\+[\w.-]*|gcc[\w.-]*|clang[\w.+-]*|collect2): "
        r"(?:(?:fatal )?error|internal compiler error): (?P<message>.+)$"
    ),
    re.compile(r"^nvcc (?:fatal|error)\s*:\s*(?P<message>.+)$"),
)


class Trouble(StrEnum):
    """What keeps a compiler from its work that is no error in the sources."""

    MEMORY = "memory"
    KILLED = "killed"
    FILE_SIZE = "file size"
    DISK = "disk"


_TROUBLES = {
    # Each is bound to the start of a line, where a compiler does not quote the sources.
    Trouble.MEMORY: re.compile(
        r"^(?:[\w./+-]+(?::\d+|\(\d+\))*: )*"
        r"(?:(?:fatal )?error: |final link failed: |catastrophic error: )?"
        r"(?:virtual memory exhausted|out of memory allocating|memory exhausted|out of memory\b)"
        r"|^terminate called after throwing an instance of 'std::bad_alloc'"
        r"|^LLVM ERROR: out of memory"
        r"|^(?:ptxas|nvcc|nvlink|cicc|fatbinary) +(?:fatal|error)\s*: .*"
        r"(?:[Mm]emory allocation failure|[Oo]ut of memory|[Ii]nsufficient memory)"
        r"|^\S+: error while loading shared libraries: .*"
        r"(?:failed to map segment|annot allocate memory|cannot map|cannot create shared object)"
    ),
    Trouble.KILLED: re.compile(
        r"^\S+: (?:fatal error|internal compiler error): Killed signal terminated program"
        r"|^\S+: fatal error: \S+ terminated with signal 9\b"
        r"|^nvcc error\s*: '.*' died due to signal 9\b"
        r"|^\S+: error: unable to execute command: Killed"
    ),
    Trouble.FILE_SIZE: re.compile(
        r"^\S+: (?:fatal error|internal compiler error): File size limit exceeded signal"
        r"|^nvcc error\s*: '.*' died due to signal 25\b"
        r"|^\S.*\b(?:writ|clos|final link).*: File too large"
    ),
    Trouble.DISK: re.compile(
        r"^\S.*(?:\bwrit|\bclos|\bflush|\bfinal link|can't|[Cc]annot|[Cc]ould not).*"
        r"(?:No space left on device|Disk quota exceeded)"
    ),
}


class Diagnostic(Struct, frozen=True):
    """One error. ``file`` is "" and ``line`` 0 where the tool names none.

    ``summary`` marks a driver's own words, which often only say that another tool has failed.
    """

    message: str
    file: str = ""
    line: int = 0
    summary: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " * bool(self.file)
        return f"{place}error: {self.message}"


def error_in(line: str) -> Diagnostic | None:
    """The error that a line of what gcc, clang, nvcc, ptxas or a linker said tells of."""
    line = line[:_SEARCHED]
    for pattern in _ERRORS:
        if match := pattern.match(line):
            parts = match.groupdict()
            return Diagnostic(parts["message"], parts.get("file", ""), int(parts.get("line", 0)))
    if match := _LINKER.search(line):
        place = _LINKER_PLACE.search(line[: match.start()])
        parts = place.groupdict() if place else {}
        return Diagnostic(match[0], parts.get("file", ""), int(parts.get("line", 0)))
    for pattern in _SUMMARIES:
        if match := pattern.match(line):
            return Diagnostic(match["message"], summary=True)
    return None


def trouble_in(line: str) -> Trouble | None:
    """The trouble of the machine that a line tells of."""
    for trouble, pattern in _TROUBLES.items():
        if pattern.match(line[:_SEARCHED]):
            return trouble
    return None


def better(first: Diagnostic | None, second: Diagnostic | None) -> Diagnostic | None:
    """The first of two errors, but anything rather than a summary."""
    if first is None or (first.summary and second is not None and not second.summary):
        return second
    return first
