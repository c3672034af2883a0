"""Reading one file into the index: only what is new of it, in one transaction.

The write lock is taken before the file is looked at, and nothing is read twice: a file whose
known beginning is unchanged is read from there on.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from engine.schema import Definition, Problem, SchemaError, Solution, Trace, decode
from engine.store import ingest
from engine.store.derive import names_in_file, rank, touch
from engine.store.index import Index
from engine.store.line_reader import BAD_TEXT, LineReader
from engine.store.lines import (
    BOM,
    LINE_LIMIT,
    checksum,
    is_lfs_pointer,
    lfs_message,
    open_for_reading,
    read_range,
)
from engine.store.scan import Found, Stamp
from engine.store.slim import Row, Rows

QUIET_SECONDS = 2.0
"""A file that changed less than this long ago may change again without a new stamp, and may end
in a line that is still being written."""

_TABLE = {"definitions": "definition", "solutions": "solution", "workloads": "workload"}


class Known(NamedTuple):
    """The index's row of a file."""

    id: int
    stamp: Stamp
    done: int
    crc: int
    lines: int
    unsettled: bool


class Tools:
    """Numbers and decoders that the files of one pass share; of one thread.

    Args:
        connection: The thread's own.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._names = ingest.Names(connection)
        self.rows = Rows(self._names)

    def forget(self) -> None:
        """Drop what is remembered, after a roll-back."""
        self._names.forget()
        self.rows.forget()


def read_file(index: Index, tools: Tools, root: Path, found: Found) -> None:
    """Bring one file's rows up to date.

    Args:
        index: Where to.
        tools: Shared between files of one pass.
        root: The file's layer.
        found: The file as the sweep saw it.
    """
    path = os.fsencode(root) + b"/" + found.path
    try:
        descriptor = open_for_reading(path)
    except FileNotFoundError:
        return
    except OSError as error:
        _record_unreadable(index, found, error)
        return
    try:
        with index.transaction() as connection:
            _read(connection, tools, descriptor, found)
    except OSError as error:
        tools.forget()
        _record_unreadable(index, found, error)
    except BaseException:
        tools.forget()
        raise
    finally:
        os.close(descriptor)


def is_young(status: os.stat_result) -> bool:
    """True for a file that changed less than ``QUIET_SECONDS`` ago."""
    age = time.time() - max(status.st_mtime, status.st_ctime)
    return -QUIET_SECONDS < age < QUIET_SECONDS


def _read(connection: sqlite3.Connection, tools: Tools, descriptor: int, found: Found) -> None:
    status = os.fstat(descriptor)
    stamp = Stamp.of(status)
    young = is_young(status)
    known = _known(connection, found)
    if known and known.stamp == stamp and not known.unsettled:
        return
    same = known is not None and checksum(descriptor, known.done) == known.crc
    if known and same and known.done == stamp.size and known.stamp.size == stamp.size:
        _remember(connection, known.id, stamp, (known.done, known.crc, known.lines), young)
        return
    file = known.id if known else _new_file(connection, found)
    done, crc, lines = (known.done, known.crc, known.lines) if known and same else (0, 0, 0)
    if found.kind in ("definitions", "solutions"):
        forget_rows(connection, found.kind, file, -1)
        reached, waiting = _read_document(connection, descriptor, found, file, stamp.size), False
    else:
        forget_rows(connection, found.kind, file, lines if done else -1)
        sink = _Sink(connection, file)
        lines_of = LineReader(sink, tools.rows, found.kind, found.path, file, young)
        reached = lines_of.read(descriptor, done, stamp.size, crc, lines)
        waiting = lines_of.waiting
        if found.kind == "workloads":
            rank(connection, "workload", names_in_file(connection, "workload", file))
    _remember(connection, file, stamp, reached, young or waiting)
    touch(connection)


def _read_document(
    connection: sqlite3.Connection, descriptor: int, found: Found, file: int, size: int
) -> tuple[int, int, int]:
    if size > LINE_LIMIT:
        message = f"longer than {LINE_LIMIT >> 20} MiB, and passed over"
        ingest.add_problem(connection, file, Problem(message=message))
        return 0, -1, 0  # no file has this checksum
    data = read_range(descriptor, 0, size)
    _add_document(connection, found, file, data)
    return len(data), zlib.crc32(data), 0


def _add_document(connection: sqlite3.Connection, found: Found, file: int, data: bytes) -> None:
    try:
        if is_lfs_pointer(data):
            raise SchemaError(Problem(message=lfs_message(os.fsdecode(found.path))))
        text = data.removeprefix(BOM)
        if found.kind == "definitions":
            ingest.add_definition(connection, file, decode(text, Definition))
        else:
            ingest.add_solution(connection, file, decode(text, Solution))
    except SchemaError as error:
        ingest.add_problem(connection, file, error.problem)
    except UnicodeEncodeError:
        ingest.add_problem(connection, file, Problem(message=BAD_TEXT))
    table = _TABLE[found.kind]
    rank(connection, table, names_in_file(connection, table, file))


class _Sink:
    """Puts what the lines of one file hold into the index."""

    def __init__(self, connection: sqlite3.Connection, file: int) -> None:
        self._connection = connection
        self._file = file

    def add_workload(self, line: int, offset: int, length: int, item: Trace) -> None:
        """One line of a workload file."""
        ingest.add_workload(self._connection, self._file, line, offset, length, item)

    def add_traces(self, rows: list[Row]) -> None:
        """Some lines of a trace file."""
        ingest.add_traces(self._connection, rows)
        self._connection.executemany(
            "INSERT OR IGNORE INTO stale VALUES(?, ?, ?)", {row[4:7] for row in rows}
        )

    def add_problem(self, problem: Problem) -> None:
        """Something that is wrong in a line."""
        ingest.add_problem(self._connection, self._file, problem)

    def messages(self) -> set[str]:
        """What was said of the file's lines so far."""
        query = "SELECT message FROM problem WHERE file = ?"
        return {row[0] for row in self._connection.execute(query, (self._file,))}


