"""A line of a trace file to a row, without its log: the fast way through a large file.

Only what the index keeps is decoded, out of a view of the file's bytes. What many lines share
(the workload, the environment) is read in full the first time and recognised by its bytes after
that. Whatever is not plain is left to the full decoding, which knows every rule and says what is
wrong; the two never disagree on a row.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from msgspec import Raw, Struct

from engine.schema import Correctness, Environment, RuleError, Status, Trace, Workload
from engine.schema.flags import plain_flags

Row = tuple[Any, ...]

COLUMNS = (
    *("file", "line", "offset", "length", "definition", "solution", "workload", "axes", "status"),
    *("hardware", "run", "version", "timer", "note", "git", "flags", "evaluation", "timestamp"),
    *("time", "latency_ms", "reference_latency_ms", "speedup", "roofline", "max_absolute_error"),
    *("max_relative_error", "identity"),
)
"""What a row holds; the names from ``definition`` to ``flags`` as numbers, 0 for no flags."""

_DIGITS = 4000
_MANY_DIGITS = re.compile(b"[0-9]{%d}" % _DIGITS)
"""A number that only the full decoding refuses: what is not kept is passed over here."""
_REMEMBERED = 20_000
_EDGE = 4096
_QUOTE, _BRACE, _CLOSING = b'"{}'
_WRONG = (msgspec.DecodeError, RuleError, UnicodeError, RecursionError, ValueError)


class Numbering(Protocol):
    """Gives the number of a text among the texts of its kind."""

    def number(self, kind: str, text: str) -> int:
        """The number of ``text``, new where it is new."""


class _Figures(Struct, gc=False):
    roofline: float | None = None
    flags: list[str] = []


class _Extra(Struct, gc=False):
    fitui: _Figures | None = None


class _Correctness(Struct, gc=False):
    max_relative_error: float | str = 0.0
    max_absolute_error: float | str = 0.0
    extra: _Extra | None = None


class _Performance(Struct, gc=False):
    latency_ms: float = 0.0
    reference_latency_ms: float = 0.0
    speedup_factor: float = 0.0


class _Evaluation(Struct, gc=False):
    status: str
    environment: Raw
    timestamp: str
    log: Raw = Raw(b'""')
    correctness: _Correctness | None = None
    performance: _Performance | None = None


class _Line(Struct, gc=False):
    definition: str
    workload: Raw
    solution: str | None = None
    evaluation: _Evaluation | None = None


_DECODE = msgspec.json.Decoder(_Line).decode
_WORKLOAD = msgspec.json.Decoder(Workload).decode
_ENVIRONMENT = msgspec.json.Decoder(Environment).decode
_COMPARED = frozenset({Status.PASSED.value, Status.INCORRECT_NUMERICAL.value})
_STATUSES = frozenset(status.value for status in Status)


class Rows:
    """Makes rows of the lines of trace files.

    Args:
        names: Numbers for texts.
    """

    def __init__(self, names: Numbering) -> None:
        self._names = names
        self._definitions: dict[str, int] = {}
        self._solutions: dict[str, int] = {}
        self._statuses: dict[str, int] = {}
        self._flags: dict[str, int] = {}
        self._workloads: dict[bytes, tuple[int, int]] = {}
        self._environments: dict[bytes, tuple[int, ...]] = {}

    def forget(self) -> None:
        """Drop every remembered number."""
        for known in (self._definitions, self._solutions, self._statuses, self._flags):
            known.clear()
        self._workloads.clear()
        self._environments.clear()

    def plain(self, file: int, line: int, offset: int, view: memoryview, length: int) -> Row | None:
        """The row of a line, or None where it needs the full decoding.

        Args:
            file: Number of its file.
            line: Number of the line, from 1.
            offset: Where it starts.
            view: The line without its newline.
            length: Its length with the newline.
        """
        try:
            if view[0] != _BRACE or view[-1] != _CLOSING:
                return None
            item = _DECODE(view)
            evaluation, solution = item.evaluation, item.solution
            if evaluation is None or not solution or not item.definition:
                return None
            status, timestamp = evaluation.status, evaluation.timestamp
            right, fast = evaluation.correctness, evaluation.performance
            log = memoryview(evaluation.log)
            if (
                status not in _STATUSES
                or not timestamp
                or (right is not None) != (status in _COMPARED)
                or (fast is not None) != (status == "PASSED")
                or log[0] != _QUOTE
                or (length - len(log) > _DIGITS and _MANY_DIGITS.search(view))
            ):
                return None
            absolute = relative = latency = reference = speedup = roofline = None
            flags = 0
            if right is not None:
                absolute, relative = right.max_absolute_error, right.max_relative_error
                if isinstance(absolute, str) or isinstance(relative, str):
                    return None
                if absolute < 0 or relative < 0:
                    return None
                if right.extra is not None and (own := right.extra.fitui) is not None:
                    roofline, flags = _percent(own.roofline), self._flag(own.flags)
            if fast is not None:
                latency, reference = fast.latency_ms, fast.reference_latency_ms
                speedup = fast.speedup_factor
                if latency < 0 or reference < 0 or speedup < 0:
                    return None
            raw = bytes(evaluation.environment)
            mark, origin = "", self._environments.get(raw)
            if origin is None:
                origin, mark, identity = self._environment(raw)
            raw = bytes(item.workload)
            work = self._workloads.get(raw) or self._workload(raw)
            return (
                file,
                line,
                offset,
                length,
                self._definitions.get(item.definition)
                or self._number(self._definitions, "definition", item.definition),
                self._solutions.get(solution)
                or self._number(self._solutions, "solution", solution),
                *work,
                self._statuses.get(status) or self._number(self._statuses, "status", status),
                *origin,
                flags,
                mark,
                timestamp,
                unix_time(timestamp),
                latency,
                reference,
                speedup,
                roofline,
                absolute,
                relative,
                identity if mark else content_identity(view),
            )
        except _WRONG:
            return None

    def full(self, file: int, line: int, offset: int, data: bytes, item: Trace) -> Row:
        """The row of a line that was decoded in full."""
        evaluation = item.evaluation
        assert evaluation is not None
        number = self._names.number
        libs = evaluation.environment.libs
        fast, right = evaluation.performance, evaluation.correctness
        mark = plain_text(libs.get("fitui.evaluation", ""))
        figures = _own_figures(right)
        return (
            file,
            line,
            offset,
            len(data),
            number("definition", item.definition),
            number("solution", item.solution or ""),
            number("workload", item.workload.uuid),
            number("axes", json_text(item.workload.axes)),
            number("status", evaluation.status.value),
            number("hardware", evaluation.environment.hardware),
            number("run", libs.get("fitui.run", "")),
            number("version", libs.get("fitui.solution", "")),
            number("timer", libs.get("fitui.timer", "")),
            number("note", libs.get("fitui.note", "")),
            number("git", libs.get("fitui.commit", "")),
            self._flag(_texts(figures.get("flags"))),
            mark,
            plain_text(evaluation.timestamp),
            unix_time(evaluation.timestamp),
            fast.latency_ms if fast else None,
            fast.reference_latency_ms if fast else None,
            fast.speedup_factor if fast else None,
            _percent(figures.get("roofline")),
            _finite(right.max_absolute_error) if right else None,
            _finite(right.max_relative_error) if right else None,
            evaluation_identity(libs.get("fitui.run", ""), mark)
            if mark
            else content_identity(memoryview(data.strip())),
        )

    def _number(self, known: dict[str, int], kind: str, text: str) -> int:
        if len(known) > _REMEMBERED:
            known.clear()
        found = known[text] = self._names.number(kind, text)
        return found

    def _flag(self, flags: Sequence[str]) -> int:
        words = plain_flags(flags)
        if not words:
            return 0
        text = json_text(words)
        return self._flags.get(text) or self._number(self._flags, "flags", text)

    def _workload(self, raw: bytes) -> tuple[int, int]:
        item = _WORKLOAD(raw)
        number = self._names.number
        found = (number("workload", item.uuid), number("axes", json_text(item.axes)))
        if len(self._workloads) > _REMEMBERED:
            self._workloads.clear()
        self._workloads[raw] = found
        return found

    def _environment(self, raw: bytes) -> tuple[tuple[int, ...], str, int]:
        item = _ENVIRONMENT(raw)
        libs, number = item.libs, self._names.number
        run = libs.get("fitui.run", "")
        found = (
            number("hardware", item.hardware),
            number("run", run),
            number("version", libs.get("fitui.solution", "")),
            number("timer", libs.get("fitui.timer", "")),
            number("note", libs.get("fitui.note", "")),
            number("git", libs.get("fitui.commit", "")),
        )
        mark = libs.get("fitui.evaluation", "")
        if mark:
            return found, mark, evaluation_identity(run, mark)
        if len(self._environments) > _REMEMBERED:
            self._environments.clear()
        self._environments[raw] = found  # with a mark, every line would have another
        return found, "", 0


def unix_time(timestamp: str) -> float | None:
    """Unix seconds of an ISO 8601 text, in local time where it names no zone."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def evaluation_identity(run: str, evaluation: str) -> int:
    """What tells a copied line of this program from a repeated measurement."""
    text = f"{run}\0{evaluation}".encode("utf-8", "replace")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def content_identity(line: memoryview) -> int:
    """The same for a line without an evaluation's id: a checksum of both its ends.

    Only ever compared between lines of one solution, workload and time; what lies between is log.
    """
    if len(line) <= 2 * _EDGE:
        return zlib.crc32(line) | (zlib.adler32(line) - 2**31) << 32
    head, tail = line[:_EDGE], line[-_EDGE:]
    low = zlib.crc32(tail, zlib.crc32(head))
    return low | (zlib.adler32(tail, zlib.adler32(head, len(line))) - 2**31) << 32


def plain_text(text: str) -> str:
    """``text`` without halves of surrogate pairs, which the index cannot hold."""
    return text.encode("utf-8", "replace").decode()


def json_text(value: object) -> str:
    """JSON of a small value."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value)  # half of a surrogate pair


def _own_figures(correctness: Correctness | None) -> dict[str, Any]:
    extra = correctness.extra if correctness else None
    figures = extra.get("fitui") if extra else None
    return figures if isinstance(figures, dict) else {}


def _texts(value: object) -> list[str]:
    """A list of texts, or nothing where it is none: figures may come from anywhere."""
    if not isinstance(value, list):
        return []
    return value if all(isinstance(item, str) for item in value) else []


def _percent(value: object) -> float | None:
    """A number that is not below 0, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= sys.float_info.max else None


def _finite(value: float | str) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number
