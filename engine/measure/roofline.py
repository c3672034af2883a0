"""The roofline: how fast a device could be at most for what a workload must do.

Williams, Waterman, Patterson: "Roofline: an insightful visual performance model for multicore
architectures", 2009. Ceilings are measured, not taken from data sheets. Nothing here knows torch.
"""

from __future__ import annotations

import math

from msgspec import Struct

from engine.measure.facts import Work


class Ceilings(Struct, kw_only=True, frozen=True):
    """The best that one device was seen to do.

    Args:
        read_gb_s: Reading memory, in 10^9 bytes a second.
        copy_gb_s: Copying within memory, bytes read and bytes written together.
        l2_bytes: Size of the last cache before memory.
        tflops: 10^12 operations a second, by the names that ``Work.flops`` uses, and ``fp32``.
    """

    read_gb_s: float
    copy_gb_s: float
    l2_bytes: int
    tflops: dict[str, float]


class Limit(Struct, kw_only=True, frozen=True):
    """The shortest time that the ceilings allow.

    Args:
        us: Microseconds of device time, of a call with cold caches.
        by: What it takes them for: ``memory``, or the kind of operations that takes longest.
    """

    us: float
    by: str


_ABLE: dict[str, tuple[str, ...]] = {
    "fp4": ("fp4", "fp8", "fp16", "bf16", "tf32", "fp32"),
    "fp8": ("fp8", "fp16", "bf16", "tf32", "fp32"),
    # float16 has the finer numbers; ordinary ones are within its range.
    "bf16": ("bf16", "fp16", "tf32", "fp32"),
    "fp16": ("fp16", "tf32", "fp32"),
    "tf32": ("tf32", "fp32"),
    "fp32": ("fp32",),
    "vector": ("vector", "fp32"),
}
"""Rates at which operations can run: their own, and those of units that can do no less."""
_VECTOR = "vector"


def limit_of(work: Work, ceilings: Ceilings) -> Limit | None:
    """The shortest time that a workload can take with cold caches.

    Memory, the matrix units and the vector units work side by side, so the longest of the three
    counts. Products of different precisions add up: they run on the same matrix units.

    Returns:
        The limit, or None where a ceiling is unknown or nothing must be done.
    """
    took: dict[str, float] = {}
    for kind, operations in work.flops.items():
        rate = max((ceilings.tflops.get(able, 0.0) for able in _ABLE.get(kind, ())), default=0.0)
        if rate <= 0:
            return None
        took[kind] = operations / (rate * 1e6)
    bounds = {"memory": _memory_us(work, ceilings), _VECTOR: took.pop(_VECTOR, 0.0)}
    if took:
        bounds[max(took, key=lambda kind: took[kind])] = sum(took.values())
    by = max(bounds, key=lambda kind: bounds[kind])
    return Limit(us=bounds[by], by=by) if 0 < bounds[by] < math.inf else None


def percent(limit_us: float | None, latency_us: float | None) -> float | None:
    """How near a latency is to the limit; above 100 it is shorter than the ceilings allow.

    Returns:
        Percent, or None where either is unknown.
    """
    if limit_us is None or latency_us is None or latency_us <= 0:
        return None
    return 100.0 * limit_us / latency_us


def _memory_us(work: Work, ceilings: Ceilings) -> float:
    """Microseconds that memory is busy; infinite where its rate is unknown.

    A kernel has ended when what it wrote is in the cache, so that only what the cache cannot hold
    need reach memory in that time. Both directions share the bus, and a mixture of them is never
    faster than the fastest stream that was seen.
    """
    if ceilings.read_gb_s <= 0:
        return math.inf
    spilled = max(0, work.written_bytes - ceilings.l2_bytes)
    fastest = max(ceilings.read_gb_s, ceilings.copy_gb_s)
    return max(
        work.read_bytes / (ceilings.read_gb_s * 1e3),
        (work.read_bytes + spilled) / (fastest * 1e3),
    )
