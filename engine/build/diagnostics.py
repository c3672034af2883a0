"""What compilers say: the first error, as file, line and message."""

from __future__ import annotations

import re

from msgspec import Struct

_GCC = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+)(?::\d+)?: (?:fatal )?error: (?P<message>.+)$"
)
_NVCC = re.compile(
    r"^(?P<file>[^\s(][^(\n]*)\((?P<line>\d+)\): (?:catastrophic )?error[^:]*: (?P<message>.+)$"
)
_LINKER = re.compile(
    r"^.*?(?P<message>undefined reference to .+|cannot find -l\S+.*|multiple definition of .+)$"
)
_ASSEMBLER = re.compile(r"^ptxas (?:fatal|error)\s*:\s*(?P<message>.+)$")


class Diagnostic(Struct, frozen=True):
    """One error. ``file`` is "" and ``line`` 0 where the tool names none."""

    message: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: " if self.file else ""
        return f"{place}error: {self.message}"


def errors(text: str) -> list[Diagnostic]:
    """Errors in what gcc, clang, nvcc, ptxas or the linker said, in order."""
    found: list[Diagnostic] = []
    for line in text.splitlines():
        for pattern in (_GCC, _NVCC, _ASSEMBLER, _LINKER):
            match = pattern.match(line.strip())
            if match:
                parts = match.groupdict()
                number = int(parts.get("line") or 0)
                found.append(Diagnostic(parts["message"], parts.get("file") or "", number))
                break
    return found


def first_error(text: str) -> str:
    """The first error in one line, or "" where there is none."""
    return next((str(item) for item in errors(text)), "")
