"""Which file of a dataset a new trace goes to."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from engine.store.mounts import network_type


def trace_path(root: Path, author: str, op_type: str, definition: str) -> Path:
    """``traces/<author>/<op_type>/<definition>.jsonl`` below ``root``.

    On a network file system, where appends of several hosts to one file overwrite each other,
    the name also carries host and process.
    """
    name = file_part(definition)
    if network_type(root):
        name += f".{file_part(socket.gethostname())}-{os.getpid()}"
    return root / "traces" / file_part(author) / file_part(op_type) / f"{name}.jsonl"


def file_part(name: str) -> str:
    """``name`` as one harmless part of a path."""
    safe = re.sub(r"[^\w.+@=-]", "_", name).lstrip(".")
    return safe.encode("utf-8", "replace")[:200].decode("utf-8", "ignore") or "_"
