"""The lock on a device that all users of the machine share, and who holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from msgspec import Struct

from engine.run.devices import Device
from engine.run.proc import read_facts, user_name

SHARED = Path(os.environ.get("FITUI_LOCKS", "/tmp"))
"""The same folder for every user, whatever TMPDIR says. Containers that share GPUs can be given one
that they share as well."""


class Holder(Struct, frozen=True):
    """Who holds a lock.

    Args:
        pid: The process, or 0 where it is hidden from us.
        user: Whose it is, or "".
    """

    pid: int
    user: str


def lock_path(device: Device) -> Path:
    """The file by which a device is locked."""
    return SHARED / f"fitui-device-{device.key}.lock"


def find_holder(device: Device) -> Holder | None:
    """Who holds the lock of a device now; None where nobody does. Makes no files."""
    try:
        descriptor = _open(lock_path(device))
    except OSError:
        return None
    try:
        pid = _holding(_name(descriptor))
        if pid is None:
            # The kernel leaves out processes that we cannot see (of another container).
            return None if _is_free(descriptor) else Holder(0, "")
    finally:
        os.close(descriptor)
    facts = read_facts(pid)
    return Holder(pid, user_name(facts.uid) if facts else "")


class DeviceLock:
    """An advisory lock on a device that all users of the machine share.

    Whoever waits holds a second lock, the turn: who gives the device up and wants it again at
    once must let the one that waits go first.

    Args:
        device: Whose lock.

    Raises:
        OSError: The lock's files cannot be opened.
    """

    def __init__(self, device: Device) -> None:
        self.path = lock_path(device)
        self._turn_path = self.path.with_suffix(".turn")
        self._of = device
        self._open()

    def _open(self) -> None:
        self._device = _open_shared(self.path)
        self._turn = _open_shared(self._turn_path)

    def acquire(self) -> bool:
        """Take the lock if it is free and nobody else's turn; True if it is ours now.

        Where it is not, this must be called again soon or :meth:`release`: others wait behind.
        """
        if not (_is_at(self._device, self.path) and _is_at(self._turn, self._turn_path)):
            # Somebody has tidied up: whoever comes next locks a new file, and so must we.
            stale = self._device, self._turn
            self._open()
            for descriptor in stale:
                os.close(descriptor)
        if not (_take(self._turn) and _take(self._device)):
            return False
        fcntl.flock(self._turn, fcntl.LOCK_UN)
        # What is read now and then is not old to what tidies the folder up.
        os.read(self._device, 1)
        os.read(self._turn, 1)
        return True

    def holder(self) -> Holder | None:
        """Who holds the lock now: another process, or ours; None where nobody does."""
        return find_holder(self._of)

    def release(self) -> None:
        """Give the lock or the turn up; the kernel does so too when this process ends."""
        fcntl.flock(self._device, fcntl.LOCK_UN)
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the lock and its files."""
        os.close(self._device)
        os.close(self._turn)


def _take(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_free(descriptor: int) -> bool:
    """Whether nobody holds a lock: found out by sharing it for an instant."""
    if not _take(descriptor, fcntl.LOCK_SH):
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _open(path: Path) -> int:
    # Not O_CREAT: in a sticky folder Linux refuses that for another user's file.
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)


def _open_shared(path: Path) -> int:
    """Open a lock file that any user may have made, or make it for all of them."""
    while True:
        try:
            return _open(path)
        except FileNotFoundError:
            pass
        try:
            flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o644)
        except FileExistsError:
            continue
        os.fchmod(descriptor, 0o644)
        return descriptor


def _name(descriptor: int) -> str:
    """What /proc/locks calls an open file: device and inode numbers ("fe:00:2148071").

    On overlays and btrfs they differ from those that ``stat`` tells: the device's is that of the
    mount, and the inode's that of the descriptor where the kernel tells it (5.14 and later).
    """
    found = os.fstat(descriptor)
    inode, mount = str(found.st_ino), ""
    major, minor = os.major(found.st_dev), os.minor(found.st_dev)
    for line in _lines(f"/proc/self/fdinfo/{descriptor}"):
        key, _, value = line.partition(":")
        if key == "ino":
            inode = value.strip()
        elif key == "mnt_id":
            mount = value.strip()
    for line in _lines("/proc/self/mountinfo"):
        fields = line.split()
        if fields[0] == mount:
            major, minor = map(int, fields[2].split(":"))
    return f"{major:02x}:{minor:02x}:{inode}"


def _holding(name: str) -> int | None:
    """Process that holds an flock on a file, by its name in /proc/locks; 0 where it is hidden."""
    for line in _lines("/proc/locks"):
        # 1: FLOCK  ADVISORY  WRITE 20278 fe:00:2148071 0 EOF; one that waits has "->" second.
        fields = line.split()
        if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5] == name:
            return max(0, int(fields[4]))
    return None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []
