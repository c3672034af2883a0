"""The store's own processes: how one is started. What it does is its own module's business."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INDEXER = "engine.store.indexer"
DECODER = "engine.store.decoder"

BUSY = 3
"""Exit status of an indexer that found another at work."""


def python_command(module: str) -> tuple[list[str], dict[str, str]]:
    """Command line and environment that run a module of this program."""
    root = os.fspath(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return [sys.executable, "-m", module], {**os.environ, "PYTHONPATH": path}


def start_indexer(layers: Sequence[Path], cache: Path) -> subprocess.Popen[bytes]:
    """Start an indexer.

    It outlives this process, so that what it has begun is not lost.

    Raises:
        OSError: It cannot be started.
    """
    command, environment = python_command(INDEXER)
    folders = [os.fspath(folder.absolute()) for folder in (cache, *layers)]
    return subprocess.Popen(
        [*command, "--cache", folders[0], "--", *folders[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,
    )
