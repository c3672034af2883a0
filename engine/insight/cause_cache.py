"""Causes that were worked out before: a cache beside the index, which may be deleted at any time.

A trace never changes, so its cause does not either, as long as the rules are the same; the cache
forgets everything when they change. Where it cannot be read or written there is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from engine.build import diagnostics
from engine.insight.causes import Cause
from engine.places import cache_dir
from engine.store import TraceRow

MOST = 1_000_000
"""Causes beyond which the cache begins anew."""
_AT_ONCE = 500
_TABLES = (
    "CREATE TABLE IF NOT EXISTS rules(digest TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS cause(trace INTEGER PRIMARY KEY, text BLOB NOT NULL)",
)
_DECODE = msgspec.json.Decoder(Cause).decode


def identity(row: TraceRow) -> int:
    """What tells a trace from every other, in every index of it."""
    parts = (
        *(row.file, str(row.line), row.timestamp, row.status, row.evaluation),
        *(row.definition, row.solution, row.workload),
    )
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def rules() -> str:
    """A digest of the code that finds causes."""
    files = [*sorted(Path(__file__).parent.glob("*.py")), Path(str(diagnostics.__file__))]
    digest = hashlib.blake2b(digest_size=8)
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


class CauseCache:
    """Causes by the identity of traces; of one thread.

    Args:
        folder: Where it lies; the user's cache folder where None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or cache_dir()) / "causes.db"
        self._connection: sqlite3.Connection | None = None
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                self._open()
            except sqlite3.DatabaseError:
                self._give_up()

    def _open(self) -> None:
        connection = sqlite3.connect(self._path, timeout=1.0, isolation_level=None)
        self._connection = connection
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        for table in _TABLES:
            connection.execute(table)
        known = connection.execute("SELECT digest FROM rules").fetchone()
        number = connection.execute("SELECT count(*) FROM cause").fetchone()[0]
        digest = rules()
        if known != (digest,) or number > MOST:
            connection.execute("DELETE FROM rules")
            connection.execute("DELETE FROM cause")
            connection.execute("INSERT INTO rules VALUES(?)", (digest,))
        connection.execute("COMMIT")

    def find(self, identities: Iterable[int]) -> dict[int, Cause]:
        """Known causes."""
        wanted, found = list(identities), dict[int, Cause]()
        if self._connection is None:
            return found
        try:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                query = f"SELECT trace, text FROM cause WHERE trace IN ({marks})"
                for number, text in self._connection.execute(query, some):
                    found[number] = _DECODE(text)
        except (sqlite3.Error, msgspec.DecodeError):
            self._give_up()
        return found

    def keep(self, causes: Mapping[int, Cause]) -> None:
        """Remember causes."""
        if self._connection is None or not causes:
            return
        rows = [(number, msgspec.json.encode(cause)) for number, cause in causes.items()]
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO cause VALUES(?, ?)", rows)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._give_up()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _give_up(self) -> None:
        """Do without; a file that is damaged is removed, for the next one to begin anew."""
        self.close()
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
