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
_QUERY = "index,name,uuid,driver_version"


class Device(Struct, frozen=True, kw_only=True):
    """One device.

    Args:
        name: "cpu" or "cuda:N".
        hardware: What traces call it.
        key: What its lock is named by: the GPU's UUID, or "cpu".
        driver: Version of the driver, or "".
    """

    name: str
    hardware: str
    key: str
    driver: str = ""


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
        Device(name=f"cuda:{number}", hardware=hardware, key=uuid, driver=driver)
        for number, (_, hardware, uuid, driver) in enumerate(rows)
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

    Args:
        device: Whose lock.

    Raises:
        OSError: The lock's file cannot be opened.
    """

    def __init__(self, device: Device) -> None:
        self.path = SHARED / f"fitui-device-{device.key}.lock"
        self._descriptor = _open_shared(self.path)

    def acquire(self) -> bool:
        """Take the lock if it is free; True if it is ours now."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock up; the kernel does so too when this process ends."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the lock and the file."""
        os.close(self._descriptor)


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
