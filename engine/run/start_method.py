"""Whether children are forked or spawned on this machine.

Forking is the default and is asserted to be safe at each start. A machine on which it is not,
although nothing shows it (``benchmarks/probe_chain.py`` finds out), can be told to spawn.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.places import state_dir

VARIABLE = "FITUI_START_METHOD"


def choice_file() -> Path:
    """Where the choice for this machine is kept."""
    return state_dir() / "start_method"


def must_spawn() -> bool:
    """True if children must be fresh interpreters: by the environment, else by the file."""
    chosen = os.environ.get(VARIABLE)
    if chosen is None:
        try:
            chosen = choice_file().read_text()
        except OSError:
            return False
    return chosen.strip() == "spawn"


def remember(method: str) -> Path:
    """Keep the choice for this machine.

    Args:
        method: "fork" or "spawn".

    Returns:
        The file that keeps it.

    Raises:
        OSError: The state folder cannot be written.
    """
    path = choice_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{method}\n")
    return path
