"""The folder of built libraries, one folder each, and keeping it from filling the disk."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from engine.places import cache_dir

LIBRARY = "solution.so"
LOG = "build.log"
BUILDING = "building-"
"""How the names begin of folders that are no finished build: begun, or being removed."""
MOST_BYTES = 20 << 30
_DAY_S = 24 * 3600.0


def builds_dir() -> Path:
    """The user's folder of built libraries."""
    return cache_dir() / "builds"


def touch(folder: Path) -> None:
    """Note that a build was used just now; nothing where there is none or it is read-only."""
    with suppress(OSError):
        os.utime(folder)


def trim(cache: Path | None = None, max_bytes: int = MOST_BYTES) -> int:
    """Remove the builds that were not used for longest, until the rest fits.

    Nothing that was used within a day is removed. What a killed builder left is, after a day.

    Args:
        cache: Folder of libraries; the user's where None.
        max_bytes: For all of them.

    Returns:
        Bytes that were freed.
    """
    root = cache or builds_dir()
    old = time.time() - _DAY_S
    builds: list[tuple[float, int, Path]] = []
    freed = 0
    try:
        folders = [item for item in root.iterdir() if item.is_dir() and not item.is_symlink()]
    except OSError:
        return 0
    for folder in folders:
        with suppress(OSError):  # somebody else removes it
            used, size = folder.stat().st_mtime, _size(folder)
            if not folder.name.startswith(BUILDING):
                builds.append((used, size, folder))
            elif used < old:
                shutil.rmtree(folder, ignore_errors=True)
                freed += size
    total = sum(size for _, size, _ in builds)
    for used, size, folder in sorted(builds):
        if total <= max_bytes or used >= old:
            break
        if _remove(folder, used):
            total -= size
            freed += size
    return freed


def _remove(folder: Path, used: float) -> bool:
    """Remove a build that was not used in the meantime; never half of one under its name."""
    doomed = folder.with_name(f"{BUILDING}removed-{os.getpid()}-{folder.name}")
    try:
        if folder.stat().st_mtime != used:
            return False
        folder.rename(doomed)
    except OSError:
        return False
    shutil.rmtree(doomed, ignore_errors=True)
    return True


def _size(folder: Path) -> int:
    return sum(item.lstat().st_size for item in folder.rglob("*") if not item.is_dir())
