"""Writing solutions into a dataset: one file a name, and every version kept beside it.

flashinfer-bench refuses a dataset with two solutions of one name, so the dataset holds the newest
version only; the others lie in the user's data folder, by their content hash.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from msgspec import json

from engine.places import data_dir
from engine.schema import SchemaError, Solution, decode, encode_pretty
from engine.store.filing import file_part


def versions_dir() -> Path:
    """Folder with one file per version of a solution."""
    return data_dir() / "versions"


def save_solution(root: Path, op_type: str, solution: Solution) -> tuple[Path, bool]:
    """Write a solution into a dataset's folder, in place of its former version.

    Args:
        root: Folder that may be written: the dataset's last layer.
        op_type: Of its definition.
        solution: What to write.

    Returns:
        Its file, and whether anything changed.

    Raises:
        OSError: It cannot be written.
    """
    folder = root / "solutions" / file_part(solution.author) / file_part(op_type)
    path = folder / file_part(solution.definition) / f"{file_part(solution.name)}.json"
    former = _read(path)
    if former is not None:
        keep_version(former)
    keep_version(solution)
    if former is not None and former == solution:
        return path, False
    _write(path, encode_pretty(solution))
    return path, True


def keep_version(solution: Solution) -> Path:
    """Keep a version for as long as the user's data folder lasts."""
    path = versions_dir() / f"{solution.content_hash()}.json"
    if not path.exists():
        _write(path, encode_pretty(solution))
    return path


def find_version(name: str, version: str) -> Solution | None:
    """A kept version of a solution; None where it was not kept.

    Args:
        name: Of the solution.
        version: Content hash, or the beginning of one.
    """
    if not version.isalnum():
        return None
    for path in sorted(versions_dir().glob(f"{version}*.json")):
        found = _read(path)
        if found is not None and found.name == name:
            return found
    return None


def kept_versions(name: str) -> list[tuple[Solution, float]]:
    """Every kept version of a solution, and since when it is kept (Unix seconds); newest first.

    Args:
        name: Of the solution.
    """
    # Most files are other solutions': they are told by a search, and not decoded.
    wanted = b'"name": ' + json.encode(name)
    found: list[tuple[Solution, float]] = []
    for path in versions_dir().glob("*.json"):
        try:
            since = path.stat().st_mtime
            is_other = wanted not in path.read_bytes()
        except OSError:
            continue
        if not is_other and (version := _read(path)) is not None and version.name == name:
            found.append((version, since))
    return sorted(found, key=lambda item: item[1], reverse=True)


def _read(path: Path) -> Solution | None:
    try:
        return decode(path.read_bytes(), Solution, file=str(path))
    except (OSError, SchemaError):
        return None


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
