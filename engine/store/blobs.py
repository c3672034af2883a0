"""Tensor files of a dataset: where a workload's ``path`` leads, and what can be wrong with it.

Only the place is checked. No tensor is opened here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from engine.store.lines import is_lfs_pointer, lfs_message

_POINTER_LIMIT = 1024
"""Git LFS pointers are shorter than this many bytes (Git LFS specification)."""


class BlobError(OSError):
    """A blob file is missing, is only a pointer, or lies outside the dataset."""


def blob_path(layers: Sequence[Path], relative: str) -> Path:
    """The file that a workload's ``path`` means.

    Args:
        layers: Folders of the dataset, lowest first; the highest that has the file wins.
        relative: Path as the workload gives it, relative to the dataset root.

    Returns:
        An existing regular file inside one of the layers.

    Raises:
        BlobError: The path leaves the dataset, or the file is missing or a Git LFS pointer.
    """
    pure = PurePosixPath(relative)
    if pure.is_absolute() or ".." in pure.parts or "\0" in relative or not pure.parts:
        raise BlobError(f"blob path {relative!r} leaves the dataset folder, and is not opened")
    relative, refused = str(pure), ""
    for layer in reversed(layers):
        path = layer / relative
        try:
            status = path.stat()
        except (OSError, ValueError):
            continue
        reason = _refusal(layer, path, relative, status)
        if not reason:
            return path
        refused = refused or reason
    raise BlobError(refused or f"blob file {relative} is missing from {layers[0]}")


def _refusal(layer: Path, path: Path, relative: str, status: os.stat_result) -> str:
    if not _is_inside(path.resolve(), layer.resolve()):
        return (
            f"blob path {relative!r} leaves the dataset folder through a link to {path.resolve()}"
        )
    if not stat.S_ISREG(status.st_mode):
        return f"blob path {relative!r} is not a file"
    if status.st_size < _POINTER_LIMIT:
        try:
            with path.open("rb") as stream:
                head = stream.read(_POINTER_LIMIT)
        except OSError as error:
            return f"blob file {relative} cannot be read: {error.strerror}"
        if is_lfs_pointer(head):
            return lfs_message(relative)
    return ""


def _is_inside(real: Path, root: Path) -> bool:
    """True where ``real`` lies in ``root``, or in the store that a downloaded snapshot links to.

    huggingface_hub keeps files in ``<repository>/blobs`` and fills ``<repository>/snapshots/<id>``
    with links to them.
    """
    if real.is_relative_to(root):
        return True
    return root.parent.name == "snapshots" and real.parent == root.parent.parent / "blobs"


def sight(layers: Sequence[Path], relative: str) -> str:
    """A text that changes when what :func:`blob_path` says of ``relative`` may have changed."""
    seen = []
    for position, layer in enumerate(layers):
        try:
            status = os.stat(f"{layer}/{relative}")  # noqa: PTH116
        except (OSError, ValueError):
            continue
        seen.append(f"{position}:{status.st_size}:{status.st_mtime_ns}:{status.st_ino}")
    return " ".join(seen)
