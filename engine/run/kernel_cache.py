"""Folders of kernels that Triton compiled: copied from where a child wrote them to where one reads.

Triton keeps each kernel in a folder of its own and beside it a group file with the absolute paths
of its files; so a copy gets new group files. What a child wrote is taken with care: only plain
files, only whole kernels, and not without end.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

_GROUP = "__grp__"
_LIBRARY = ".so"
_MOST_FILES = 20_000
_MOST_BYTES = 1 << 30


def copy_kernels(source: Path, target: Path) -> int:
    """Copy every whole kernel, and the C code that Triton compiled to launch it.

    Results of autotuning stay behind: a dry call measures nothing. Kernels that are in ``target``
    already stay as they are, and those that cannot be read are left out.

    Args:
        source: A folder that Triton used as its cache, or a copy of one.
        target: Where Triton will look for them; made if it is not there.

    Returns:
        How many kernels ``target`` has got.

    Raises:
        OSError: ``target`` cannot be written.
    """
    target.mkdir(parents=True, exist_ok=True)
    kernels = files = size = 0
    for folder in _entries(source):
        if not folder.is_dir(follow_symlinks=False):
            continue
        parts = [part for part in _entries(Path(folder.path)) if _is_plain(part)]
        group = next((part.name for part in parts if part.name.startswith(_GROUP)), "")
        if group:
            kept = [part for part in parts if not part.name.startswith(_GROUP)]
            if not _is_whole(group, [part.name for part in kept]):
                continue
        else:
            kept = [part for part in parts if part.name.endswith(_LIBRARY)]
        files += len(kept)
        size += sum(part.stat(follow_symlinks=False).st_size for part in kept)
        if files > _MOST_FILES or size > _MOST_BYTES:
            break
        if kept and _copy_folder(kept, group, target / folder.name) and group:
            kernels += 1
    return kernels


def count_kernels(folder: Path) -> int:
    """How many whole kernels are in a folder that :func:`copy_kernels` filled."""
    return sum(1 for _ in folder.glob(f"*/{_GROUP}*.json"))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_plain(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def _is_whole(group: str, names: list[str]) -> bool:
    """True if a kernel's metadata and its binary are there."""
    return group.removeprefix(_GROUP) in names and any(name.endswith(".cubin") for name in names)


def _copy_folder(parts: list[os.DirEntry[str]], group: str, target: Path) -> bool:
    """Copy a folder by way of a name that Triton does not look for; False if it went wrong."""
    if target.exists():
        return False
    making = target.with_name(f"making-{target.name}")
    making.mkdir()
    try:
        for part in parts:
            _copy(part.path, making / part.name)
        if group:
            paths = {part.name: str(target / part.name) for part in parts}
            (making / group).write_text(json.dumps({"child_paths": paths}))
        making.rename(target)
    except FileNotFoundError:
        # Somebody clears the cache at this moment.
        shutil.rmtree(making, ignore_errors=True)
        return False
    return True


def _copy(source: str, target: Path) -> None:
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer)
