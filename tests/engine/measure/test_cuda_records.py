"""What is said of a call from the records of the device."""

from __future__ import annotations

from engine.measure.activity import Record
from engine.measure.attribution import Share
from engine.measure.cuda import CLOCK_CYCLES, CLOCK_OVERHEAD_NS, NOTHING, STREAMS, busy, describe
from engine.measure.driver import SPIN
from engine.measure.timers import Sample


def sample() -> Sample:
    return Sample(result=None, device_ns=0, host_ns=1)


def clock(at: int, mhz: float = 2000.0) -> Record:
    took = round(CLOCK_CYCLES / mhz * 1e3) + CLOCK_OVERHEAD_NS
    return Record(at, at + took, 7, SPIN)


def test_a_call_lasts_from_its_first_start_to_its_last_end() -> None:
    found = sample()
    own = [Record(20_000, 21_000, 7, "a"), Record(21_500, 23_000, 7, "b")]
    describe(found, Share(clock=clock(0), own=own))
    assert (found.device_ns, found.busy_ns, found.activities) == (3000, 2500, 2)
    assert found.kernels == [("a", 1000), ("b", 1500)]
    assert (found.clock_mhz, found.flags) == (2000.0, [])


def test_activities_at_the_same_time_count_once() -> None:
    records = [Record(0, 10, 7, "a"), Record(2, 5, 8, "b"), Record(8, 14, 9, "c")]
    assert busy(records) == 14
    assert busy([*records, Record(20, 21, 7, "d")]) == 15


def test_work_on_another_stream_is_told() -> None:
    found = sample()
    describe(found, Share(clock=clock(0), own=[Record(20_000, 21_000, 9, "a")]))
    assert found.flags == [STREAMS]
    assert found.device_ns == 1000


def test_a_call_without_work_is_told() -> None:
    found = sample()
    describe(found, Share(clock=clock(0)))
    assert (found.device_ns, found.flags) == (0, [NOTHING])
