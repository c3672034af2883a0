"""The sweep: which documents lie in the layers, and the stamps that tell whether they changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
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
        if not os.path.isdir(root):  # noqa: PTH112
            if position < len(layers) - 1:
                result.unreadable[position, b""] = "the folder is not there"
            continue
        for kind in FOLDERS:
            _walk(root, position, kind, result)
    return result


def _walk(root: bytes, layer: int, kind: str, result: Sweep) -> None:
    suffix = _SUFFIX[kind]
    waiting = [kind.encode()]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root + b"/" + folder) as entries:
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
            result.unreadable[layer, folder] = error.strerror or str(error)


def _note(entry: os.DirEntry[bytes], layer: int, path: bytes, kind: str, result: Sweep) -> None:
    try:
        status = entry.stat()
    except OSError:
        return  # gone since, or a dangling link
    if stat.S_ISREG(status.st_mode):
        result.files[layer, path] = Found(layer, path, kind, Stamp.of(status))
