"""What differs between two logs of one cause, folded away: addresses, paths, numbers, dumps."""

from __future__ import annotations

import hashlib
import re

LONGEST = 240
"""Characters of a folded text; what tells two causes apart comes before."""

_READ = 4096
"""Characters of a message that are looked at."""
_LINE = 16 << 10
"""Characters of a line of a log that are looked at."""
_QUOTED = 40
"""Characters of a quoted value beyond which it is data rather than a name."""

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)")
_RANK = re.compile(r"^\[rank\d+\]:\s?")
_DUMP = re.compile(r"\b(tensor|array|ndarray)\s*\(\s*[\[\d-].*", re.DOTALL)
_HEADER = re.compile(r"\.(?:h|hh|hpp|cuh|inc)$")
_STEPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            rf"(?<![\w'])'[^'\n]{{{_QUOTED},}}'(?!\w)|"
            rf'(?<![\w"])"[^"\n]{{{_QUOTED},}}"(?!\w)|`[^`\n]{{{_QUOTED},}}`'
        ),
        "'…'",
    ),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b"), "#"),
    # uuids, digests, and what tempfile and mktemp put after "tmp"
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"), "#"),
    (re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"), "#"),
    (re.compile(r"\btmp[._]?\w{6,}"), "#"),
    # 4096x128, then numbers with and without a unit; a digit in a name (sm_90a, float16) stays
    (re.compile(r"(?<![\w.])[+-]?\d+(?:[xX×]\d+)+\b"), "#"),
    (re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?=(?:[KMGT]i?B|ns|us|ms|s|x)\b)"), "#"),
    (re.compile(r"(?<![\w.])[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w])"), "#"),
    (re.compile(r"([\[({])\s*#(?:\s*[,x×:]\s*#)*,?\s*([\])}])"), r"\1#\2"),
    (re.compile(r"\s+"), " "),
)
_PATH = re.compile(
    r"(?<![\w.<])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"`:,;()<>]+[/\\])+[^\s'\"`:,;()<>]*"
)


def log_lines(log: str) -> list[str]:
    """Lines of a log without escapes, long ones cut; as many as a viewer of it shows."""
    lines = [line[:_LINE] for line in log.replace("\r\n", "\n").split("\n")]
    if lines and not lines[-1]:
        lines.pop()
    if "\x1b" not in log and "\r" not in log and "[rank" not in log:
        return lines
    return [_plain(line) for line in lines]


def _plain(line: str) -> str:
    line = _ESCAPE.sub("", line.rstrip("\r").rsplit("\r", 1)[-1])
    return _RANK.sub("", line)


def without_dumps(text: str) -> str:
    """A message without the values of tensors and arrays in it."""
    return _DUMP.sub(r"\1(…)", text)


def fold(text: str) -> str:
    """A message without what differs between evaluations with the same cause.

    Folded are addresses, numbers (devices, sizes, lines), paths, temporary names, hexadecimal
    identifiers, dumps of tensors and long quoted values. Names, types and words stay.
    """
    text = _PATH.sub(_folded_path, without_dumps(text[:_READ]))
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text.strip()[:LONGEST]


def _folded_path(match: re.Match[str]) -> str:
    path = match[0]
    name = re.split(r"[/\\]", path)[-1]
    # A missing header is a cause by its name, wherever it was looked for.
    return name if _HEADER.search(name) else "PATH"


def key_of(*parts: str) -> str:
    """A short name of a cause that is the same in every run and on every machine."""
    text = "\0".join(parts).encode("utf-8", "replace")
    return hashlib.blake2b(text, digest_size=5).hexdigest()
