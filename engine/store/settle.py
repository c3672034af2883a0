"""What follows from several traces together: copies, the latest of each cell, sums and scores.

A cell is one solution on one workload of one definition. Everything is worked out from the tables
alone, cell by cell, and does not depend on the order in which files were read, so that an index
that was brought up to date equals one built afresh.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from engine.schema.timers import ranking_timer
from engine.store.derive import touch
from engine.store.index import Index
from engine.store.tables import ALARMING

CELLS_AT_ONCE = 2000
LN_UNIT = 2.0**32


class _Line(NamedTuple):
    """What settling needs of one trace."""

    id: int
    workload: int
    version: int
    version_text: str
    identity: int
    time: float | None
    passed: int
    speedup: float | None
    roofline: float | None
    alarm: int
    timer: int
    duplicate: int
    latest: int

    @property
    def moment(self) -> float:
        """Its time; one without comes before all others."""
        return -math.inf if self.time is None else self.time


_LINES = f"""
SELECT t.id, t.workload, t.version, v.text, t.identity, t.time, s.text = 'PASSED', t.speedup,
  t.roofline, t.flags != 0 AND t.flags IN ({ALARMING}), t.timer, t.duplicate, t.latest
FROM trace t JOIN file f ON f.id = t.file JOIN name v ON v.id = t.version
JOIN name s ON s.id = t.status
WHERE t.solution = ? AND t.definition = ? {{}} ORDER BY f.layer, f.path, t.line
"""
_GROUP = _LINES.format("")
_CELL = _LINES.format("AND t.workload = ?")


def settle_groups(index: Index) -> None:
    """Work out the marks and sums of every cell whose traces changed."""
    while index.connection.execute("SELECT 1 FROM stale LIMIT 1").fetchone():
        with index.transaction() as connection:
            settle_some(connection)


def settle_some(connection: sqlite3.Connection) -> None:
    """The same for a number of them, in a transaction that is already open."""
    stale = connection.execute(
        "SELECT definition, solution, workload FROM stale ORDER BY 1, 2, 3 LIMIT ?",
        (CELLS_AT_ONCE,),
    ).fetchall()
    for (definition, solution), cells in groupby(stale, key=lambda row: row[:2]):
        settle_group(connection, definition, solution, [row[2] for row in cells])
    rank(connection, {row[0] for row in stale})
    connection.executemany(
        "DELETE FROM stale WHERE definition = ? AND solution = ? AND workload = ?", stale
    )
    touch(connection)


def settle_group(
    connection: sqlite3.Connection, definition: int, solution: int, workloads: Sequence[int]
) -> None:
    """Settle some cells of one solution for one definition.

    Without a document the version that counts is that of the newest trace, and a new trace may
    change every cell.
    """
    current = documented_version(connection, solution)
    lines: dict[int, list[_Line]] = {workload: [] for workload in workloads}
    if current is None:
        known = "SELECT DISTINCT workload FROM cell WHERE definition = ? AND solution = ?"
        lines |= {row[0]: [] for row in connection.execute(known, (definition, solution))}
        for row in connection.execute(_GROUP, (solution, definition)):
            lines.setdefault(row[1], []).append(_Line(*row))
        current = _newest_version(connection, solution, definition)
    else:
        for workload in workloads:
            rows = connection.execute(_CELL, (solution, definition, workload))
            lines[workload] = [_Line(*row) for row in rows]
    for workload, found in lines.items():
        _settle_cell(connection, (definition, solution, workload), found, current)
    score_group(connection, definition, solution, current)


def documented_version(connection: sqlite3.Connection, solution: int) -> int | None:
    """Number of the version of a solution's document, where it has one."""
    row = connection.execute(
        "SELECT s.version FROM solution s JOIN name n ON n.text = s.name "
        "WHERE n.id = ? AND s.standing = 2",
        (solution,),
    ).fetchone()
    if row is None:
        return None
    run = connection.execute
    run("INSERT OR IGNORE INTO name(kind, text) VALUES('version', ?)", row)
    found = run("SELECT id FROM name WHERE kind = 'version' AND text = ?", row).fetchone()
    return int(found[0])


def _newest_version(connection: sqlite3.Connection, solution: int, definition: int) -> int:
    """Version of the newest trace that names one, else of the newest trace; 0 without any."""
    row = connection.execute(
        "SELECT t.version FROM trace t JOIN file f ON f.id = t.file "
        "JOIN name v ON v.id = t.version WHERE t.solution = ? AND t.definition = ? "
        "ORDER BY v.text != '' DESC, t.time IS NULL, t.time DESC, f.layer DESC, f.path DESC, "
        "t.line DESC LIMIT 1",
        (solution, definition),
    ).fetchone()
    return int(row[0]) if row else 0


