"""Loading every trace file into an index that has no traces yet, in one transaction.

Indexes are made when all rows are in, and the sums are worked out on the way; both are many times
faster than row by row. What is not plain (copies, solutions without a document) is marked stale
and settled the usual way, so that the result is the same.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from engine.schema import Problem
from engine.store import ingest
from engine.store.derive import touch
from engine.store.index import Index
from engine.store.scan import Found
from engine.store.settle import (
    add_cells,
    cell_of,
    documented_version,
    rank,
    score_group,
    settle_some,
)
from engine.store.slim import COLUMNS, Row
from engine.store.tables import ALARMING, TRACE_INDEXES
from engine.store.workers import decode_files

CELLS_KEPT = 200_000
"""Sums of more cells than this are worked out afterwards, to bound the memory."""

_CACHE_KIB = 48 << 10
_PASSED = "PASSED"
_DEFINITION, _SOLUTION, _WORKLOAD, _STATUS, _VERSION = map(
    COLUMNS.index, ("definition", "solution", "workload", "status", "version")
)
_SPEEDUP, _ROOFLINE, _FLAGS, _TIME, _TIMER = map(
    COLUMNS.index, ("speedup", "roofline", "flags", "time", "timer")
)
_INSERT = (
    f"INSERT INTO trace(id, {', '.join(COLUMNS)}) VALUES({', '.join('?' * (len(COLUMNS) + 1))})"
)

_Key = tuple[int, int, int, int]
_Newest = tuple[float, int, int, int, int, int, float | None, float | None, int, float | None]
"""Of a cell: moment, place of its file, line, id, passed, timer, speedup, roofline, flags, time."""


class _Load:
    """One load, in a transaction that is open."""

    def __init__(self, connection: sqlite3.Connection, places: dict[int, int]) -> None:
        self._connection = connection
        self._names = ingest.Names(connection)
        self._numbers: dict[int, list[int]] = {}
        self._places = places
        self._empty_version = self._names.number("version", "")
        self._passed = self._names.number("status", _PASSED)
        self._id = 0
        self.newest: dict[_Key, _Newest] | None = {}
        self.counts: dict[_Key, int] = {}

    def rows(self, worker: int, new: list[tuple[str, str]], rows: list[Row]) -> None:
        """Insert rows whose texts a decoder numbered."""
        numbers = self._numbers.setdefault(worker, [0])
        numbers += [self._names.number(*name) for name in new]
        first = self._id + 1
        self._id += len(rows)
        # Spelt out: this runs once per trace, and is the fastest of the ways to write it.
        n = numbers
        mapped = [
            (
                number,
                file,
                line,
                offset,
                length,
                n[a],
                n[b],
                n[c],
                n[d],
                n[e],
                n[f],
                n[g],
                n[h],
                n[i],
                n[j],
                n[k],
                n[m],
                *rest,
            )
            for number, row in enumerate(rows, first)
            for file, line, offset, length, a, b, c, d, e, f, g, h, i, j, k, m, *rest in (row,)
        ]
        self._connection.executemany(_INSERT, mapped)
        if self.newest is not None:
            self._sum_up(mapped, self.newest)

    def _sum_up(self, rows: list[Row], newest: dict[_Key, _Newest]) -> None:
        counts, places = self.counts, self._places
        for row in rows:
            key = _cell_of(row)
            time = row[_TIME + 1]
            found = (-math.inf if time is None else time, places[row[1]], row[2], row[0])
            known = newest.get(key)
            if known is None:
                counts[key] = 1
            else:
                counts[key] += 1
            if known is None or found > known:
                passed = int(row[_STATUS + 1] == self._passed)
                newest[key] = (*found, passed, *_figures_of(row))
        if len(newest) > CELLS_KEPT:
            self.newest = None

    def finish(self) -> None:
        """Marks, indexes and sums."""
        run = self._connection.execute
        groups: dict[tuple[int, int], int] = {}
        if self.newest is None:
            run(
                "INSERT OR IGNORE INTO stale "
                "SELECT DISTINCT definition, solution, workload FROM trace"
            )
        else:
            groups = self._add_cells(self.newest)
        for statement in TRACE_INDEXES:
            run(statement)
        run(
            "INSERT OR IGNORE INTO stale SELECT definition, solution, workload FROM trace "
            "GROUP BY solution, definition, workload, time, identity HAVING count(*) > 1"
        )
        for (definition, solution), current in groups.items():
            score_group(self._connection, definition, solution, current)
        rank(self._connection, {definition for definition, _solution in groups})

    def _add_cells(self, newest: dict[_Key, _Newest]) -> dict[tuple[int, int], int]:
        """Rows of ``cell``, and the marks of the latest; solutions without document are stale."""
        versions = {
            solution: documented_version(self._connection, solution)
            for solution in {key[1] for key in newest}
        }
        alarming = {row[0] for row in self._connection.execute(ALARMING)}
        stale: set[tuple[int, int, int]] = set()
        groups: dict[tuple[int, int], int] = {}
        merged: dict[_Key, tuple[int, _Newest]] = {}
        for key, line in newest.items():
            definition, solution, workload, version = key
            current = versions[solution]
            if current is None:
                stale.add(key[:3])
                continue
            groups[definition, solution] = current
            if version == self._empty_version:
                key = (definition, solution, workload, current)
            count, other = merged.get(key, (0, line))
            merged[key] = (
                count + self.counts[definition, solution, workload, version],
                max(line, other, key=itemgetter(slice(4))),
            )
        add_cells(
            self._connection,
            (
                cell_of(key, count, trace, timer, passed, speed, share, flags in alarming, time)
                for key, (count, line) in merged.items()
                for trace, passed, timer, speed, share, flags, time in (line[3:],)
            ),
        )
        self._connection.executemany(
            "UPDATE trace SET latest = 1 WHERE id = ?",
            sorted((line[3],) for key, (_, line) in merged.items() if key[3] == versions[key[1]]),
        )
        self._connection.executemany("INSERT INTO stale VALUES(?, ?, ?)", stale)
        return groups


_cell_of: Callable[[Row], _Key] = itemgetter(
    _DEFINITION + 1, _SOLUTION + 1, _WORKLOAD + 1, _VERSION + 1
)
_figures_of: Callable[[Row], tuple[int, float | None, float | None, int, float | None]] = (
    itemgetter(_TIMER + 1, _SPEEDUP + 1, _ROOFLINE + 1, _FLAGS + 1, _TIME + 1)
)


def load(
    index: Index, layers: Sequence[Path], files: Sequence[Found], tell: Callable[[float], None]
) -> bool:
    """Load trace files into an index without traces.

    Args:
        index: Where to.
        layers: Folders of the dataset.
        files: Trace files that the index does not know.
        tell: Called with the part that is done, from 0 to 1.

    Returns:
        False where the index has traces after all, and nothing was done.
    """
    total = sum(found.stamp.size for found in files) or 1
    connection = index.connection
    connection.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
    try:
        with index.transaction():
            if connection.execute("SELECT 1 FROM file WHERE kind = 'traces' LIMIT 1").fetchone():
                return False
            _load(connection, layers, files, total, tell)
    finally:
        connection.execute("PRAGMA cache_size = -2000")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return True


def _load(
    connection: sqlite3.Connection,
    layers: Sequence[Path],
    files: Sequence[Found],
    total: int,
    tell: Callable[[float], None],
) -> None:
    ordered = sorted(files, key=lambda found: (found.layer, found.path))
    numbers = {}
    for place, found in enumerate(ordered):
        cursor = connection.execute(
            "INSERT INTO file(layer, path, kind) VALUES(?, ?, ?)",
            (found.layer, found.path, found.kind),
        )
        numbers[cursor.lastrowid or 0] = place
    for statement in TRACE_INDEXES:
        connection.execute(f"DROP INDEX {statement.split()[2]}")
    job = _Load(connection, numbers)
    job._id = connection.execute(
        "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'trace'"
    ).fetchone()[0]
    done = 0

    def take(worker: int, message: tuple[Any, ...]) -> None:
        nonlocal done
        if message[0] == "rows":
            job.rows(worker, *message[1:])
            return
        _remember(connection, *message[1:])
        done += ordered[numbers[message[1]]].stamp.size
        tell(0.85 * done / total)

    tasks = [
        (number, os.fsencode(layers[ordered[place].layer]), ordered[place].path)
        for number, place in numbers.items()
    ]
    # The largest first: otherwise one worker may be left with it at the end.
    tasks.sort(key=lambda task: -ordered[numbers[task[0]]].stamp.size)
    decode_files(tasks, total, take)
    job.finish()
    while connection.execute("SELECT 1 FROM stale LIMIT 1").fetchone():
        settle_some(connection)
    touch(connection)


def _remember(
    connection: sqlite3.Connection,
    file: int,
    stamp: tuple[int, int, int, int] | None,
    reached: tuple[int, int, int],
    unsettled: bool,
    problems: list[tuple[int | None, str, str]],
) -> None:
    if stamp is None:  # gone since it was seen
        connection.execute("DELETE FROM file WHERE id = ?", (file,))
        return
    connection.execute(
        "UPDATE file SET size = ?, mtime = ?, ctime = ?, inode = ?, done = ?, crc = ?, lines = ?, "
        "unsettled = ? WHERE id = ?",
        (*stamp, *reached, unsettled, file),
    )
    for line, field, message in problems:
        ingest.add_problem(connection, file, Problem(message=message, field=field, line=line))
