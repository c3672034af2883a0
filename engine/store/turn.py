"""Whose turn it is to write to an index: one process at a time, until it ends, however it ends.

The index is right without it; the turn keeps two processes from doing the same work, and tells
the others how far the one is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

_STEP = 0.005


class Turn:
    """The turn for one index.

    Args:
        index: The database file.
    """

    def __init__(self, index: Path) -> None:
        self._path = index.with_suffix(".indexer")

    @contextlib.contextmanager
    def take(self, seconds: float | None = None) -> Iterator[int | None]:
        """Hold the turn.

        Args:
            seconds: How long to wait for it; None for as long as it takes.

        Returns:
            A descriptor for :meth:`tell`, or None where somebody else has it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if _lock(descriptor, seconds):
                os.ftruncate(descriptor, 0)
                yield descriptor
            else:
                yield None
        finally:
            os.close(descriptor)

    @staticmethod
    def tell(descriptor: int, part: float) -> None:
        """Say how much is done, from 0 to 1."""
        with contextlib.suppress(OSError):
            os.pwrite(descriptor, b"%3d" % min(99, int(100 * part)), 0)

    def percent(self) -> int | None:
        """How far the one who has the turn is; 0 where that is not told, None where nobody is."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if _try(descriptor, fcntl.LOCK_SH):
                return None
            return int(os.pread(descriptor, 3, 0).strip() or 0)
        except (OSError, ValueError):
            return 0
        finally:
            os.close(descriptor)


def _lock(descriptor: int, seconds: float | None) -> bool:
    if seconds is None:
        with contextlib.suppress(OSError):  # no locks here: the index is right without
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    end = time.monotonic() + seconds
    while not _try(descriptor, fcntl.LOCK_EX):
        if time.monotonic() >= end:
            return False
        time.sleep(_STEP)
    return True


def _try(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here
    return True
