"""What follows from several rows together: which document counts, which trace is the latest.

Everything here is worked out from the tables alone and does not depend on the order in which
files were read, so that an index that was brought up to date equals one built afresh.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.store.index import Index

GROUPS_AT_ONCE = 256

_KEYS = {
    "definition": ("name",),
    "solution": ("name",),
    "workload": ("uuid", "definition"),
}


def names_in_file(connection: sqlite3.Connection, table: str, file: int) -> set[tuple[str, ...]]:
    """Keys of the documents of one file, to be handed to :func:`rank` after a change."""
    columns = ", ".join(_KEYS[table])
    return set(connection.execute(f"SELECT {columns} FROM {table} WHERE file = ?", (file,)))


def rank(connection: sqlite3.Connection, table: str, keys: Iterable[tuple[str, ...]]) -> None:
    """Decide which of the documents with the same name counts.

    The one in the highest layer does; within a layer the first in order of path and line.

    Args:
        connection: In a transaction.
        table: "definition", "solution" or "workload".
        keys: The names to look at.
    """
    version = "version" if table == "solution" else "''"
    line = "r.line" if table == "workload" else "r.id"
    where = " AND ".join(f"r.{column} = ?" for column in _KEYS[table])
    query = (
        f"SELECT r.id, {version}, r.standing FROM {table} r JOIN file f ON f.id = r.file "
        f"WHERE {where} ORDER BY f.layer DESC, f.path, {line}"
    )
    for key in keys:
        seen: set[str] = set()
        changes = []
        for number, text, standing in connection.execute(query, key).fetchall():
            wanted = 2 if not seen else 0 if text in seen else 1
            seen.add(text)
            if wanted != standing:
                changes.append((wanted, number))
        connection.executemany(f"UPDATE {table} SET standing = ? WHERE id = ?", changes)
        if table == "solution":
            _mark_stale(connection, key[0])


def _mark_stale(connection: sqlite3.Connection, solution: str) -> None:
    connection.execute(
        "INSERT OR IGNORE INTO stale SELECT DISTINCT t.definition, t.solution FROM trace t "
        "WHERE t.solution = (SELECT id FROM name WHERE kind = 'solution' AND text = ?)",
        (solution,),
    )


def settle_groups(index: Index) -> bool:
    """Work out the marks and scores of every group of traces that changed.

    Returns:
        True where there was one.
    """
    changed = False
    while True:
        with index.transaction() as connection:
            groups = connection.execute(
                "SELECT definition, solution FROM stale LIMIT ?", (GROUPS_AT_ONCE,)
            ).fetchall()
            for definition, solution in groups:
                _settle(connection, definition, solution)
            connection.executemany(
                "DELETE FROM stale WHERE definition = ? AND solution = ?", groups
            )
            if not groups:
                return changed
            touch(connection)
            changed = True


def touch(connection: sqlite3.Connection) -> None:
    """Tell every process that the indexed content changed."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")


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
    duplicate: int
    latest: int


_GROUP = """
SELECT t.id, t.workload, t.version, v.text, t.identity, t.time, s.text = 'PASSED', t.speedup,
  t.duplicate, t.latest
FROM trace t JOIN file f ON f.id = t.file JOIN name v ON v.id = t.version
JOIN name s ON s.id = t.status
WHERE t.definition = ? AND t.solution = ? ORDER BY f.layer, f.path, t.line
"""


def _settle(connection: sqlite3.Connection, definition: int, solution: int) -> None:
    lines = [_Line(*row) for row in connection.execute(_GROUP, (definition, solution))]
    unique: dict[tuple[int, int], _Line] = {}
    for line in lines:
        unique.setdefault((line.workload, line.identity), line)
    # Sorting is stable: of traces of the same time, the one that was written last is the latest.
    ordered = sorted(
        unique.values(), key=lambda line: line.time if line.time is not None else -math.inf
    )
    current = _current_version(connection, solution, ordered)
    newest: dict[int, dict[int, _Line]] = {}
    counts: dict[int, int] = {}
    for line in ordered:
        version = line.version if line.version_text else current
        newest.setdefault(version, {})[line.workload] = line
        counts[version] = counts.get(version, 0) + 1
    kept = {line.id for line in ordered}
    latest = {line.id for line in newest.get(current, {}).values()}
    changes = [
        (line.id not in kept, line.id in latest, line.id)
        for line in lines
        if (line.id not in kept, line.id in latest) != (line.duplicate == 1, line.latest == 1)
    ]
    connection.executemany("UPDATE trace SET duplicate = ?, latest = ? WHERE id = ?", changes)
    key = (definition, solution)
    connection.execute("DELETE FROM score WHERE definition = ? AND solution = ?", key)
    connection.executemany(
        "INSERT INTO score VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*key, version, version == current, counts[version], *_score(list(rows.values())))
            for version, rows in newest.items()
        ],
    )


def _current_version(
    connection: sqlite3.Connection, solution: int, ordered: Sequence[_Line]
) -> int:
    """Number of the version that counts: the document's, else that of the newest trace."""
    row = connection.execute(
        "SELECT s.version FROM solution s JOIN name n ON n.text = s.name "
        "WHERE n.id = ? AND s.standing = 2",
        (solution,),
    ).fetchone()
    if row:
        run = connection.execute
        run("INSERT OR IGNORE INTO name(kind, text) VALUES('version', ?)", row)
        found = run("SELECT id FROM name WHERE kind = 'version' AND text = ?", row).fetchone()
        return int(found[0])
    named = [line.version for line in ordered if line.version_text]
    return named[-1] if named else ordered[-1].version if ordered else 0


def _score(rows: Sequence[_Line]) -> tuple[int, int, float | None, float | None]:
    """Passed, failed, geometric mean of speedups, time of the newest."""
    passed = [row for row in rows if row.passed]
    logs = [math.log(row.speedup) for row in passed if row.speedup and row.speedup > 0]
    finite = [value for value in logs if math.isfinite(value)]
    times = [row.time for row in rows if row.time is not None]
    mean = math.exp(math.fsum(finite) / len(finite)) if finite else None
    return len(passed), len(rows) - len(passed), mean, max(times, default=None)
