"""What a device's calibration says of times: how near the limit, and what cannot be true."""

from __future__ import annotations

from statistics import median

from engine.measure.calibration import Calibration
from engine.measure.facts import Work
from engine.measure.roofline import Limit, limit_of
from engine.run.timing import Timing

FASTER = "faster than the limit"
BELOW = "below an empty call"
LOW_CLOCK = "low clock"
_CLEARLY = 0.9
"""Share of an empty call's time below which a time is not just one of its lucky ones."""
_LOW = 0.85


def judge_times(timing: Timing, work: Work | None, calibration: Calibration | None) -> Limit | None:
    """Hold a solution's times against what the device was seen to do; adds flags.

    Args:
        timing: The solution's.
        work: The least that the workload takes, where known.
        calibration: Of the device, where there is one.

    Returns:
        The shortest time that is possible, where known.
    """
    if calibration is None or timing.timer != calibration.timer:
        return None
    latency_us = timing.summary.median / 1e3
    if latency_us < _CLEARLY * calibration.empty_call_us:
        timing.flag(BELOW)
    clocks = [clock for clock in timing.clock_mhz if clock > 0]
    if clocks and median(clocks) < _LOW * calibration.clock_mhz:
        timing.flag(f"{LOW_CLOCK}: {median(clocks):.0f} of {calibration.clock_mhz:.0f} MHz")
    limit = limit_of(work, calibration.ceilings) if work is not None else None
    if limit is not None and latency_us < limit.us:
        timing.flag(FASTER)
    return limit
