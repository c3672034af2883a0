"""Which folders a dataset is read from, and which one of them is written to.

A dataset is an ordered list of folders (layers), lowest first; the last takes new solutions and
traces. Nothing here creates a folder or looks into one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from engine.places import data_dir

FOLDERS = ("definitions", "solutions", "workloads", "traces")
"""The folders of a layer that hold documents; ``blob`` holds tensors."""

VARIABLE = "FIB_DATASET_PATH"


def bundled_dataset() -> Path:
    """The dataset that comes with the program: the package folder beside ``engine``."""
    return Path(__file__).resolve().parents[2] / "flashinfer_trace"


def is_writable(folder: Path) -> bool:
    """True where new files may be put into ``folder``.

    A folder without a write bit for anyone counts as read-only for the superuser too: whoever
    took the bits away meant it.
    """
    try:
        return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def resolve_layers(
    dataset: str | Path | None = None, *, overlay: str | Path | None = None
) -> list[Path]:
    """Folders to read a dataset from, lowest first; the last is the one to write to.

    Args:
        dataset: Folder; where None, ``$FIB_DATASET_PATH``, else the bundled dataset.
        overlay: Folder for what is new. Where None, a writable dataset is its own overlay, and
            the bundled or a read-only one gets a folder under the user's data folder.

    Returns:
        Absolute paths. The overlay need not exist yet.

    Raises:
        FileNotFoundError: There is no such dataset folder.
    """
    named = os.environ.get(VARIABLE)
    if dataset is not None:
        root, origin = Path(dataset), ""
    elif named:
        root, origin = Path(named), f" (from ${VARIABLE})"
    else:
        root, origin = bundled_dataset(), ""
    root = absolute(root)
    if not root.is_dir():
        reason = "is not a folder" if root.exists() else "does not exist"
        raise FileNotFoundError(f"The dataset folder {root}{origin} {reason}.")
    if overlay is not None:
        return unique_layers([root, absolute(overlay)])
    bundled = root.resolve() == bundled_dataset()
    if is_writable(root) and not bundled:
        return [root]
    return [root, data_dir() / "overlays" / _overlay_name(root, bundled)]


def absolute(path: str | Path) -> Path:
    """``path`` from the root, with ``~`` and ``..`` worked out and links as they are."""
    full = Path(path).expanduser().absolute()
    return full.resolve() if ".." in full.parts else full


def _overlay_name(root: Path, bundled: bool) -> str:
    if bundled:
        return "flashinfer_trace"
    real = root.resolve()
    digest = hashlib.blake2b(os.fsencode(real), digest_size=4).hexdigest()
    return f"{real.name or 'root'}-{digest}"


def unique_layers(layers: Sequence[Path]) -> list[Path]:
    """``layers`` with each real folder once, at its highest place."""
    kept: dict[Path, Path] = {}
    for layer in reversed(layers):
        kept.setdefault(layer.resolve(), layer)
    return list(reversed(kept.values()))
