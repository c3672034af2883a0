"""The sweep: which documents lie in the layers, and the stamps that tell whether they changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.store.layers import FOLDERS

_SUFFIX = {
    "definitions": b".json",
    "solutions": b".json",
    "workloads": b".jsonl",
    "traces": b".jsonl",
}


class Stamp(NamedTuple):
    """What of a file's status tells that its content may have changed.

    The device number is left out: it is not stable on network file systems.
    """

    size: int
    mtime: int
    ctime: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp in a result of ``stat``."""
        inode = status.st_ino & (2**63 - 1)  # SQLite's integers are signed
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, inode)


class Found(NamedTuple):
    """A document's file.

    Args:
        layer: Position of its layer.
        path: Relative to the layer, as the bytes the system uses.
        kind: One of ``FOLDERS``.
        stamp: Size, times and inode when it was seen.
    """

    layer: int
    path: bytes
    kind: str
    stamp: Stamp


class Sweep(NamedTuple):
    """What a sweep saw.

    Args:
        files: By (layer, path).
        unreadable: Folders, as (layer, relative path), whose content could not be listed, with
            the reason. What was known below them stays known.
    """

    files: dict[tuple[int, bytes], Found]
    unreadable: dict[tuple[int, bytes], str]


def sweep(layers: Sequence[Path]) -> Sweep:
    """List every document of the layers.

    Links to files are followed (a downloaded snapshot may consist of links); links to folders
    are not, since they may form loops. Names that start with a dot are passed over.
    """
    result = Sweep({}, {})
    for position, layer in enumerate(layers):
        root = os.fsencode(layer)
        before = _inode(root)
        if before is None:
            result.unreadable[position, b""] = "the folder is not there"
            continue
        found = [_walk(root, position, kind, result) for kind in FOLDERS]
        # A mount that is gone leaves an empty folder; one that went meanwhile, half of a list.
        if not any(found):
            result.unreadable[position, b""] = f"it holds none of {', '.join(FOLDERS)}"
        elif _inode(root) != before:
            result.unreadable[position, b""] = "it was exchanged while it was listed"
    return result


def _inode(folder: bytes) -> tuple[int, int] | None:
    """Which folder it is, or None where it is none."""
    try:
        status = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISDIR(status.st_mode) else None


def _walk(root: bytes, layer: int, kind: str, result: Sweep) -> bool:
    """List one of a layer's folders.

    Returns:
        False where the layer has no such folder.
    """
    there = False
    suffix = _SUFFIX[kind]
    waiting = [kind.encode()]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root + b"/" + folder) as entries:
                there = True
                for entry in entries:
                    if entry.name.startswith(b"."):
                        continue
                    path = folder + b"/" + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif entry.name.endswith(suffix):
                        _note(entry, layer, path, kind, result)
        except FileNotFoundError:
            continue
        except OSError as error:
            there = True
            result.unreadable[layer, folder] = error.strerror or str(error)
    return there


def _note(entry: os.DirEntry[bytes], layer: int, path: bytes, kind: str, result: Sweep) -> None:
    try:
        status = entry.stat()
    except OSError:
        return  # gone since, or a dangling link
    if stat.S_ISREG(status.st_mode):
        result.files[layer, path] = Found(layer, path, kind, Stamp.of(status))


def find(layers: Sequence[Path], files: Iterable[Path]) -> list[Found] | None:
    """What a sweep would say of a few trace files.

    Returns:
        Those that are in the layers; None where only a sweep can tell, or others are among them.
    """
    seen = Sweep({}, {})
    for file in files:
        for position, layer in enumerate(layers):
            if not file.is_relative_to(layer):
                continue
            path = os.fsencode(file.relative_to(layer))
            kind, *rest = os.fsdecode(path).split("/")
            if kind != "traces":
                return None  # other rows may depend on it
            if any(part.startswith(".") for part in rest) or not path.endswith(_SUFFIX[kind]):
                continue
            try:
                status = file.stat()
            except OSError:
                return None
            if stat.S_ISREG(status.st_mode):
                seen.files[position, path] = Found(position, path, kind, Stamp.of(status))
    return list(seen.files.values())
