"""What a user wants of devices, remembered in the state folder: use, avoid, quarantine.

Devices are named by their keys (UUIDs), so that a state folder may serve several machines.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from engine.places import state_dir

Mark = Literal["use", "avoid"]

_VERSION = 1
_notices: list[str] = []


class Quarantine(Struct, frozen=True):
    """Why a device is not used until a person has looked at it.

    Args:
        reason: What happened.
        time: When, Unix seconds.
        run: Id of the run to which it happened, or "".
    """

    reason: str
    time: float
    run: str


class _Kept(Struct, kw_only=True):
    version: int = _VERSION
    marks: dict[str, Mark] = {}
    quarantined: dict[str, Quarantine] = {}


def preferences_file() -> Path:
    """Where it is all kept."""
    return state_dir() / "devices.json"


def marks() -> dict[str, Mark]:
    """Marked devices: "avoid" is never chosen for the user, "use" before all without a mark."""
    return _read().marks


def quarantined() -> dict[str, Quarantine]:
    """Devices that are not used until they are released."""
    return _read().quarantined


def mark(key: str, how: Mark) -> None:
    """Mark a device, in place of the mark that it had.

    Raises:
        OSError: The state folder cannot be written.
    """
    with _edit() as kept:
        kept.marks[key] = how


def forget(key: str) -> Mark | None:
    """Take the mark off a device; returns the one that it had.

    Raises:
        OSError: The state folder cannot be written.
    """
    with _edit() as kept:
        return kept.marks.pop(key, None)


def quarantine(key: str, reason: str, run: str) -> None:
    """Have a device left alone from now on; what it was quarantined for before is kept.

    Args:
        key: Of the device.
        reason: What happened.
        run: Id of the run to which it happened, or "".

    Raises:
        OSError: The state folder cannot be written.
    """
    with _edit() as kept:
        kept.quarantined.setdefault(key, Quarantine(reason, time.time(), run))


def release(key: str) -> Quarantine | None:
    """Put a device back; returns what it was quarantined for.

    Raises:
        OSError: The state folder cannot be written.
    """
    with _edit() as kept:
        return kept.quarantined.pop(key, None)


def take_notices() -> list[str]:
    """What a person should know of the file since this was last asked."""
    taken = _notices.copy()
    del _notices[: len(taken)]
    return taken


def _read() -> _Kept:
    try:
        return _decode()
    except (OSError, ValueError):
        pass
    try:
        with _locked():
            return _read_or_set_aside()
    except OSError as error:
        notice = f"{preferences_file()} cannot be read ({error.strerror}); it is not heeded"
        if notice not in _notices:
            _notices.append(notice)
        return _Kept()


@contextlib.contextmanager
def _edit() -> Iterator[_Kept]:
    """What is kept, to be changed; written at the end, while no other process edits it."""
    with _locked():
        kept = _read_or_set_aside()
        yield kept
        path = preferences_file()
        temporary = path.with_suffix(".new")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1))
        temporary.rename(path)


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    path = preferences_file().with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _decode() -> _Kept:
    """What the file holds.

    Raises:
        OSError: It cannot be read.
        ValueError: It is spoilt, or of another version.
    """
    try:
        data = preferences_file().read_bytes()
    except FileNotFoundError:
        return _Kept()
    kept = msgspec.json.decode(data, type=_Kept)
    if kept.version != _VERSION:
        raise ValueError(f"it is of version {kept.version}")
    return kept


def _read_or_set_aside() -> _Kept:
    """What the file holds; nothing where it is spoilt, and then it is moved out of the way."""
    path = preferences_file()
    try:
        return _decode()
    except ValueError as error:
        aside = path.with_suffix(".damaged")
        path.rename(aside)
        _notices.append(
            f"{path} was not usable ({error}). It was set aside as {aside}; "
            "marks and quarantines of devices are forgotten."
        )
        return _Kept()