def _known(connection: sqlite3.Connection, found: Found) -> Known | None:
    row = connection.execute(
        "SELECT id, size, mtime, ctime, inode, done, crc, lines, unsettled FROM file "
        "WHERE layer = ? AND path = ?",
        (found.layer, found.path),
    ).fetchone()
    return Known(row[0], Stamp(*row[1:5]), row[5], row[6], row[7], bool(row[8])) if row else None


def _new_file(connection: sqlite3.Connection, found: Found) -> int:
    cursor = connection.execute(
        "INSERT INTO file(layer, path, kind) VALUES(?, ?, ?)",
        (found.layer, found.path, found.kind),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _remember(
    connection: sqlite3.Connection,
    file: int,
    stamp: Stamp,
    reached: tuple[int, int, int],
    unsettled: bool,
) -> None:
    connection.execute(
        "UPDATE file SET size = ?, mtime = ?, ctime = ?, inode = ?, done = ?, crc = ?, lines = ?, "
        "unsettled = ? WHERE id = ?",
        (*stamp, *reached, unsettled, file),
    )


def forget_rows(connection: sqlite3.Connection, kind: str, file: int, kept_lines: int) -> None:
    """Delete what came from the lines of a file after the first ``kept_lines``; -1 for all."""
    run = connection.execute
    bound = (file, kept_lines)
    run("DELETE FROM problem WHERE file = ? AND ifnull(line, 0) > ?", bound)
    if kind == "traces":
        run(
            "INSERT OR IGNORE INTO stale SELECT DISTINCT definition, solution, workload FROM trace "
            "WHERE file = ? AND line > ?",
            bound,
        )
        run("DELETE FROM trace WHERE file = ? AND line > ?", bound)
        return
    table = _TABLE[kind]
    names = names_in_file(connection, table, file)
    if table == "workload":
        run("DELETE FROM workload WHERE file = ? AND line > ?", bound)
        run("DELETE FROM blob_use WHERE file = ? AND line > ?", bound)
    else:
        run(f"DELETE FROM {table} WHERE file = ?", (file,))
    rank(connection, table, names)


def _record_unreadable(index: Index, found: Found, error: OSError) -> None:
    if error.errno == errno.ENOENT:
        return
    with index.transaction() as connection:
        known = _known(connection, found)
        file = known.id if known else _new_file(connection, found)
        message = f"cannot be read: {error.strerror or error}"
        said = connection.execute("SELECT message FROM problem WHERE file = ?", (file,)).fetchall()
        if known and known.stamp == found.stamp and said == [(message,)]:
            return
        forget_rows(connection, found.kind, file, -1)
        ingest.add_problem(connection, file, Problem(message=message))
        # Tried again each time, since not every reason shows in the stamp. No file has this
        # checksum: once it can be read, it is read from its beginning.
        _remember(connection, file, found.stamp, (0, -1, 0), True)
        touch(connection)
