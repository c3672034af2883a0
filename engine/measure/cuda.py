"""Timing on a CUDA device: cold L2, a blocked stream, CUPTI activity records or events.

The stream is blocked by cuStreamWaitValue32 on a flag in a page that the guardian shares; the
flag is set once the host has queued the whole call, so launch gaps do not count. If the call
synchronises inside, the guardian sets the flag and later calls are measured unblocked, flagged.
"""

from __future__ import annotations

import ctypes
import mmap
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any

import torch

from engine.measure import gate_page
from engine.measure.timers import Sample

_REGISTER_PORTABLE, _REGISTER_DEVICEMAP = 1, 2
_WAIT_GEQ = 0
_BUFFER = 1 << 20
"""Bytes for activity records; a new one of eight times this cost half a millisecond."""


class CannotBlock(Exception):
    """The driver refuses what a blocked stream needs."""


class StreamGate:
    """Blocks the current stream until it is opened, by us or by the guardian.

    Args:
        page: Descriptor of the shared page.

    Raises:
        CannotBlock: The driver has no stream memory operations here.
    """

    def __init__(self, page: int) -> None:
        self._page = mmap.mmap(page, gate_page.SIZE)
        anchor = ctypes.c_char.from_buffer(self._page)
        address = ctypes.c_void_p(ctypes.addressof(anchor))
        try:
            self._driver = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise CannotBlock(str(error)) from None
        flags = _REGISTER_PORTABLE | _REGISTER_DEVICEMAP
        self._demand(
            "cuMemHostRegister_v2", address, ctypes.c_size_t(gate_page.SIZE), ctypes.c_uint(flags)
        )
        pointer = ctypes.c_uint64()
        self._demand(
            "cuMemHostGetDevicePointer_v2", ctypes.byref(pointer), address, ctypes.c_uint(0)
        )
        self._pointer = pointer

    def _demand(self, name: str, *arguments: Any) -> None:
        code = getattr(self._driver, name)(*arguments)
        if code != 0:
            raise CannotBlock(f"{name} gave CUDA error {code}")

    def close(self) -> None:
        """Block the current stream from here on."""
        gate_page.arm(self._page, time.monotonic_ns())
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        self._demand(
            "cuStreamWaitValue32_v2",
            stream,
            self._pointer,
            ctypes.c_uint32(1),
            ctypes.c_uint(_WAIT_GEQ),
        )

    def open(self) -> bool:
        """Let the stream run.

        Returns:
            True if the guardian had to open it, because the call waited for the device.
        """
        return gate_page.disarm(self._page)


class Activity:
    """Device activity records of this process, from CUPTI."""

    def __init__(self) -> None:
        from cupti import cupti

        self._cupti = cupti
        self._records: list[tuple[int, int, str]] = []
        kinds = cupti.ActivityKind
        names = {kinds.MEMCPY: "memcpy", kinds.MEMSET: "memset"}

        def buffer_wanted() -> tuple[int, int]:
            return _BUFFER, 0

        def buffer_done(activities: list[Any]) -> None:
            for item in activities:
                name = names.get(item.kind) or str(getattr(item, "name", "kernel"))
                self._records.append((item.start, item.end, name))

        cupti.activity_register_callbacks(buffer_wanted, buffer_done)
        for kind in (kinds.CONCURRENT_KERNEL, kinds.MEMCPY, kinds.MEMSET):
            cupti.activity_enable(kind)

    def now(self) -> int:
        """Nanoseconds by the clock of the records."""
        return int(self._cupti.get_timestamp())

    def take(self) -> list[tuple[int, int, str]]:
        """Records since the last call, (start, end, name) in nanoseconds, by start.

        Costs half a millisecond, however few there are.
        """
        self._cupti.activity_flush_all(1)
        records, self._records[:] = sorted(self._records), []
        return records


class CudaTimer:
    """Measures single calls on the current CUDA device, with a cold L2.

    Args:
        page: Descriptor of the page shared with the guardian.
    """

    def __init__(self, page: int) -> None:
        self._flags: list[str] = []
        self._gate: StreamGate | None = None
        try:
            self._gate = StreamGate(page)
        except CannotBlock as error:
            self._flags.append(f"unblocked: {error}")
        self._activity: Activity | None = None
        try:
            self._activity = Activity()
        except Exception as error:  # any failure of CUPTI means: events, and the name says so
            self._flags.append(f"no CUPTI: {type(error).__name__}: {error}")
        if self._activity is not None:
            self.name = "cupti"
        else:
            self.name = "events-blocked" if self._gate else "events"
        size = 2 * torch.cuda.get_device_properties(0).L2_cache_size
        self._flush = torch.empty(max(size, 1 << 20), dtype=torch.uint8, device="cuda")
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)

    def measure(self, call: Callable[[], Any]) -> Sample:
        """See ``Timer``."""
        activity = self._activity
        self._flush.zero_()
        torch.cuda.synchronize()
        # The device is idle now and again at the end: what it does in between is the call's.
        opened = activity.now() if activity is not None else 0
        if self._gate is not None:
            self._gate.close()
        try:
            if activity is None:
                self._start.record()
            begun = time.perf_counter_ns()
            result = call()
            host = time.perf_counter_ns() - begun
            if activity is None:
                self._end.record()
        finally:
            released = self._gate.open() if self._gate is not None else False
        torch.cuda.synchronize()
        closed = activity.now() if activity is not None else 0
        if released:
            self._gate = None
            self._flags.append("host_sync")
        span = 0
        if activity is None:
            span = round(self._start.elapsed_time(self._end) * 1e6)
        return Sample(
            result=result,
            device_ns=span,
            host_ns=host,
            flags=list(self._flags),
            window=(opened, closed),
        )

    def settle(self, samples: Sequence[Sample]) -> None:
        """See ``Timer``: one look at the records for many calls."""
        if self._activity is None:
            return
        records = self._activity.take()
        starts = [start for start, _, _ in records]
        for sample in samples:
            opened, closed = sample.window
            own = records[bisect_left(starts, opened) : bisect_right(starts, closed)]
            if own:
                sample.device_ns = max(end for _, end, _ in own) - own[0][0]
                sample.kernels = [(name, end - start) for start, end, name in own]
