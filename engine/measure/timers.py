"""Timers: each measures one call and says by its name how.

``cpu-clock``       the host's monotonic clock around the call
``cupti``           device activity records: first start to last end of all that the call did
``events-blocked``  CUDA events in a stream that was blocked until the call was queued
``events``          CUDA events where the stream cannot be blocked
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from msgspec import Struct, field


class Sample(Struct, kw_only=True):
    """One timed call; times in nanoseconds.

    Args:
        result: What the call returned.
        device_ns: The headline: device time, or the host's on the CPU device.
        host_ns: How long the host was busy with the call.
        kernels: [name, duration] of each device activity, in order of start, where known.
        flags: Conditions that a reader should know.
        window: Between which moments the device had nothing else to do, by its own clock; (0, 0)
            where that is not how it is measured.
    """

    result: Any
    device_ns: int
    host_ns: int
    kernels: list[tuple[str, int]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    window: tuple[int, int] = (0, 0)


class Timer(Protocol):
    """Measures single calls."""

    name: str

    def measure(self, call: Callable[[], Any]) -> Sample:
        """Make the call and measure it; lets its exceptions through.

        What the device says of it may come later, by :meth:`settle`.
        """

    def settle(self, samples: Sequence[Sample]) -> None:
        """Complete all samples that were measured since the last call of this."""


class CpuTimer:
    """The host's monotonic clock. The inputs were copied just before, so caches are warm."""

    name = "cpu-clock"

    def measure(self, call: Callable[[], Any]) -> Sample:
        """See ``Timer``."""
        start = time.perf_counter_ns()
        result = call()
        elapsed = time.perf_counter_ns() - start
        return Sample(result=result, device_ns=elapsed, host_ns=elapsed)

    def settle(self, samples: Sequence[Sample]) -> None:
        """See ``Timer``: nothing is missing."""


def make_timer(device: torch.device, page: int) -> Timer:
    """The best timer that works on a device.

    Args:
        device: Where the calls run.
        page: Descriptor of the memory file whose flag unblocks a stream.
    """
    if device.type == "cpu":
        return CpuTimer()
    from engine.measure.cuda import CudaTimer

    return CudaTimer(page)
