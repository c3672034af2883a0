"""Facts about processes of this machine, also of other users', as /proc tells them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from msgspec import Struct


class Facts(Struct, frozen=True):
    """What everybody may know about a process.

    Args:
        pid: Its id.
        parent: Process id of its parent, or 0.
        uid: Its real user; /proc/PID itself belongs to root where a process may not be dumped.
        command: Name of its program.
    """

    pid: int
    parent: int
    uid: int
    command: str


def read_facts(pid: int) -> Facts | None:
    """Facts about a process; None where it has ended or is hidden from us."""
    try:
        text = Path(f"/proc/{pid}/status").read_bytes().decode(errors="replace")
    except OSError:
        return None
    fields = dict(line.partition(":\t")[::2] for line in text.split("\n"))
    try:
        parent, uid = int(fields["PPid"]), int(fields["Uid"].split()[0])
    except (KeyError, ValueError, IndexError):
        return None
    return Facts(pid=pid, parent=parent, uid=uid, command=fields.get("Name", ""))


def read_arguments(pid: int) -> list[str]:
    """Command line of a process; none where it has ended or is hidden from us."""
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return data.decode(errors="replace").rstrip("\0").split("\0")


def lineage(pid: int) -> Iterator[int]:
    """A process, its parent, and so on up to the first."""
    seen: set[int] = set()
    # An id that is given to another process meanwhile could close a circle.
    while pid > 0 and pid not in seen:
        seen.add(pid)
        yield pid
        facts = read_facts(pid)
        pid = facts.parent if facts else 0


def exists(pid: int) -> bool:
    """Whether there is such a process, even one that /proc hides from us (hidepid)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


@cache
def user_name(uid: int) -> str:
    """Name of a user, or the number where it has none here."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
