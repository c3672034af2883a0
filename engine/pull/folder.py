"""The folder that a dataset is pulled into: what lies there already, and putting files in whole.

Other programs own the folder too. All that a pull leaves there are the published files.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Set
from enum import StrEnum
from pathlib import Path, PurePosixPath

from engine.pull.published import PublishedFile, PullError
from engine.store.lines import is_lfs_pointer

_STAGING = ".fitui-pull-"
_HEAD = 200
_SHA256_DIGITS = 64


class Local(StrEnum):
    """What lies where a published file belongs."""

    ABSENT = "absent"
    """Nothing, or the Git LFS pointer that stands for it."""
    SAME = "same"
    """The published content."""
    OLDER = "older"
    """What was pulled earlier, untouched."""
    CHANGED = "changed"
    """Somebody's own content."""


def target_of(folder: Path, path: str) -> Path:
    """Where a published path belongs.

    Args:
        folder: The dataset's folder.
        path: As it is published, so possibly of bad intent.

    Raises:
        PullError: It leaves the folder, by itself or through a link, or is no name of a file.
    """
    pure = PurePosixPath(path)
    if not path.isprintable() or not pure.parts:
        raise PullError(f"{path!r} is no name of a file, and is not fetched")
    if pure.is_absolute() or ".." in pure.parts:
        raise PullError(f"{path!r} leaves the dataset folder, and is not fetched")
    target = folder / pure
    parent = target.parent.resolve()
    if not parent.is_relative_to(folder.resolve()):
        raise PullError(f"{path} leaves the dataset folder through a link to {parent}")
    return target


def look(target: Path, file: PublishedFile, pulled: Set[str]) -> Local:
    """Compare what lies at a place with what is published.

    Args:
        target: The place.
        file: What belongs there.
        pulled: Hashes of what was ever pulled to there.

    Raises:
        OSError: What is there cannot be read.
    """
    try:
        size = target.stat().st_size
    except FileNotFoundError:
        return Local.ABSENT
    if size == file.size and oid_of(target, like=file.oid) == file.oid:
        return Local.SAME
    with target.open("rb") as stream:
        if is_lfs_pointer(stream.read(_HEAD)):
            return Local.ABSENT
    # A file may have moved between Git and Git LFS since it was pulled.
    kinds = {len(oid): oid for oid in pulled}
    if any(oid_of(target, like=oid) in pulled for oid in kinds.values()):
        return Local.OLDER
    return Local.CHANGED


def oid_of(path: Path, *, like: str) -> str:
    """Hash of a file, of the same kind as another: Git's blob id or SHA-256.

    Source: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        if len(like) == _SHA256_DIGITS:
            return hashlib.file_digest(stream, "sha256").hexdigest()
        header = f"blob {os.fstat(stream.fileno()).st_size}\0".encode()
        return hashlib.file_digest(
            stream, lambda: hashlib.sha1(header, usedforsecurity=False)
        ).hexdigest()


def place(staged: Path, target: Path) -> None:
    """Move a complete file to its place, so that the place has all of it or what it had before.

    Raises:
        OSError: It cannot be put there.
    """
    with staged.open("rb") as stream:
        os.fsync(stream.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(staged, target)


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A folder for files under way, on the same file system; what a killed pull left goes with it.

    Raises:
        OSError: The dataset's folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_STAGING}*"):
        with _held(left) as free:
            if free:
                shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    try:
        with _held(made):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a lock on a folder; False where another process has it, or none can be had."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = True
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(descriptor)
