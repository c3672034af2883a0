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
from engine.store.lines import (
    BOM,
    checksum,
    is_lfs_pointer,
    lfs_message,
    open_for_reading,
    read_range,
    split_lines,
)
from engine.store.scan import Found, Stamp

QUIET_SECONDS = 2.0
"""A file that changed less than this long ago may change again without a new stamp, and may end
in a line that is still being written."""

_BAD_TEXT = "has a name with half of a surrogate pair, which is no valid Unicode"
_TABLE = {"definitions": "definition", "solutions": "solution", "workloads": "workload"}


class Known(NamedTuple):
    """The index's row of a file."""

    id: int
    stamp: Stamp
    done: int
    crc: int
    lines: int
    unsettled: bool


def read_file(index: Index, names: ingest.Names, root: Path, found: Found) -> None:
    """Bring one file's rows up to date.

    Args:
        index: Where to.
        names: Shared between files of one pass.
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
            _read(connection, names, descriptor, found)
    except OSError as error:
        names.forget()
        _record_unreadable(index, found, error)
    except BaseException:
        names.forget()
        raise
    finally:
        os.close(descriptor)


def _read(
    connection: sqlite3.Connection, names: ingest.Names, descriptor: int, found: Found
) -> None:
    status = os.fstat(descriptor)
    stamp = Stamp.of(status)
    age = time.time() - max(status.st_mtime, status.st_ctime)
    young = -QUIET_SECONDS < age < QUIET_SECONDS
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
        data = read_range(descriptor, 0, stamp.size)
        _add_document(connection, found, file, data)
        reached, waiting = (len(data), zlib.crc32(data), 0), False
    else:
        forget_rows(connection, found.kind, file, lines if done else -1)
        reader = _LineReader(connection, names, found, file, young)
        reached = reader.read(descriptor, done, stamp.size, crc, lines)
        waiting = reader.waiting
    _remember(connection, file, stamp, reached, young or waiting)
    touch(connection)


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
        ingest.add_problem(connection, file, Problem(message=_BAD_TEXT))
    table = _TABLE[found.kind]
    rank(connection, table, names_in_file(connection, table, file))


class _LineReader:
    """Reads the lines of one workload or trace file into rows.

    Attributes:
        waiting: The file ends in half a line that may still be being written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        names: ingest.Names,
        found: Found,
        file: int,
        young: bool,
    ) -> None:
        self.waiting = False
        self._connection = connection
        self._names = names
        self._found = found
        self._file = file
        self._young = young
        self._rows: list[tuple[object, ...]] = []

    def read(
        self, descriptor: int, start: int, end: int, crc: int, lines: int
    ) -> tuple[int, int, int]:
        """Read from ``start`` on.

        Returns:
            Offset, checksum and number of the whole lines up to there.
        """
        done = start
        for offset, data in split_lines(descriptor, start, end):
            if offset == 0 and is_lfs_pointer(data):
                message = lfs_message(os.fsdecode(self._found.path))
                self._problem(1, Problem(message=message))
                break
            whole = data.endswith(b"\n")
            self._add(offset, data, lines + 1, whole)
            if whole:
                done, lines, crc = offset + len(data), lines + 1, zlib.crc32(data, crc)
        self._flush()
        if self._found.kind == "workloads":
            rank(
                self._connection,
                "workload",
                names_in_file(self._connection, "workload", self._file),
            )
        return done, crc, lines

    def _add(self, offset: int, data: bytes, line: int, whole: bool) -> None:
        text = data.removeprefix(BOM) if offset == 0 else data
        if not text.strip():
            return
        try:
            item = decode(text, Trace, line=line)
            self._keep(offset, data, line, item)
        except SchemaError as error:
            problem = error.problem
            if not whole:
                self.waiting = self._young
                if self._young:
                    return
                problem = Problem(
                    message=f"the last line breaks off: {problem.message}", field=problem.field
                )
            self._problem(line, problem)
        except UnicodeEncodeError:
            self._problem(line, Problem(message=_BAD_TEXT))

    def _keep(self, offset: int, data: bytes, line: int, item: Trace) -> None:
        where = self._found.kind
        if where == "workloads":
            if not item.is_workload:
                raise SchemaError(Problem(message="an evaluation belongs under traces/"))
            ingest.add_workload(self._connection, self._file, line, offset, len(data), item)
            return
        if item.is_workload:
            message = "a workload without an evaluation belongs under workloads/"
            raise SchemaError(Problem(message=message))
        if not item.solution:
            raise SchemaError(Problem(message="an evaluation needs a solution", field="solution"))
        if item.evaluation is None:
            raise SchemaError(Problem(message="has a solution but no evaluation"))
        row = ingest.trace_row(self._names, self._file, line, offset, data, item)
        self._rows.append(row)
        if len(self._rows) >= ingest.FLUSH:
            self._flush()

    def _flush(self) -> None:
        ingest.add_traces(self._connection, self._rows)
        self._connection.executemany(
            "INSERT OR IGNORE INTO stale VALUES(?, ?)", {(row[4], row[5]) for row in self._rows}
        )
        self._rows = []

    def _problem(self, line: int, problem: Problem) -> None:
        ingest.add_problem(
            self._connection,
            self._file,
            Problem(message=problem.message, field=problem.field, line=line),
        )


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
            "INSERT OR IGNORE INTO stale SELECT DISTINCT definition, solution FROM trace "
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
        forget_rows(connection, found.kind, file, -1)
        message = f"cannot be read: {error.strerror or error}"
        ingest.add_problem(connection, file, Problem(message=message))
        # No file has this checksum: once it can be read, it is read from its beginning.
        _remember(connection, file, found.stamp, (0, -1, 0), False)
        touch(connection)
