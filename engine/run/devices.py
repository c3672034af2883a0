"""Devices that evaluations can run on: their names, and who may use them now."""

from __future__ import annotations

import fcntl
import os
import subprocess
from functools import cache
from pathlib import Path

from msgspec import Struct

SHARED = Path("/tmp")
"""The same folder for every user, whatever TMPDIR says."""
_QUERY = "index,name,uuid,driver_version,compute_cap"


class Device(Struct, frozen=True, kw_only=True):
    """One device.

    Args:
        name: "cpu" or "cuda:N".
        hardware: What traces call it.
        key: What its lock is named by: the GPU's UUID, or "cpu".
        driver: Version of the driver, or "".
        capability: Compute capability without the dot ("90"), or "".
    """

    name: str
    hardware: str
    key: str
    driver: str = ""
    capability: str = ""


class UnknownDevice(LookupError):
    """There is no such device on this machine."""


@cache
def _gpus() -> tuple[Device, ...]:
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [[part.strip() for part in line.split(",")] for line in found.stdout.splitlines()]
    rows = _visible(rows, os.environ.get("CUDA_VISIBLE_DEVICES"))
    return tuple(
        Device(
            name=f"cuda:{number}",
            hardware=hardware,
            key=uuid,
            driver=driver,
            capability="".join(rest).replace(".", ""),
        )
        for number, (_, hardware, uuid, driver, *rest) in enumerate(rows)
    )


def _visible(rows: list[list[str]], choice: str | None) -> list[list[str]]:
    """Rows that CUDA_VISIBLE_DEVICES leaves, in its order: it renumbers the devices."""
    if choice is None:
        return rows
    named = {key: row for row in rows for key in (row[0], row[2])}
    return [named[part] for part in map(str.strip, choice.split(",")) if part in named]


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "CPU"
    for line in text.splitlines():
        if line.startswith("model name"):
            return f"CPU {line.partition(':')[2].strip()}"
    return "CPU"


@cache
def list_devices() -> tuple[Device, ...]:
    """Every device here, GPUs first; the CPU is always last."""
    return (*_gpus(), Device(name="cpu", hardware=_processor(), key="cpu"))


def default_device() -> str:
    """Name of the device that is used when none is asked for."""
    return list_devices()[0].name


def find_devices(text: str) -> list[Device]:
    """Devices that a user's text means.

    Args:
        text: "cpu", "cuda" (the first GPU), "cuda:0,1", "idle" or "auto" (the default device).

    Raises:
        UnknownDevice: One of them is not here.
    """
    known = {device.name: device for device in list_devices()}
    if text in ("", "idle", "auto"):
        return [list_devices()[0]]
    kind, _, numbers = text.partition(":")
    names = [text] if kind == "cpu" else [f"{kind}:{part}" for part in (numbers or "0").split(",")]
    for name in names:
        if name not in known:
            raise UnknownDevice(f"no device {name} here; there is {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


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
        self.path = SHARED / f"fitui-device-{device.key}.lock"
        self._device = _open_shared(self.path)
        self._turn = _open_shared(self.path.with_suffix(".turn"))

    def acquire(self) -> bool:
        """Take the lock if it is free and nobody else's turn; True if it is ours now.

        Where it is not, this must be called again soon or :meth:`release`: others wait behind.
        """
        if not (_take(self._turn) and _take(self._device)):
            return False
        fcntl.flock(self._turn, fcntl.LOCK_UN)
        return True

    def release(self) -> None:
        """Give the lock or the turn up; the kernel does so too when this process ends."""
        fcntl.flock(self._device, fcntl.LOCK_UN)
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the lock and its files."""
        os.close(self._device)
        os.close(self._turn)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open_shared(path: Path) -> int:
    """Open a lock file that any user may have made, or make it for all of them."""
    while True:
        try:
            # Not O_CREAT: in a sticky folder Linux refuses that for another user's file.
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            pass
        try:
            flags = os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o644)
        except FileExistsError:
            continue
        os.fchmod(descriptor, 0o644)
        return descriptor
