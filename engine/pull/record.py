"""What was pulled into which folder, kept in the user's state folder.

It tells an untouched file from one that somebody has changed, and where a tensor file that is
wanted later comes from. Without it nothing is lost: every file that differs from what is published
then counts as changed, and is kept.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from engine.places import state_dir
from engine.schema import digest


class Pulled(Struct, frozen=True, omit_defaults=True):
    """One line of a record.

    Args:
        repo: ``owner/name`` of the published dataset.
        commit: Where in its history.
        path: File that was put in place, or "" for a pull as a whole.
        oid: Hash of its content; see :class:`engine.pull.published.PublishedFile`.
    """

    repo: str
    commit: str
    path: str = ""
    oid: str = ""


class Record:
    """What was pulled into a folder so far.

    Args:
        folder: The dataset's folder.

    Attributes:
        repo: Where from; "" where nothing was pulled.
        commit: As of the last pull.
        oids: By path, hashes of everything that was ever put there.
    """

    def __init__(self, folder: Path) -> None:
        real = folder.resolve()
        self._file = state_dir() / "pulls" / f"{real.name or 'root'}-{digest([str(real)])}.jsonl"
        self.repo = self.commit = ""
        self.oids: dict[str, set[str]] = {}
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            return
        for line in data.splitlines():
            try:
                item = msgspec.json.decode(line, type=Pulled)
            except msgspec.DecodeError:
                continue  # blank, or cut short by a full disk
            self.repo, self.commit = item.repo, item.commit
            if item.path:
                self.oids.setdefault(item.path, set()).add(item.oid)

    def add(self, item: Pulled) -> None:
        """Add a line, unless it says nothing new. Threads and processes may do so at once.

        Raises:
            OSError: It cannot be written.
        """
        known = self.oids.setdefault(item.path, set()) if item.path else set()
        if item.oid in known or (not item.path and item.commit == self.commit):
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("ab", buffering=0) as stream:
            # The newline comes first: it ends what a full disk cut short.
            stream.write(b"\n" + msgspec.json.encode(item))
        known.add(item.oid)
        self.repo, self.commit = item.repo, item.commit
