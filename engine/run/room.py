"""How many copies of a workload's inputs there is room for on a device.

A solution's process and the reference's each hold every input set and, for the calls, fresh copies
of one: from two memory pools, since calls are prepared on another stream than they run on.
"""

from __future__ import annotations

import torch

SHARE = 0.85
"""Of the device's memory that inputs may take; the rest is for outputs and what is in between."""
_PROCESSES = 2
_FRESH = 2


def device_memory(device: torch.device) -> int:
    """Bytes on the current GPU; 0 for the host, whose limits the runner sets."""
    if device.type != "cuda":
        return 0
    _, total = torch.cuda.mem_get_info()
    return int(total)


def give_back(device: torch.device) -> None:
    """Let go of unused memory where it is so much that another process may lack it."""
    if device.type == "cuda" and torch.cuda.memory_reserved() > device_memory(device) // 16:
        torch.cuda.empty_cache()


def most_sets(nbytes: int, memory: int) -> int | None:
    """How many input sets both processes can hold, at least one; None for any number.

    Args:
        nbytes: Of one set.
        memory: Of the device; 0 where there is no limit.
    """
    if not nbytes or not memory:
        return None
    return max(1, int(SHARE * memory / _PROCESSES / nbytes) - _FRESH)


def has_room_for_copies(nbytes: int, memory: int) -> bool:
    """Whether calls can get fresh copies of even a single set; else each gets the same tensors."""
    return not memory or _PROCESSES * (1 + _FRESH) * nbytes <= SHARE * memory
