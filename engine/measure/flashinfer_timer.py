"""flashinfer-bench's way of timing calls, so that figures can be held against its own.

As ``bench_gpu_time_with_cupti`` and ``bench_gpu_time_with_cuda_event`` of
flashinfer/testing/utils.py (0.6) do it for flashinfer_bench 0.1.2. Every call of a trial gets the
same arguments. The stream is not blocked: the device starts while the host still queues, so that
it waits for a host that is slower, and that counts. The cache is left full of lines that have to
be written back.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any, Protocol

import torch
from msgspec import Struct, field

from engine.measure.activity import Record
from engine.measure.cuda import NOTHING, complete
from engine.measure.timers import CannotMeasure, Sample
from engine.measure.trials import ESTIMATE_CALLS, FIRST_CALLS, TIMED_CALLS, WARMUP_CALLS
from engine.schema.timers import FLASHINFER, FLASHINFER_EVENTS

VARIES = "device work varies"
"""What one call puts on the device is not what another does; flashinfer-bench refuses that."""

_MIB = 1 << 20
_BUFFER = 8 * _MIB
_OLDEST = 13
"""Of cupti-python; with an older one flashinfer takes events."""

Call = Callable[[], object]


class Activity(Struct, frozen=True):
    """What the device did for one launch.

    Args:
        record: When.
        launch: Correlation id of the call of the driver or the runtime that asked for it.
        work: What it was, apart from when: kind, name, bytes and value.
    """

    record: Record
    launch: int
    work: tuple[str, ...]


class Trace(Struct):
    """What happened while it was looked at.

    Args:
        launches: [start, correlation id] of each call of the driver or the runtime.
    """

    launches: list[tuple[int, int]] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)


class Tracer(Protocol):
    """Looks at both the host's calls and the device."""

    def start(self) -> None:
        """Begin to look."""

    def now(self) -> int:
        """Nanoseconds by the clock of the host's calls."""

    def stop(self) -> Trace:
        """Everything since ``start``."""


class CuptiTracer:
    """CUPTI's activity records, of the host's calls too.

    Raises:
        ImportError: There is no cupti-python, or only an old one.
    """

    def __init__(self) -> None:
        version = metadata.version("cupti-python")
        if int(version.split(".")[0]) < _OLDEST:
            raise ImportError(f"cupti-python {version} is older than {_OLDEST}")
        from cupti import cupti

        self._cupti = cupti
        self._trace = Trace()
        kinds = cupti.ActivityKind
        self._host = (kinds.RUNTIME, kinds.DRIVER)
        self._kinds = (*self._host, kinds.CONCURRENT_KERNEL, kinds.MEMCPY, kinds.MEMSET)

    def start(self) -> None:
        """See ``Tracer``.

        Raises:
            CannotMeasure: CUPTI refuses.
        """
        self._trace = Trace()
        try:
            for kind in self._kinds:
                self._cupti.activity_enable(kind)
            self._cupti.activity_register_callbacks(lambda: (_BUFFER, 0), self._take)
        except Exception as error:
            raise CannotMeasure(f"CUPTI: {type(error).__name__}: {error}") from None

    def now(self) -> int:
        """See ``Tracer``."""
        return int(self._cupti.get_timestamp())

    def stop(self) -> Trace:
        """See ``Tracer``. Lets go of CUPTI altogether, for every user in this process."""
        self._cupti.activity_flush_all(0)
        for kind in self._kinds:
            self._cupti.activity_disable(kind)
        self._cupti.finalize()
        return self._trace

    def _take(self, items: list[Any]) -> None:
        for item in items:
            if item.kind in self._host:
                self._trace.launches.append((item.start, item.correlation_id))
            else:
                self._trace.activities.append(self._activity(item))

    def _activity(self, item: Any) -> Activity:
        kinds = self._cupti.ActivityKind
        work: tuple[str, ...]
        if item.kind == kinds.MEMCPY:
            work = ("memcpy", str(item.copy_kind), str(item.bytes))
        elif item.kind == kinds.MEMSET:
            work = ("memset", str(item.value), str(item.bytes))
        else:
            work = (str(item.name),)
        record = Record(item.start, item.end, item.stream_id, work[0])
        return Activity(record, item.correlation_id, work)


