"""Killing a process with everything it started, and knowing that nothing is left."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Set
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def adopt_orphans() -> None:
    """Make orphans among this process's descendants its children instead of init's."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends.

    To the kernel the parent is the thread that started this process: it must live on as well.

    Args:
        parent: Process id that the parent must still have; if it has ended already, so do we.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def forbid_new_privileges() -> None:
    """No set-uid program gives this process or its children more rights."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def descendants(pid: int, keep: Set[int] = frozenset()) -> list[int]:
    """Process ids of everything below ``pid``, from /proc, but ``keep`` and what is below them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        fields = stat[stat.rfind(")") + 2 :].split()
        children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = [child for child in children.get(queue.pop(), []) if child not in keep]
        found += below
        queue += below
    return found


def kill_descendants(limit: float = 5.0) -> tuple[int, int]:
    """Kill everything below this process and collect it. Call as an adopter of orphans.

    Args:
        limit: Seconds after which what still lives is given up as stuck.

    Returns:
        How many processes were killed, and how many could not be.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + limit
    while True:
        living = [pid for pid in descendants(os.getpid()) if not _collect(pid)]
        if not living:
            return len(killed), 0
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            except ProcessLookupError:
                pass
        if time.monotonic() > deadline:
            return len(killed), len(living)
        time.sleep(0.005)


def _collect(pid: int) -> bool:
    """Wait for a child that has ended; True if it is gone."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return not Path(f"/proc/{pid}").exists()
