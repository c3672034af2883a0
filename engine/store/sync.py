"""Bringing the index up to date with the files: what changed, what is gone, what is missing.

Any number of processes may do this at once: each file is one transaction, which looks again at
what is known of the file, so that the second process finds nothing left to do.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.store import blobs
from engine.store.derive import settle_groups, touch
from engine.store.index import Index
from engine.store.ingest import Names
from engine.store.reading import forget_rows, read_file
from engine.store.scan import Stamp, Sweep, sweep

_ORDER = {"definitions": 0, "solutions": 1, "workloads": 2, "traces": 3}


def synchronise(index: Index, layers: Sequence[Path]) -> list[str]:
    """Read what changed in the dataset.

    Returns:
        Sentences about folders that could not be read; what was known of them is kept.
    """
    seen = sweep(layers)
    names = Names(index.connection)
    known = {
        (row[0], row[1]): (Stamp(*row[2:6]), bool(row[6]))
        for row in index.connection.execute(
            "SELECT layer, path, size, mtime, ctime, inode, unsettled FROM file"
        )
    }
    changed = [found for key, found in seen.files.items() if known.get(key) != (found.stamp, False)]
    for found in sorted(changed, key=lambda item: (_ORDER[item.kind], item.layer, item.path)):
        read_file(index, names, layers[found.layer], found)
    for layer, path in known.keys() - seen.files.keys():
        if not _kept(seen, layer, path):
            _drop(index, layer, path)
    settle_groups(index)
    check_blobs(index, layers)
    return [
        f"{layers[layer] / os.fsdecode(folder)} cannot be read ({reason}); what was known of it is "
        "still shown."
        for (layer, folder), reason in seen.unreadable.items()
    ]


def _kept(seen: Sweep, layer: int, path: bytes) -> bool:
    return any(
        layer == other and (not folder or path.startswith(folder + b"/"))
        for other, folder in seen.unreadable
    )


def _drop(index: Index, layer: int, path: bytes) -> None:
    """Forget a file that is gone."""
    with index.transaction() as connection:
        row = connection.execute(
            "SELECT id, kind FROM file WHERE layer = ? AND path = ?", (layer, path)
        ).fetchone()
        if row:
            forget_rows(connection, row[1], row[0], -1)
            connection.execute("DELETE FROM file WHERE id = ?", (row[0],))
            touch(connection)


def check_blobs(index: Index, layers: Sequence[Path]) -> None:
    """Look again at every blob file that a workload needs."""
    known = dict(index.connection.execute("SELECT path, seen FROM blob").fetchall())
    needed = {row[0] for row in index.connection.execute("SELECT DISTINCT path FROM blob_use")}
    changes = []
    for path in needed:
        seen = blobs.sight(layers, path)
        if known.get(path) != seen:
            changes.append((path, seen, _blob_problem(layers, path)))
    gone = known.keys() - needed
    if not changes and not gone:
        return
    with index.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO blob VALUES(?, ?, ?)", changes)
        connection.executemany("DELETE FROM blob WHERE path = ?", [(path,) for path in gone])
        touch(connection)


def _blob_problem(layers: Sequence[Path], path: str) -> str:
    try:
        blobs.blob_path(layers, path)
    except blobs.BlobError as error:
        return str(error)
    return ""
