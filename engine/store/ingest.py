"""From a document to rows of the index: what of each document the index keeps.

Logs are not kept; a row has the place of its line instead.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

from engine.schema import Definition, Problem, SafetensorsInput, Solution, Trace, Workload
from engine.store.slim import COLUMNS, Row, json_text, plain_text

_INSERT_TRACE = f"INSERT INTO trace({', '.join(COLUMNS)}) VALUES({', '.join('?' * len(COLUMNS))})"

# The module looks for a way to adapt each None that is bound, which takes longer than all else that
# it does with it; this one, found at once, gives the None back.
_NOTHING: dict[None, None] = {}
sqlite3.register_adapter(type(None), _NOTHING.get)


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
            json_text(item.tags),
            len(item.inputs),
            len(item.outputs),
            json_text(item.var_axes),
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
        (file, problem.line, plain_text(problem.field), plain_text(problem.message)),
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
            json_text(workload.axes),
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


def add_traces(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Insert rows of :class:`engine.store.slim.Rows`."""
    connection.executemany(_INSERT_TRACE, rows)


def _summary(workload: Workload) -> str:
    kinds = Counter(str(source.__struct_config__.tag) for source in workload.inputs.values())
    order = ("random", "safetensors", "scalar")
    return ", ".join(f"{kinds[kind]} {kind}" for kind in order if kinds[kind])
