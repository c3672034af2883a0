"""Python tracebacks in a log: the exceptions, how one follows from another, which one counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

TRACEBACK = "Traceback (most recent call last)"
PRINTED = "--- printed by the solution ---"
"""Heads what a solution printed; it stands below everything that this program says."""


class Joint(StrEnum):
    """How an exception follows from the one before it in the log."""

    NONE = ""
    CAUSE = "cause"
    CONTEXT = "context"


class Frame(Struct, frozen=True):
    """One frame of a traceback.

    Args:
        file: As the log names it.
        line: From 1.
        code: Its source line, or "".
    """

    file: str
    line: int
    code: str = ""


class Raised(Struct, frozen=True, kw_only=True):
    """One exception.

    Args:
        name: Its type, with the module where the log has it.
        message: Its first line that says something.
        at: Line of the log that has its type, from 0.
        end: Line of the log after its message.
        joint: How it follows from the one before.
        frames: Outermost first.
    """

    name: str
    message: str
    at: int
    end: int
    joint: Joint
    frames: tuple[Frame, ...]

    @property
    def short(self) -> str:
        """The type without its module."""
        return self.name.rpartition(".")[2]


_CAUSE = "The above exception was the direct cause of the following exception"
_CONTEXT = "During handling of the above exception, another exception occurred"
_FRAME = re.compile(r'^\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')
_IN_TRACEBACK = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?::\s*(?P<message>.*))?$")
_BARE = re.compile(
    r"^(?P<name>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|OutOfResources|Expired))"
    r"(?::(?:\s+(?P<message>.*))?)?$"
)
_PHASE = re.compile(r" \((?:in|during) [a-z][a-z ]*\)$")
_LIBRARY = re.compile(
    r"site-packages|dist-packages|/lib/python|<frozen|"
    r"\bflashinfer_bench/(?:apply|bench|cli|compile|data)/"
)
_AFTERMATH = {"BrokenPipeError", "EOFError", "ConnectionResetError", "KeyboardInterrupt"}
_WRAPPER = re.compile(r"Build|Compil|CalledProcess|Load|Worker|Remote|Subproc")
_WRAPS = re.compile(r"^(?:Error|Failed|Failure|Cannot|Could not|Unable|Exception|Caught)\b", re.I)
_LOOKUPS = {"KeyError", "IndexError", "AttributeError", "StopIteration"}


def exceptions(lines: Sequence[str]) -> list[Raised]:
    """Every exception that a log tells of, in its order."""
    found: list[Raised] = []
    joint = Joint.NONE
    at = 0
    while at < len(lines):
        line, start = lines[at], at
        frames: tuple[Frame, ...] = ()
        if line.startswith(_CAUSE):
            joint = Joint.CAUSE
        elif line.startswith(_CONTEXT):
            joint = Joint.CONTEXT
        match = _BARE.match(line)
        if _is_header(line):
            frames, at = _frames(lines, at + 1)
            match = _IN_TRACEBACK.match(lines[at]) if at < len(lines) else None
            if match is None:
                continue
        if match is None:
            at += 1
            continue
        raised = _raised(lines, at, match, joint, frames)
        if not _is_ignored(lines, start):
            found.append(raised)
        joint, at = Joint.NONE, raised.end
    return found


def _is_header(line: str) -> bool:
    return line.lstrip("| +").startswith(TRACEBACK)


def _frames(lines: Sequence[str], at: int) -> tuple[tuple[Frame, ...], int]:
    """The frames from a line on, and the first line that belongs to none."""
    frames: list[Frame] = []
    while at < len(lines) and (lines[at].startswith(" ") or not lines[at]):
        match = _FRAME.match(lines[at])
        if match:
            code = lines[at + 1].strip() if at + 1 < len(lines) else ""
            is_code = bool(code) and not _FRAME.match(lines[at + 1])
            indented = at + 1 < len(lines) and lines[at + 1].startswith("    ")
            frames.append(
                Frame(match["file"], int(match["line"]), code if is_code and indented else "")
            )
        at += 1
    return tuple(frames), at


def _is_ignored(lines: Sequence[str], at: int) -> bool:
    """True for a traceback of a finaliser, which ends nothing."""
    return at > 0 and lines[at - 1].startswith("Exception ignored in")


def _raised(
    lines: Sequence[str],
    at: int,
    match: re.Match[str],
    joint: Joint,
    frames: tuple[Frame, ...],
) -> Raised:
    end = at + 1
    while end < len(lines) and not _begins_another(lines[end]):
        end += 1
    message = (match["message"] or "").strip()
    if not message:
        rest = (line.strip() for line in lines[at + 1 : min(end, at + 4)])
        message = next((line for line in rest if line), "")
    return Raised(
        name=match["name"],
        message=_PHASE.sub("", message),
        at=at,
        end=end,
        joint=joint,
        frames=frames,
    )


def _begins_another(line: str) -> bool:
    return (
        line.startswith((_CAUSE, _CONTEXT, PRINTED, "Exception ignored in", "Traceback:"))
        or _is_header(line)
        or _BARE.match(line) is not None
    )


def true_cause(raised: Sequence[Raised]) -> Raised | None:
    """The exception that the others follow from.

    Of the last chain, the one that was raised first, but not one whose text says nothing (a
    command that ended with status 1), and not a failed look-up that was made into a better
    sentence. What an ``except`` block tried in vain is no cause, unless what followed is only a
    wrapper around it.
    """
    chains = _chains(raised)
    if not chains:
        return None
    telling = [chain for chain in chains if chain[-1].short not in _AFTERMATH]
    chain = (telling or chains)[-1]
    best = chain[-1]
    for earlier, later in zip(reversed(chain[:-1]), reversed(chain[1:]), strict=True):
        if later.joint is Joint.CONTEXT and not _wraps(later):
            break
        if _says_nothing(earlier) or (earlier.short in _LOOKUPS and not _wraps(later)):
            continue
        best = earlier
    return best


def _chains(raised: Sequence[Raised]) -> list[list[Raised]]:
    chains: list[list[Raised]] = []
    for item in raised:
        if item.joint is Joint.NONE or not chains:
            chains.append([])
        chains[-1].append(item)
    return chains


def _wraps(raised: Raised) -> bool:
    return bool(_WRAPPER.search(raised.short)) or bool(_WRAPS.match(raised.message))


def _says_nothing(raised: Raised) -> bool:
    return raised.short == "CalledProcessError"


def own_frame(raised: Raised) -> Frame | None:
    """The innermost frame that is not of a library: most likely the solution's."""
    for frame in reversed(raised.frames):
        if not _LIBRARY.search(frame.file):
            return frame
    return None
