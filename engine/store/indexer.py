"""The indexer: brings an index up to date in a process of its own, while others read it.

``python -m engine.store.indexer --cache FOLDER LAYER...`` ends at once where another process has
the turn. It may be killed at any time: what is not committed is done by the next one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.store.index import Index
from engine.store.processes import BUSY
from engine.store.sync import apply, look
from engine.store.turn import Turn

NICE = 10
_ROUNDS = 20


def run(layers: Sequence[Path], cache: Path) -> int:
    """Index until nothing is left to do.

    Returns:
        Exit status: 0, or 3 where another process has the turn.
    """
    index = Index(layers, cache)
    try:
        turn = Turn(index.path)
        with turn.take(0.0) as mine:
            if mine is None:
                return BUSY
            for _ in range(_ROUNDS):  # files may change meanwhile
                pending = look(index, layers)
                if not pending.size:
                    break
                apply(index, layers, pending, lambda part: turn.tell(mine, part))
        return 0
    finally:
        index.close()


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m engine.store.indexer")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("layers", type=Path, nargs="+")
    args = parser.parse_args()
    with contextlib.suppress(OSError):
        os.nice(NICE)
    return run(args.layers, args.cache)


if __name__ == "__main__":
    sys.exit(main())
