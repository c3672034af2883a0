"""Named sets of workloads: files of uuids, one a line, that ``set:NAME`` in a filter means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from engine.places import data_dir

_NAME = re.compile(r"[\w.-]+")


def sets_dir() -> Path:
    """Folder with one file per set."""
    return data_dir() / "sets"


def read_set(name: str) -> list[str]:
    """uuids of a set. Blank lines and what follows ``#`` do not count.

    Raises:
        LookupError: There is no set of this name; the message names those there are.
    """
    try:
        text = _file(name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        known = ", ".join(list_sets()) or "none yet"
        raise LookupError(f"there is no set {name!r} of workloads; there is {known}") from None
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def write_set(name: str, workloads: Iterable[str]) -> Path:
    """Keep a set under a name, in place of one that had it before.

    Returns:
        Its file.

    Raises:
        ValueError: The name is no file's name.
        OSError: It cannot be written.
    """
    path = _file(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text("".join(f"{uuid}\n" for uuid in workloads), encoding="utf-8")
    temporary.rename(path)
    return path


def list_sets() -> list[str]:
    """Names of all sets."""
    return sorted(path.stem for path in sets_dir().glob("*.txt"))


def _file(name: str) -> Path:
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise ValueError(f"a set is named by letters, digits, '.', '_' and '-', not {name!r}")
    return sets_dir() / f"{name}.txt"
