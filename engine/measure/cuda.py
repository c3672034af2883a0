"""Timing on a CUDA device: a blocked stream, a cold or warm L2, activity records or events.

A sample goes like this. On a stream of our own: inputs are made, twice the L2 cache is written
and its lines are dropped, so that none has to be written back during the call. The device is
waited for. The caller's stream is blocked; a kernel of known cycles is queued, then the call;
the stream is opened. From the records: what ran in the window belongs to the call, that kernel
tells the clock, and what ran outside, on any stream but ours, was launched late.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import torch

from engine.measure.activity import Record, make_recorder
from engine.measure.attribution import Share, attribute
from engine.measure.driver import DISCARD, LINE, SPIN, Driver, DriverRefused, Kernels
from engine.measure.gate import StreamGate
from engine.measure.timers import CannotMeasure, Sample

CLOCK_CYCLES = 30_000
"""Of the kernel that tells the clock: 15 us at 2 GHz."""
CLOCK_OVERHEAD_NS = 520
"""What a kernel's record is longer than its work (H200); an error of 150 is one of 1 % in MHz."""
_QUEUED = 600
"""Activities that may be queued on a blocked stream; from 1,024 on a launch waits."""
_LISTEN_S = 0.001
"""After a block, for work that somebody launches once the call has returned."""

HOST_SYNC = "host_sync"
LATE = "late work"
NOTHING = "no device work"
STREAMS = "other streams"


