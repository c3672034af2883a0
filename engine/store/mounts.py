"""Which kind of file system a path lies on, and whether other hosts may change it unseen."""

from __future__ import annotations

import re
from pathlib import Path

NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "daos", "davfs", "glusterfs", "gpfs", "lustre"}
    | {"nfs", "nfs4", "orangefs", "pvfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "wekafs"}
)
"""Types on which inotify does not report what other machines do (inotify(7), BUGS)."""


def file_system_type(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Type of the file system that ``path``, or its nearest existing parent, lies on.

    Args:
        path: Any path.
        mounts: Table of mounts in the form of fstab(5).

    Returns:
        A name as the kernel gives it ("ext4", "nfs4", "fuse.sshfs"), or "" where unknown.
    """
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    real = path.resolve()
    best, found = -1, ""
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(_unescape(fields[1]))
        depth = len(point.parts)
        # A later line mounts over an earlier one of the same place.
        if depth >= best and real.is_relative_to(point):
            best, found = depth, fields[2]
    return found


def network_type(path: Path) -> str:
    """The file system's type where it is a network or FUSE one, else ""."""
    found = file_system_type(path)
    return found if found in NETWORK or found.split(".")[0] == "fuse" else ""


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
