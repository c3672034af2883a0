"""flashinfer-bench's trials: which calls are made, and what of the records belongs to which."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from engine.measure import flashinfer_timer
from engine.measure.activity import Record
from engine.measure.cuda import NOTHING
from engine.measure.flashinfer_timer import (
    VARIES,
    Activity,
    CuptiTracer,
    Trace,
    samples_of,
    traced_calls,
    warm_up,
)
from engine.measure.timers import CannotMeasure, make_trial_timer


def kernel(launch: int, start: int, end: int, name: str = "k") -> Activity:
    return Activity(Record(start, end, 7, name), launch, (name,))


def test_a_call_is_charged_with_what_it_launched_whenever_that_ran() -> None:
    trace = Trace(
        launches=[(99, 1), (100, 2), (150, 3), (200, 4), (201, 5), (300, 6)],
        activities=[
            kernel(1, 100, 120, "flush"),
            kernel(3, 900, 950, "b"),
            kernel(2, 500, 600, "a"),
            kernel(4, 700, 720, "c"),
            kernel(5, 1000, 2000, "late"),
        ],
    )
    (sample,) = samples_of([(100, 200)], trace)
    assert sample.kernels == [("a", 100), ("c", 20), ("b", 50)]
    assert sample.device_ns == 950 - 500, "gaps between kernels count"
    assert (sample.busy_ns, sample.activities, sample.host_ns) == (170, 3, 100)
    assert sample.flags == []


def test_one_launch_of_several_activities_and_two_records_of_one_launch_count_once() -> None:
    trace = Trace(
        launches=[(1, 8), (2, 8)],
        activities=[kernel(8, 10, 20), kernel(8, 15, 40), kernel(9, 1, 2)],
    )
    (sample,) = samples_of([(0, 5)], trace)
    assert (sample.device_ns, sample.busy_ns, sample.activities) == (30, 30, 2)


def test_what_flashinfer_bench_would_refuse_is_told() -> None:
    launches = [(10, 1), (110, 2), (111, 3)]
    same = [kernel(1, 20, 30), kernel(2, 120, 130)]
    windows = [(0, 50), (100, 150)]
    assert all(not one.flags for one in samples_of(windows, Trace(launches, same)))
    changed = samples_of(windows, Trace(launches, [*same, kernel(3, 130, 140, "other")]))
    assert [one.flags for one in changed] == [[], [VARIES]]
    nothing = samples_of(windows, Trace(launches, same[:1]))
    assert nothing[1].flags == [NOTHING, VARIES]
    assert nothing[1].device_ns == 0


class FakeDevice:
    """A device whose kernels begin 5 us after their launch, and a host whose calls take 20 us."""

    def __init__(self) -> None:
        self.time = 0
        self.done: list[str] = []
        self.trace = Trace()
        self.looking = False

    def launch(self, name: str, took: int) -> None:
        number = len(self.trace.launches) + 1
        self.trace.launches.append((self.time, number))
        begin = self.time + 5_000
        self.trace.activities.append(kernel(number, begin, begin + took, name))
        self.time += 20_000

    def flush(self) -> None:
        self.done.append("flush")
        self.launch("fill", 80_000)

    def call(self) -> None:
        self.done.append("call")
        self.launch("one", 1_000)
        self.launch("two", 2_000)

    def synchronize(self) -> None:
        self.done.append("wait")
        self.time += 100_000

    def start(self) -> None:
        self.looking, self.trace = True, Trace()

    def now(self) -> int:
        return self.time

    def stop(self) -> Trace:
        self.looking = False
        return self.trace


def test_fifty_calls_are_timed_each_alone_after_a_flush() -> None:
    device = FakeDevice()
    samples = traced_calls(device.call, device.flush, device.synchronize, device)
    assert device.done == ["flush", "wait", "call", "wait"] * 50
    # From the start of the first kernel, over the host's second launch, to the second one's end.
    assert {one.device_ns for one in samples} == {20_000 + 2_000}
    assert {one.busy_ns for one in samples} == {3_000}
    assert {one.host_ns for one in samples} == {40_000}


def test_sixteen_calls_come_before_all_but_the_first_after_a_flush() -> None:
    device = FakeDevice()
    warm_up(device.call, device.flush, device.synchronize)
    assert device.done[:3] == ["wait", "call", "wait"]
    assert device.done[3:] == ["flush", "call"] * 5 + ["wait"] + ["flush", "call"] * 10 + ["wait"]


def test_a_call_that_fails_comes_through_and_nothing_is_left_looking() -> None:
    device = FakeDevice()
    with pytest.raises(ZeroDivisionError):
        traced_calls(lambda: 1 / 0, device.flush, device.synchronize, device)
    assert not device.looking


def test_the_cpu_device_has_no_such_timer() -> None:
    with pytest.raises(CannotMeasure, match="'flashinfer' needs a GPU"):
        make_trial_timer(torch.device("cpu"))


class Kind(Enum):
    RUNTIME, DRIVER, CONCURRENT_KERNEL, MEMCPY, MEMSET = range(5)


class FakeCupti:
    """As much of cupti-python as is used, with one record of each kind."""

    ActivityKind = Kind

    def __init__(self, refuses: bool = False) -> None:
        self.enabled: Counter[Kind] = Counter()
        self.finalized = 0
        self._refuses = refuses
        self._done: Callable[[list[Any]], None] = lambda items: None

    def activity_enable(self, kind: Kind) -> None:
        if self._refuses:
            raise RuntimeError("NOT_COMPATIBLE")
        self.enabled[kind] += 1

    def activity_disable(self, kind: Kind) -> None:
        self.enabled[kind] -= 1

    def activity_register_callbacks(self, wanted: Any, done: Any) -> None:
        self._done = done

    def activity_flush_all(self, flag: int) -> None:
        times = {"start": 5, "end": 9, "correlation_id": 3, "stream_id": 7}
        self._done(
            [
                SimpleNamespace(kind=Kind.RUNTIME, **times),
                SimpleNamespace(kind=Kind.CONCURRENT_KERNEL, name="k", **times),
                SimpleNamespace(kind=Kind.MEMCPY, copy_kind=8, bytes=64, **times),
                SimpleNamespace(kind=Kind.MEMSET, value=0, bytes=32, **times),
            ]
        )

    def finalize(self) -> None:
        self.finalized += 1

    def get_timestamp(self) -> int:
        return 5


def install(patch: pytest.MonkeyPatch, cupti: FakeCupti, version: str = "13.0.0") -> None:
    module = ModuleType("cupti")
    module.cupti = cupti  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "cupti", module)
    patch.setattr(flashinfer_timer.metadata, "version", lambda name: version)


def test_records_of_host_and_device_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    cupti = FakeCupti()
    install(monkeypatch, cupti)
    tracer = CuptiTracer()
    for turn in (1, 2):
        tracer.start()
        assert set(cupti.enabled.values()) == {1} and len(cupti.enabled) == 5
        trace = tracer.stop()
        assert set(cupti.enabled.values()) == {0}
        assert cupti.finalized == turn
        assert trace.launches == [(5, 3)]
        assert [one.work for one in trace.activities] == [
            ("k",),
            ("memcpy", "8", "64"),
            ("memset", "0", "32"),
        ]
        assert [one.record for one in trace.activities][:2] == [
            Record(5, 9, 7, "k"),
            Record(5, 9, 7, "memcpy"),
        ]


def test_a_cupti_that_refuses_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeCupti(refuses=True))
    with pytest.raises(CannotMeasure, match="NOT_COMPATIBLE"):
        CuptiTracer().start()


def test_an_old_cupti_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, FakeCupti(), "12.8.1")
    with pytest.raises(ImportError, match=r"12\.8\.1 is older than 13"):
        CuptiTracer()
