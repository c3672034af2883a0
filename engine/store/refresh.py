"""Bringing an open store up to date: here where little changed, by an indexer where much did."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from engine.store.index import Index, is_damage
from engine.store.processes import BUSY, start_indexer
from engine.store.sync import apply, apply_few, look
from engine.store.turn import Turn

INDEXER_BYTES = 20 << 20
"""More changed bytes than this are read by a process of their own."""


PATIENCE = 0.05
"""Seconds to wait for another process that is bringing in a small change."""


class Refresher:
    """Keeps one store's index in step with the files.

    Args:
        index: The index.
        layers: Folders of the dataset.

    Attributes:
        wait: Come back only when everything is indexed.
        indexing: Another process is at it.
        notices: Sentences about folders that could not be read.
    """

    def __init__(self, index: Index, layers: Sequence[Path]) -> None:
        self.wait = True
        self.indexing = False
        self.notices: list[str] = []
        self._index = index
        self._layers = tuple(layers)
        self._guard = threading.Lock()
        self._indexer: subprocess.Popen[bytes] | None = None
        self._seen = 0

    @property
    def status(self) -> str:
        """How complete the index is."""
        percent = Turn(self._index.path).percent() if self.indexing else None
        return f"indexing {percent} %" if percent is not None else "up to date"

    def refresh(self, files: Collection[Path] | None = None) -> bool:
        """See :meth:`TraceStore.refresh`."""
        with self._guard:
            before = self._seen if self.indexing else generation(self._index)
            try:
                if files is None or self.indexing or not self._refresh_few(files):
                    self._refresh()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise OSError(f"The index {self._index.path} failed: {error}") from error
                self._index.set_aside(str(error))
                self._refresh()
            self._seen = generation(self._index)
            return self._seen != before

    def _refresh_few(self, files: Collection[Path]) -> bool:
        with Turn(self._index.path).take(None if self.wait else PATIENCE) as mine:
            return mine is not None and apply_few(self._index, self._layers, files)

    def _refresh(self) -> None:
        """One pass; where it waited for an indexer, another one for what is left."""
        turn = Turn(self._index.path)
        asked = self._index.folder is None  # nobody else could find a private index
        while True:
            with turn.take(None if self.wait else PATIENCE) as mine:
                if mine is None:
                    self.indexing = True
                    return
                pending = look(self._index, self._layers)
                # One that failed is not tried again: what it met is then met here, and told.
                if asked or pending.size < INDEXER_BYTES:
                    self.indexing = False
                    self.notices = apply(
                        self._index, self._layers, pending, lambda part: turn.tell(mine, part)
                    )
                    return
            asked = True
            if self._start_indexer():
                if not self.wait:
                    self.indexing = True
                    return
                self._wait_for_indexer()

    def _start_indexer(self) -> bool:
        """Have an indexer at work. False where none can be, or the last one failed."""
        assert self._index.folder is not None
        ended = self._indexer.poll() if self._indexer is not None else 0
        if ended is None:
            return True
        self._indexer = None
        if ended not in (0, BUSY):
            return False
        try:
            self._indexer = start_indexer(self._layers, self._index.folder)
        except OSError:
            return False
        # It may outlive this store; somebody must take note of its end then.
        threading.Thread(target=self._indexer.wait, name="indexer-end", daemon=True).start()
        return True

    def _wait_for_indexer(self) -> None:
        assert self._indexer is not None
        self._indexer.wait()
        self._indexer = None


def generation(index: Index) -> int:
    """A number that changes whenever indexed content changed."""
    row = index.connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
    return int(row[0])