def _settle_cell(
    connection: sqlite3.Connection,
    key: tuple[int, int, int],
    lines: Sequence[_Line],
    current: int,
) -> None:
    unique: dict[tuple[float | None, int], _Line] = {}
    for line in lines:
        unique.setdefault((line.time, line.identity), line)
    newest: dict[int, _Line] = {}
    counts: dict[int, int] = {}
    # Sorting is stable: of traces of the same time, the one that was written last is the latest.
    for line in sorted(unique.values(), key=lambda line: line.moment):
        version = line.version if line.version_text else current
        newest[version] = line
        counts[version] = counts.get(version, 0) + 1
    kept = {line.id for line in unique.values()}
    latest = newest[current].id if current in newest else 0
    connection.executemany(
        "UPDATE trace SET duplicate = ?, latest = ? WHERE id = ?",
        [
            (line.id not in kept, line.id == latest, line.id)
            for line in lines
            if (line.id not in kept, line.id == latest) != (line.duplicate == 1, line.latest == 1)
        ],
    )
    connection.execute(
        "DELETE FROM cell WHERE definition = ? AND solution = ? AND workload = ?", key
    )
    add_cells(
        connection,
        [
            cell_of(
                (*key, version),
                counts[version],
                line.id,
                line.timer,
                line.passed,
                line.speedup,
                line.roofline,
                line.alarm,
                line.time,
            )
            for version, line in newest.items()
        ],
    )


def add_cells(connection: sqlite3.Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Insert rows of the table ``cell``."""
    connection.executemany("INSERT INTO cell VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def cell_of(
    key: tuple[int, int, int, int],
    count: int,
    trace: int,
    timer: int,
    passed: int,
    speedup: float | None,
    roofline: float | None,
    alarm: int,
    time: float | None,
) -> tuple[object, ...]:
    """A row of the table ``cell``: how many traces, and what the newest of them says."""
    figures = (_logarithm(speedup), _logarithm(roofline)) if passed else (None, None)
    return (*key, count, trace, timer, passed, *figures, alarm, time)


def _logarithm(value: float | None) -> int | None:
    """Of a ratio or a share, in the units of the table ``cell``."""
    if not value or value < 0 or not math.isfinite(value):
        return None
    return round(math.log(value) * LN_UNIT)


def score_group(
    connection: sqlite3.Connection, definition: int, solution: int, current: int
) -> None:
    """Sum up the cells of one solution for one definition."""
    key = (definition, solution)
    run = connection.execute
    sums = run(
        "SELECT version, sum(n_traces), sum(passed), count(*) - sum(passed), sum(alarm), max(time) "
        "FROM cell WHERE definition = ? AND solution = ? GROUP BY version",
        key,
    ).fetchall()
    run("DELETE FROM score WHERE definition = ? AND solution = ?", key)
    connection.executemany(
        "INSERT INTO score VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*key, version, version == current, *rest) for version, *rest in sums],
    )
    logs = run(
        "SELECT version, timer, count(*), sum(ln), count(ln), sum(roofline), count(roofline) "
        "FROM cell WHERE definition = ? AND solution = ? AND passed GROUP BY version, timer",
        key,
    ).fetchall()
    run("DELETE FROM mean WHERE definition = ? AND solution = ?", key)
    connection.executemany(
        "INSERT INTO mean VALUES(?, ?, ?, ?, ?, ?, ?)",
        [
            (*key, version, timer, passed, _geomean(ln, n), _geomean(shares, known))
            for version, timer, passed, ln, n, shares, known in logs
        ],
    )
    run("DELETE FROM tally WHERE definition = ? AND solution = ?", key)
    run(
        "INSERT INTO tally SELECT definition, solution, status, count(*) FROM trace "
        "WHERE definition = ? AND solution = ? AND duplicate = 0 GROUP BY status",
        key,
    )


def rank(connection: sqlite3.Connection, definitions: Iterable[int]) -> None:
    """Choose by which timer the solutions of each of these definitions are ranked."""
    for definition in definitions:
        counts = {
            name: (passed, timer)
            for name, passed, timer in connection.execute(
                "SELECT n.text, sum(m.n_passed), m.timer FROM mean m JOIN name n ON n.id = m.timer "
                "JOIN score s USING (definition, solution, version) "
                "WHERE m.definition = ? AND s.current GROUP BY m.timer",
                (definition,),
            )
        }
        connection.execute("DELETE FROM ranking WHERE definition = ?", (definition,))
        if counts:
            chosen = ranking_timer({name: passed for name, (passed, _timer) in counts.items()})
            row = (definition, counts[chosen][1])
            connection.execute("INSERT INTO ranking VALUES(?, ?)", row)


def _geomean(ln: int | None, count: int) -> float | None:
    return math.exp(ln / LN_UNIT / count) if ln is not None and count else None
