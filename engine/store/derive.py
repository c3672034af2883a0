"""What follows from several documents together: which of those with one name counts.

Everything here is worked out from the tables alone and does not depend on the order in which
files were read, so that an index that was brought up to date equals one built afresh.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

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
        "INSERT OR IGNORE INTO stale SELECT DISTINCT definition, solution, workload FROM trace "
        "WHERE solution = (SELECT id FROM name WHERE kind = 'solution' AND text = ?)",
        (solution,),
    )


def touch(connection: sqlite3.Connection) -> None:
    """Tell every process that the indexed content changed."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