class FlashinferTimer:
    """Times trials on the current CUDA device.

    Attributes:
        name: Tells CUPTI's records from events, which flashinfer takes where there is no CUPTI.
    """

    def __init__(self) -> None:
        self._tracer: Tracer | None = None
        self._flags: list[str] = []
        try:
            self._tracer = CuptiTracer()
        except Exception as error:  # whatever fails, flashinfer takes events too
            self._flags.append(f"no cupti: {type(error).__name__}: {error}")
        self.name = FLASHINFER if self._tracer is not None else FLASHINFER_EVENTS
        size = 2 * torch.cuda.get_device_properties(0).L2_cache_size // _MIB * _MIB
        self._cache = torch.empty(size, dtype=torch.int8, device="cuda")

    def trial(self, call: Call) -> list[Sample]:
        """One trial, with ``TIMED_CALLS`` samples; lets the call's exceptions through.

        Args:
            call: Makes it, always with the same arguments; what it returns is dropped.

        Raises:
            CannotMeasure: CUPTI refuses.
        """
        flush, synchronize = self._cache.zero_, torch.cuda.synchronize
        warm_up(call, flush, synchronize)
        if self._tracer is not None:
            return traced_calls(call, flush, synchronize, self._tracer)
        samples = self._by_events(call)
        samples[-1].flags += self._flags
        return samples

    def _by_events(self, call: Call) -> list[Sample]:
        events = [
            [torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(TIMED_CALLS)
        ]
        torch.cuda.synchronize()
        host = []
        for start, end in events:
            self._cache.zero_()
            begun = time.perf_counter_ns()
            start.record()
            call()
            end.record()
            host.append(time.perf_counter_ns() - begun)
        torch.cuda.synchronize()
        return [
            Sample(result=None, device_ns=round(start.elapsed_time(end) * 1e6), host_ns=took)
            for (start, end), took in zip(events, host, strict=True)
        ]


def warm_up(call: Call, flush: Call, synchronize: Call) -> None:
    """The calls of a trial that are not timed."""
    synchronize()
    for _ in range(FIRST_CALLS):
        call()
    synchronize()
    for calls in (ESTIMATE_CALLS, WARMUP_CALLS):
        for _ in range(calls):
            flush()
            call()
        synchronize()


def traced_calls(call: Call, flush: Call, synchronize: Call, tracer: Tracer) -> list[Sample]:
    """The timed calls of a trial, by the records of host and device."""
    windows = []
    tracer.start()
    try:
        for _ in range(TIMED_CALLS):
            flush()
            synchronize()
            begun = tracer.now()
            call()
            ended = tracer.now()
            synchronize()
            windows.append((begun, ended))
    finally:
        trace = tracer.stop()
    return samples_of(windows, trace)


def samples_of(windows: Sequence[tuple[int, int]], trace: Trace) -> list[Sample]:
    """What each call had the device do: what was launched between its begin and its end.

    Args:
        windows: Begin and end of each call, by the clock of the launches.
        trace: Of all of them together.
    """
    launches = sorted(trace.launches)
    starts = [start for start, _ in launches]
    caused: dict[int, list[Activity]] = defaultdict(list)
    for activity in trace.activities:
        caused[activity.launch].append(activity)
    samples: list[Sample] = []
    kinds: set[frozenset[tuple[str, ...]]] = set()
    for begun, ended in windows:
        first, last = bisect_left(starts, begun), bisect_right(starts, ended)
        ids = {launch for _, launch in launches[first:last]}
        own = [activity for launch in ids for activity in caused.get(launch, ())]
        kinds.add(frozenset(activity.work for activity in own))
        samples.append(_sample((begun, ended), [activity.record for activity in own]))
    if len(kinds) > 1:
        samples[-1].flags.append(VARIES)
    return samples


def _sample(window: tuple[int, int], records: list[Record]) -> Sample:
    begun, ended = window
    sample = Sample(result=None, device_ns=0, host_ns=ended - begun, window=window)
    if records:
        complete(sample, sorted(records, key=lambda record: record.start))
    else:
        sample.flags.append(NOTHING)
    return sample
