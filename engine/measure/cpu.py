"""Which processors timed calls are held to on the CPU device."""

from __future__ import annotations

import os
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")


def timing_cpus() -> set[int]:
    """One processor of each core that this process may use.

    Two threads of one core slow each other down, by how much depends on what both do.
    """
    chosen: dict[str, int] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        try:
            core = (_CPUS / f"cpu{cpu}/topology/thread_siblings_list").read_text()
        except OSError:
            core = str(cpu)
        chosen.setdefault(core, cpu)
    return set(chosen.values())
