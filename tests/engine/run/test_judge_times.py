"""What a device's calibration says of times."""

from __future__ import annotations

import pytest

from engine.measure.calibration import Calibration
from engine.measure.facts import Work
from engine.measure.roofline import Ceilings
from engine.measure.statistics import summarise
from engine.run.judge_times import BELOW, FASTER, judge_times
from engine.run.timing import Timing

CALIBRATION = Calibration(
    timer="cupti",
    empty_call_us=1.0,
    event_floor_us=2.0,
    granularity_ns=32,
    intercept_us=0.5,
    clock_mhz=1980.0,
    ceilings=Ceilings(read_gb_s=4000, copy_gb_s=4000, l2_bytes=60 << 20, tflops={"bf16": 800}),
)
WORK = Work(read_bytes=40_000_000, written_bytes=0, basis="formula")
"""10 us at that rate."""


def timing(us: float, *, clock: float = 1980.0, timer: str = "cupti") -> Timing:
    times = [round(us * 1000)] * 10
    return Timing(
        timer=timer,
        summary=summarise(times),
        device_ns=times,
        host_ns=times,
        clock_mhz=[clock] * 10,
    )


@pytest.mark.parametrize(
    ("us", "flags"), [(20.0, []), (10.0, []), (9.9, [FASTER]), (0.8, [BELOW, FASTER])]
)
def test_what_cannot_be_is_flagged(us: float, flags: list[str]) -> None:
    taken = timing(us)
    limit = judge_times(taken, WORK, CALIBRATION)
    assert limit is not None
    assert (limit.us, limit.by) == (10.0, "memory")
    assert taken.flags == sorted(flags)


def test_a_low_clock_is_flagged() -> None:
    taken = timing(20.0, clock=1600.0)
    judge_times(taken, WORK, CALIBRATION)
    assert taken.flags == ["low clock: 1600 of 1980 MHz"]


@pytest.mark.parametrize(
    ("timer", "calibration"), [("events-blocked", CALIBRATION), ("cupti", None)]
)
def test_without_a_calibration_by_the_same_timer_nothing_is_said(
    timer: str, calibration: Calibration | None
) -> None:
    taken = timing(0.1, timer=timer)
    assert judge_times(taken, WORK, calibration) is None
    assert taken.flags == []


def test_without_known_work_there_is_no_limit_but_still_a_floor() -> None:
    taken = timing(0.5)
    assert judge_times(taken, None, CALIBRATION) is None
    assert taken.flags == [BELOW]
