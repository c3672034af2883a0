"""What a child and everything it starts may use, watched by its guardian.

An address space limit would not do: CUDA reserves more than any machine has. So memory that is
really in use is counted now and then, over the whole tree.
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.run import reap

MEMORY_SHARE = 0.6
"""Of the machine's memory, for one child with everything it starts."""
MOST_PROCESSES = 512
_GIB = 1 << 30


def memory_limit() -> int:
    """Bytes that a child may use on this machine."""
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * MEMORY_SHARE)


class Watch:
    """Looks after the tree below this process.

    Args:
        memory: Bytes that it may use.
        processes: How many it may be.
    """

    def __init__(self, memory: int, processes: int) -> None:
        self._memory = memory
        self._processes = processes

    def too_many(self) -> str:
        """What the tree has too many of, or "". Cheap: asked all the time."""
        if len(_tree(self._processes + 1)) > self._processes:
            return f"it started more than {self._processes} processes"
        return ""

    def too_much(self) -> str:
        """What the tree uses too much of, or ""."""
        used = sum(_memory_of(pid) for pid in _tree(self._processes + 1))
        if used > self._memory:
            return f"it used more than {self._memory / _GIB:.3g} GiB of memory"
        return ""


def _tree(most: int) -> list[int]:
    """Process ids below this process, or as many of them as are of interest."""
    found: list[int] = []
    queue = [os.getpid()]
    while queue and len(found) < most:
        try:
            below = _children(queue.pop())
        except FileNotFoundError:
            return reap.descendants(os.getpid())
        found += below
        queue += below
    return found


def _children(pid: int) -> list[int]:
    """Children of all threads of a process.

    Raises:
        FileNotFoundError: This kernel does not tell.
    """
    found: list[int] = []
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return found
    for task in tasks:
        try:
            text = (task / "children").read_text()
        except OSError:
            if pid == os.getpid():
                raise
            continue
        found += map(int, text.split())
    return found


def _memory_of(pid: int) -> int:
    """Bytes in use by a process, without files that it has mapped."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (OSError, UnicodeDecodeError):
        return 0
    lines = [line.split() for line in status.splitlines() if line.startswith(("RssAn", "RssSh"))]
    return sum(int(line[1]) for line in lines) * 1024
