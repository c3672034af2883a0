"""Timers: each measures one call and says by its name how.

``cpu-clock``          the host's monotonic clock around the call
``cupti``              device activity records: first start to last end of all that the call did
``kineto``             the same records by PyTorch's profiler
``events-blocked``     CUDA events in a stream that was blocked until the call was queued
``events``             CUDA events where the stream cannot be blocked
``flashinfer``         flashinfer-bench's trials: the same records, but launch gaps count
``flashinfer-events``  its trials as it makes them without cupti-python: CUDA events

The last two are no timers of single calls; :func:`make_trial_timer` makes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import torch
from msgspec import Struct, field

from engine.schema.timers import FLASHINFER

if TYPE_CHECKING:
    from engine.measure.flashinfer_timer import FlashinferTimer


class CannotMeasure(Exception):
    """The timer that was asked for does not work here."""


class Sample(Struct, kw_only=True):
    """One timed call; times in nanoseconds.

    Args:
        result: What the call returned.
        device_ns: The headline: device time, or the host's on the CPU device.
        host_ns: How long the host was busy with the call.
        busy_ns: How long of that the device was at work, where known.
        activities: Kernels, copies and memsets, where known.
        clock_mhz: Of the multiprocessors just before the call, or 0.
        kernels: [name, duration] of each device activity, in order of start, where known.
        flags: Conditions that a reader should know.
        window: Between which moments the device had nothing else to do, by its own clock; (0, 0)
            where that is not how it is measured.
    """

    result: Any
    device_ns: int
    host_ns: int
    busy_ns: int = 0
    activities: int = 0
    clock_mhz: float = 0.0
    kernels: list[tuple[str, int]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    window: tuple[int, int] = (0, 0)


class Timer(Protocol):
    """Measures single calls, block by block."""

    name: str

    def begin(self, *, afresh: bool = False) -> None:
        """Before the first call of a block.

        Args:
            afresh: The first block of a series: what was learned of other calls does not count.
        """

    def preparing(self) -> AbstractContextManager[Any]:
        """Wherein inputs for the next call are made, so that this is not taken for its work."""

    def measure(self, call: Callable[[], Any], *, cold: bool = True) -> Sample:
        """Make the call and measure it; lets its exceptions through.

        What the device says of it may come later, by :meth:`settle`.

        Args:
            call: Makes it.
            cold: With an L2 cache that holds nothing of the inputs; else once before, untimed.
        """

    def settle(self, samples: Sequence[Sample]) -> None:
        """Complete all samples that were measured since ``begin``."""


class CpuTimer:
    """The host's monotonic clock. The inputs were copied just before, so caches are warm."""

    name = "cpu-clock"

    def begin(self, *, afresh: bool = False) -> None:
        """See ``Timer``."""

    def preparing(self) -> AbstractContextManager[Any]:
        """See ``Timer``."""
        return nullcontext()

    def measure(self, call: Callable[[], Any], *, cold: bool = True) -> Sample:
        """See ``Timer``."""
        start = time.perf_counter_ns()
        result = call()
        elapsed = time.perf_counter_ns() - start
        return Sample(result=result, device_ns=elapsed, host_ns=elapsed)

    def settle(self, samples: Sequence[Sample]) -> None:
        """See ``Timer``: nothing is missing."""


def make_timer(device: torch.device, page: int, wanted: str = "auto") -> Timer:
    """The timer that is wanted, or the best that works on a device.

    Args:
        device: Where the calls run.
        page: Descriptor of the memory file whose flag unblocks a stream.
        wanted: One of ``names.NAMES``, but for ``FLASHINFER``.

    Raises:
        CannotMeasure: It does not work here.
    """
    if device.type == "cpu":
        if wanted not in ("auto", CpuTimer.name):
            raise CannotMeasure(f"the timer {wanted!r} needs a GPU")
        return CpuTimer()
    from engine.measure.cuda import CudaTimer

    return CudaTimer(page, wanted)


def make_trial_timer(device: torch.device) -> FlashinferTimer:
    """The timer that makes flashinfer-bench's trials.

    Raises:
        CannotMeasure: The device is no GPU.
    """
    if device.type == "cpu":
        raise CannotMeasure(f"the timer {FLASHINFER!r} needs a GPU")
    from engine.measure.flashinfer_timer import FlashinferTimer

    return FlashinferTimer()
