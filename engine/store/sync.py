"""Bringing the index up to date with the files: what changed, what is gone, what is missing.

Any number of processes may do this at once: each file is one transaction, which looks again at
what is known of the file, so that the second process finds nothing left to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from engine.store import blobs, bulk
from engine.store.derive import touch
from engine.store.index import Index
from engine.store.reading import Tools, forget_rows, read_file
from engine.store.scan import Found, Sweep, find, sweep
from engine.store.settle import settle_groups
from engine.store.slim import plain_text

_ORDER = {"definitions": 0, "solutions": 1, "workloads": 2, "traces": 3}

BULK_FILES = 20
"""Fewer trace files than this are read one by one."""

COMMIT_BYTES = 32 << 20

FEW_BYTES = 256 << 20
"""So much is checked again when the files that it is in grow."""

_PER_FILE = 16 << 10


class Pending(NamedTuple):
    """What a sweep found different from the index.

    Args:
        seen: The sweep.
        known: Layers that the index has files of.
        changed: Files to read, in order.
        gone: Files to forget, as (layer, path).
        size: Bytes to read, about.
    """

    seen: Sweep
    known: Set[int]
    changed: list[Found]
    gone: list[tuple[int, bytes]]
    size: int


def synchronise(index: Index, layers: Sequence[Path]) -> list[str]:
    """Read what changed in the dataset.

    Returns:
        Sentences about folders that could not be read; what was known of them is kept.
    """
    return apply(index, layers, look(index, layers), lambda part: None)


def look(index: Index, layers: Sequence[Path]) -> Pending:
    """Find out what changed."""
    seen = sweep(layers)
    known = {
        (row[0], row[1]): row[2:]
        for row in index.connection.execute(
            "SELECT layer, path, size, mtime, ctime, inode, unsettled FROM file"
        )
    }
    changed, size = [], 0
    for key, found in seen.files.items():
        before = known.get(key)
        if before != (*found.stamp, 0):
            changed.append(found)
            former = before[0] or 0 if before else 0
            if before is None or before[:4] != found.stamp:
                grown = found.stamp.size - former
                size += grown if grown > 0 else found.stamp.size
    changed.sort(key=_place)
    gone = [key for key in known.keys() - seen.files.keys() if not _kept(seen, *key)]
    return Pending(seen, {layer for layer, _ in known}, changed, gone, size)


def apply(
    index: Index, layers: Sequence[Path], pending: Pending, tell: Callable[[float], None]
) -> list[str]:
    """Read what changed.

    Args:
        index: Where to.
        layers: Folders of the dataset.
        pending: What changed.
        tell: Called with the part that is done, from 0 to 1.

    Returns:
        As :func:`synchronise`.
    """
    seen = pending.seen
    documents = [found for found in pending.changed if found.kind != "traces"]
    traces = [found for found in pending.changed if found.kind == "traces"]
    _read_files(index, layers, documents, lambda part: None)
    if len(traces) < BULK_FILES or not bulk.load(index, layers, traces, tell):
        _read_files(index, layers, traces, tell)
    for layer, path in pending.gone:
        _drop(index, layer, path)
    settle_groups(index)
    if not any(folder == b"" and layer in pending.known for layer, folder in seen.unreadable):
        check_blobs(index, layers)  # else every blob file of that layer would be missing
    return _notices(layers, seen, pending.known)


def apply_few(index: Index, layers: Sequence[Path], files: Iterable[Path]) -> bool:
    """Read a few files that are known to have changed, without looking for others.

    Returns:
        False where that cannot be told from the files alone, and nothing was read.
    """
    found = find(layers, files)
    if found is None or sum(item.stamp.size for item in found) > FEW_BYTES:
        return False
    _read_files(index, layers, sorted(found, key=_place), lambda part: None)
    settle_groups(index)
    return True


def _place(found: Found) -> tuple[int, int, bytes]:
    return _ORDER[found.kind], found.layer, found.path


def _read_files(
    index: Index, layers: Sequence[Path], files: Sequence[Found], tell: Callable[[float], None]
) -> None:
    tools = Tools(index.connection)
    total, done = sum(found.stamp.size for found in files) or 1, 0
    waiting = list(reversed(files))
    while waiting:
        size = 0
        with index.transaction():  # a commit for each of many small files would take longer
            while waiting and size < COMMIT_BYTES:
                found = waiting.pop()
                read_file(index, tools, layers[found.layer], found)
                size += found.stamp.size + _PER_FILE
        done += size
        tell(0.85 * min(1.0, done / total))
        if len(files) > BULK_FILES:
            settle_groups(index)  # so that readers see it soon


def _notices(layers: Sequence[Path], seen: Sweep, known: Set[int]) -> list[str]:
    """What to say of folders that could not be read; an overlay need not be there yet."""
    last = len(layers) - 1
    return [
        f"{layers[layer] / os.fsdecode(folder)} cannot be read ({reason}); what was known of it is "
        "still shown."
        for (layer, folder), reason in seen.unreadable.items()
        if folder or layer in known or not (layer == last or layers[layer].is_dir())
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
        return plain_text(str(error))
    return ""
