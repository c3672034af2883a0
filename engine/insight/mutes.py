"""Causes that the user wants to see no more: a file in the state folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.places import state_dir


class Mute(Struct):
    """What was muted: the cause as it read then, and since when, in Unix seconds."""

    line: str = ""
    since: float = 0.0


def read_mutes() -> dict[str, Mute]:
    """What is muted, by key; nothing where the file is missing or spoilt."""
    try:
        return msgspec.json.decode(_file().read_bytes(), type=dict[str, Mute])
    except (OSError, msgspec.DecodeError):
        return {}


def toggle_mute(key: str, line: str) -> bool:
    """Mute a cause, or have it seen again.

    Returns:
        True where it is muted now.

    Raises:
        OSError: The state folder cannot be written.
    """
    mutes = read_mutes()
    if mutes.pop(key, None) is None:
        mutes[key] = Mute(line=line, since=time.time())
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(mutes)))
    temporary.rename(path)
    return key in mutes


def _file() -> Path:
    return state_dir() / "muted.json"
