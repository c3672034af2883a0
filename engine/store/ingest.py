"""From a document to rows of the index: what of each document the index keeps.

Logs are not kept; a row has the place of its line instead.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import msgspec

from engine.schema import Definition, Problem, SafetensorsInput, Solution, Trace, Workload

FLUSH = 2000

_TRACE_COLUMNS = (
    "file, line, offset, length, definition, solution, workload, axes, status, hardware, run, "
    "version, timer, evaluation, timestamp, time, latency_ms, reference_latency_ms, speedup, "
    "max_absolute_error, max_relative_error, identity"
)
_INSERT_TRACE = (
    f"INSERT INTO trace({_TRACE_COLUMNS}) VALUES({', '.join('?' * len(_TRACE_COLUMNS.split(',')))})"
)


class Names:
    """Numbers for texts that many rows share. Valid until a transaction is rolled back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], int] = {}

    def number(self, kind: str, text: str) -> int:
        """The number of ``text`` among the texts of its kind, new where it is new."""
        found = self._known.get((kind, text))
        if found is not None:
            return found
        run = self._connection.execute
        run("INSERT OR IGNORE INTO name(kind, text) VALUES(?, ?)", (kind, text))
        row = run("SELECT id FROM name WHERE kind = ? AND text = ?", (kind, text)).fetchone()
        number: int = row[0]
        self._known[kind, text] = number
        return number

    def forget(self) -> None:
        """Drop what is remembered, after a roll-back."""
        self._known.clear()


def add_definition(connection: sqlite3.Connection, file: int, item: Definition) -> None:
    """Insert one definition."""
    connection.execute(
        "INSERT INTO definition(file, name, op_type, description, tags, n_inputs, n_outputs, "
        "var_axes) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        (
            file,
            item.name,
            item.op_type,
            item.description or "",
            _json(item.tags),
            len(item.inputs),
            len(item.outputs),
            _json(item.var_axes),
        ),
    )


def add_solution(connection: sqlite3.Connection, file: int, item: Solution) -> None:
    """Insert one solution."""
    connection.execute(
        "INSERT INTO solution(file, name, author, language, definition, version, description) "
        "VALUES(?, ?, ?, ?, ?, ?, ?)",
        (
            file,
            item.name,
            item.author,
            item.spec.language.value,
            item.definition,
            item.content_hash(),
            item.description or "",
        ),
    )


def add_problem(connection: sqlite3.Connection, file: int, problem: Problem) -> None:
    """Insert one problem; its file is known by number."""
    connection.execute(
        "INSERT INTO problem(file, line, field, message) VALUES(?, ?, ?, ?)",
        (file, problem.line, problem.field, problem.message),
    )


def add_workload(
    connection: sqlite3.Connection, file: int, line: int, offset: int, length: int, item: Trace
) -> None:
    """Insert one line of a workload file, with the blob files that it needs."""
    workload = item.workload
    connection.execute(
        "INSERT INTO workload(file, line, offset, length, definition, uuid, axes, inputs) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        (
            file,
            line,
            offset,
            length,
            item.definition,
            workload.uuid,
            _json(workload.axes),
            _summary(workload),
        ),
    )
    paths: dict[str, str] = {}
    for name, source in workload.inputs.items():
        if isinstance(source, SafetensorsInput):
            paths.setdefault(source.path, f"workload.inputs.{name}.path")
    connection.executemany(
        "INSERT INTO blob_use(file, line, field, path) VALUES(?, ?, ?, ?)",
        [(file, line, field, path) for path, field in paths.items()],
    )


def trace_row(
    names: Names, file: int, line: int, offset: int, data: bytes, item: Trace
) -> tuple[object, ...]:
    """The row of one evaluation, for :func:`add_traces`."""
    evaluation = item.evaluation
    assert evaluation is not None
    number = names.number
    libs = evaluation.environment.libs
    performance, correctness = evaluation.performance, evaluation.correctness
    return (
        file,
        line,
        offset,
        len(data),
        number("definition", item.definition),
        number("solution", item.solution or ""),
        number("workload", item.workload.uuid),
        number("axes", _json(item.workload.axes)),
        number("status", evaluation.status.value),
        number("hardware", evaluation.environment.hardware),
        number("run", libs.get("fitui.run", "")),
        number("version", libs.get("fitui.solution", "")),
        number("timer", libs.get("fitui.timer", "")),
        _plain(libs.get("fitui.evaluation", "")),
        _plain(evaluation.timestamp),
        unix_time(evaluation.timestamp),
        performance.latency_ms if performance else None,
        performance.reference_latency_ms if performance else None,
        performance.speedup_factor if performance else None,
        _number(correctness.max_absolute_error) if correctness else None,
        _number(correctness.max_relative_error) if correctness else None,
        _identity(libs, data),
    )


def add_traces(connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    """Insert rows of :func:`trace_row`."""
    connection.executemany(_INSERT_TRACE, rows)


def unix_time(timestamp: str) -> float | None:
    """Unix seconds of an ISO 8601 text, in local time where it names no zone."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _identity(libs: Mapping[str, str], data: bytes) -> int:
    """What tells a copied line from a repeated measurement: its evaluation's id, else its bytes."""
    evaluation = libs.get("fitui.evaluation", "")
    text = f"{libs.get('fitui.run', '')}\0{evaluation}".encode("utf-8", "replace")
    digest = hashlib.blake2b(text if evaluation else data.strip(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _summary(workload: Workload) -> str:
    kinds = Counter(str(source.__struct_config__.tag) for source in workload.inputs.values())
    order = ("random", "safetensors", "scalar")
    return ", ".join(f"{kinds[kind]} {kind}" for kind in order if kinds[kind])


def _plain(text: str) -> str:
    """``text`` without halves of surrogate pairs, which the index cannot hold."""
    return text.encode("utf-8", "replace").decode()


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value)  # half of a surrogate pair


def _number(value: float | str) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number
