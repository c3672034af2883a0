"""When the user was last here, so that a filter's ``is:new`` can tell what came since.

A visit begins when the screens open and lasts until they were last seen open; a visit that was
cut off ends where it was last noted.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.places import state_dir


class Visits(Struct):
    """Unix seconds: the end of the last visit, and how far the present one is known to go."""

    last: float = 0.0
    present: float = 0.0


def _file() -> Path:
    return state_dir() / "visits.json"


def read() -> Visits:
    """What is noted; nothing where the file is missing or spoilt."""
    try:
        return msgspec.json.decode(_file().read_bytes(), type=Visits)
    except (OSError, msgspec.DecodeError):
        return Visits()


def begin() -> None:
    """A visit begins: the one before is now the last."""
    _write(Visits(last=read().present, present=time.time()))


def note() -> None:
    """The present visit goes on."""
    _write(Visits(last=read().last, present=time.time()))


def _write(visits: Visits) -> None:
    path = _file()
    temporary = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(msgspec.json.encode(visits))
        temporary.rename(path)
    except OSError:
        # A state folder that cannot be written has been reported elsewhere.
        return
