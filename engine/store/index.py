"""The index file: one SQLite database per list of layers, and a connection per thread to it.

The index is a cache. One that is damaged, foreign or of another version is set aside and built
again; where the cache folder cannot hold one, a private file takes its place. What is in the
tables is the business of other modules.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.places import cache_dir
from engine.store.mounts import network_type
from engine.store.tables import APPLICATION, TABLES, TRACE_INDEXES, VERSION

BUSY_SECONDS = 60.0


class Index:
    """An open index.

    Args:
        layers: Folders of the dataset, in order.
        folder: Where indexes are kept; the user's cache folder where None.

    Attributes:
        path: The database file.
        notices: Sentences for the user about what had to be done to open it.
    """

    def __init__(self, layers: Sequence[Path], folder: Path | None = None) -> None:
        self.notices: list[str] = []
        self._identity = json.dumps([os.fspath(layer.resolve()) for layer in layers])
        self._folder = folder if folder is not None else cache_dir()
        self._private: Path | None = None
        self._local = threading.local()
        self._guard = threading.Lock()
        self._opened: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._epoch = 0
        self._file = 0
        self._closed = False
        digest = hashlib.blake2b(self._identity.encode("utf-8", "surrogateescape"), digest_size=8)
        self.path = self._folder / f"index-v{VERSION}-{digest.hexdigest()}.db"
        self._prepare_somewhere()

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's connection.

        Raises:
            sqlite3.ProgrammingError: The index is closed.
        """
        if self._closed:
            raise sqlite3.ProgrammingError("the store is closed")
        if getattr(self._local, "epoch", None) != self._epoch:
            if former := getattr(self._local, "connection", None):
                former.close()
            self._local.connection = self._connect()
            self._local.epoch = self._epoch
        found: sqlite3.Connection = self._local.connection
        return found

    @property
    def epoch(self) -> int:
        """How often the database was exchanged for an empty one."""
        return self._epoch

    @property
    def folder(self) -> Path | None:
        """Where other processes find this index; None where it is private."""
        return None if self._private is not None else self._folder

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock; commit at the end, roll back on an exception.

        One within another is a part of it that is rolled back alone.
        """
        connection = self.connection
        within = connection.in_transaction
        connection.execute("SAVEPOINT part" if within else "BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK TO part" if within else "ROLLBACK")
            raise
        connection.execute("RELEASE part" if within else "COMMIT")

    def set_aside(self, reason: str) -> None:
        """Put the database out of the way and begin an empty one.

        Args:
            reason: What was wrong with it, for the notice.
        """
        with _locked(self.path):
            if self._file == _inode(self.path):  # else another process has done it
                self._move_away(reason)
            self._create_or_check()
        self._epoch += 1

    def close(self) -> None:
        """Close every thread's connection, and delete a private index."""
        with self._guard:
            self._closed = True
            for _, connection in self._opened:
                connection.close()
            self._opened = []
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)

    # -- opening

    def _prepare_somewhere(self) -> None:
        network = network_type(self._folder)
        if network:
            self._use_private(f"it lies on a network file system ({network})")
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._prepare()
        except OSError as error:
            self._use_private(error.strerror or str(error))
        except sqlite3.OperationalError as error:
            self._use_private(str(error))

    def _use_private(self, reason: str) -> None:
        self._private = Path(tempfile.mkdtemp(prefix="fitui-index-"))
        self.notices.append(
            f"The cache folder {self._folder} cannot hold the index: {reason}. A private one is "
            "built at each start; set FITUI_CACHE to a writable folder on a local disk."
        )
        self.path = self._private / self.path.name
        self._prepare()

    def _prepare(self) -> None:
        with _locked(self.path):
            try:
                wrong = self._create_or_check()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                wrong = str(error)
            if wrong:
                self._move_away(wrong)
                self._create_or_check()

    def _create_or_check(self) -> str:
        """Fill an empty database, or say why an existing one is of no use."""
        connection = self._open()
        try:
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise sqlite3.OperationalError("its file system does not support shared memory")
            return self._fill_or_check(connection)
        finally:
            connection.close()

    def _fill_or_check(self, connection: sqlite3.Connection) -> str:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.executescript(f"BEGIN IMMEDIATE; {TABLES} {'; '.join(TRACE_INDEXES)};")
            connection.executemany(
                "INSERT INTO meta VALUES(?, ?)",
                [("layers", self._identity), ("generation", time.time_ns() // 1_000_000)],
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
            return ""
        if (application, version) != (APPLICATION, VERSION):
            return "it is not an index of this version"
        found = connection.execute("SELECT value FROM meta WHERE key = 'layers'").fetchone()
        return "" if found and found[0] == self._identity else "it belongs to other folders"

    def _move_away(self, reason: str) -> None:
        aside = self.path.with_suffix(".damaged")
        for extra in ("-wal", "-shm"):
            Path(f"{self.path}{extra}").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.replace(aside)
        self.notices.append(
            f"The index was not usable ({reason}). It was set aside as {aside} and built again "
            "from the dataset's files."
        )

    # -- connections

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in ("synchronous = NORMAL", "temp_store = MEMORY", "cell_size_check = ON"):
                connection.execute(f"PRAGMA {pragma}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> sqlite3.Connection:
        with self._guard:
            connection = self._open()
            self._file = _inode(self.path)
            alive = []
            for thread, opened in self._opened:
                if thread.is_alive():
                    alive.append((thread, opened))
                else:
                    opened.close()
            self._opened = [*alive, (threading.current_thread(), connection)]
            return connection


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """True for a damaged database; locked, full, closed and the like are subclasses."""
    return type(error) is sqlite3.DatabaseError


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from creating or replacing the database meanwhile.

    Two processes that switch a new file to WAL at once get "database is locked" at once, which
    no busy timeout helps against.
    """
    lock = path.with_suffix(".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