class CudaTimer:
    """Measures single calls on the current CUDA device.

    Args:
        page: Descriptor of the page shared with the guardian.
        wanted: One of ``names.NAMES``.

    Raises:
        CannotMeasure: It does not work here.
    """

    def __init__(self, page: int, wanted: str = "auto") -> None:
        # A context is what every call of the driver needs.
        torch.cuda.synchronize()
        self._flags: list[str] = []
        self._driver: Driver | None = None
        self._kernels: Kernels | None = None
        self._gate: StreamGate | None = None
        self._blocking = True
        try:
            self._driver = Driver()
            try:
                self._kernels = Kernels(self._driver)
            except DriverRefused as error:
                self._flags.append(f"clock unknown: {error}")
            self._gate = StreamGate(page, self._driver, self._kernels)
        except DriverRefused as error:
            self._flags.append(f"unblocked: {error}")
        troubles: list[str] = []
        self._recorder = None if wanted == "events" else make_recorder(wanted, troubles)
        if self._recorder is not None:
            self.name = self._recorder.name
        elif wanted in ("auto", "events"):
            self.name = "events-blocked" if self._gate else "events"
            self._flags += troubles
        else:
            raise CannotMeasure("; ".join(troubles))
        size = 2 * torch.cuda.get_device_properties(0).L2_cache_size
        self._flush = torch.empty(max(size, 1 << 20), dtype=torch.uint8, device="cuda")
        self._own = torch.cuda.Stream()
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)
        self._own_id = self._find_own_id()
        self._cold = True
        self._most = 0
        """Activities of one call so far, at most."""

    def _find_own_id(self) -> int:
        """What the records call our own stream."""
        if self._recorder is None:
            return -1
        self._recorder.begin()
        self._part()
        records = self._recorder.take()
        return records[0].stream if records else -1

    def begin(self, *, afresh: bool = False) -> None:
        """See ``Timer``."""
        if afresh and not self._blocking:
            # It was another workload that waited inside, or a machine that stood still for once.
            self._blocking = True
            self._flags.remove(HOST_SYNC)
        if self._driver is not None:
            with suppress(DriverRefused):
                self._driver.forget_persisting_lines()
        if self._recorder is not None:
            self._recorder.begin()

    def preparing(self) -> AbstractContextManager[Any]:
        """See ``Timer``."""
        return torch.cuda.stream(self._own)

    def measure(self, call: Callable[[], Any], *, cold: bool = True) -> Sample:
        """See ``Timer``."""
        recorder = self._recorder
        gate = self._gate if self._blocking else None
        self._cold = cold
        if cold:
            self._empty_cache()
        torch.cuda.synchronize()
        if not cold:
            self._part()
            # Brings the inputs into the cache.
            call()
            torch.cuda.synchronize()
        # The device is idle now and again at the end: what it does in between is the call's.
        opened = recorder.now() if recorder is not None else 0
        stream = torch.cuda.current_stream().cuda_stream
        try:
            self._hold(gate, stream, None if cold else call)
            if recorder is None:
                self._start.record()
            begun = time.perf_counter_ns()
            result = call()
            host = time.perf_counter_ns() - begun
            if recorder is None:
                self._end.record()
        finally:
            released = gate.open() if gate is not None else False
        torch.cuda.synchronize()
        closed = recorder.now() if recorder is not None else 0
        if released:
            # The gate is kept: its page is registered with the driver and must stay mapped.
            self._blocking = False
            self._flags.append(HOST_SYNC)
        span = 0
        if recorder is None:
            span = round(self._start.elapsed_time(self._end) * 1e6)
        return Sample(
            result=result,
            device_ns=span,
            host_ns=host,
            flags=list(self._flags),
            window=(opened, closed),
        )

    def _hold(self, gate: StreamGate | None, stream: int, before: Callable[[], Any] | None) -> None:
        """Block the caller's stream and queue what tells the clock.

        Args:
            before: What goes before that, so that the device has the instructions at hand.

        Raises:
            CannotMeasure: The driver no longer does that.
        """
        try:
            if gate is not None:
                gate.close(stream)
                if before is not None and self._kernels is not None and 2 * self._most < _QUEUED:
                    before()
            if self._recorder is not None and self._kernels is not None:
                self._kernels.launch(SPIN, stream, CLOCK_CYCLES)
        except DriverRefused as error:
            raise CannotMeasure(str(error)) from None

    def _part(self) -> None:
        """Leave a record on our own stream: what went before it belongs to the call before."""
        with torch.cuda.stream(self._own):
            self._flush[:LINE].zero_()
        torch.cuda.synchronize()

    def _empty_cache(self) -> None:
        """Leave nothing of the inputs in the L2 cache, and nothing that has to be written back."""
        with torch.cuda.stream(self._own):
            self._flush.zero_()
            if self._kernels is not None and self._kernels.can_discard:
                lines = self._flush.numel() // LINE
                self._kernels.launch(
                    DISCARD,
                    self._own.cuda_stream,
                    self._flush.data_ptr(),
                    lines,
                    blocks=-(-lines // 256),
                    threads=256,
                )

    def settle(self, samples: Sequence[Sample]) -> None:
        """See ``Timer``: one look at the records for many calls."""
        if self._recorder is None:
            return
        time.sleep(_LISTEN_S)
        torch.cuda.synchronize()
        windows = [sample.window for sample in samples]
        shares, late = attribute(self._recorder.take(), windows, self._own_id, cold=self._cold)
        for sample, share in zip(samples, shares, strict=True):
            describe(sample, share)
            self._most = max(self._most, sample.activities)
        if samples and late:
            samples[-1].flags.append(LATE)


def describe(sample: Sample, share: Share) -> None:
    """Say of a call what the device did.

    Args:
        sample: Is completed.
        share: What belongs to it.
    """
    own, clock = share.own, share.clock
    if clock is not None:
        took = max(clock.end - clock.start - CLOCK_OVERHEAD_NS, 1)
        sample.clock_mhz = round(CLOCK_CYCLES / took * 1e3, 1)
    if not own:
        sample.flags.append(NOTHING)
        return
    if clock is not None and any(record.stream != clock.stream for record in own):
        sample.flags.append(STREAMS)
    complete(sample, own)


def complete(sample: Sample, records: Sequence[Record]) -> None:
    """Say how long the device took, and with what.

    Args:
        sample: Is completed.
        records: Its activities, by start; at least one.
    """
    sample.device_ns = max(record.end for record in records) - records[0].start
    sample.busy_ns = busy(records)
    sample.activities = len(records)
    sample.kernels = [(record.name, record.end - record.start) for record in records]


def busy(records: Sequence[Record]) -> int:
    """Nanoseconds in which at least one of several activities ran.

    Args:
        records: By start.
    """
    total, until = 0, 0
    for record in records:
        total += max(0, record.end - max(record.start, until))
        until = max(until, record.end)
    return total
