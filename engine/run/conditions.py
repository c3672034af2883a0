"""Under which conditions times are taken: what lowers a GPU's clocks, who else uses a CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from engine.run import nvml
from engine.run.devices import Device

_CHOSEN = frozenset({"clocks set", "display clocks", "sync boost"})
"""Reasons for lower clocks that somebody has chosen: they last, and are no disturbance."""
BUSY_SHARE = 0.1
"""Share of the processors in use by others from which on that is told."""
SLOWED = 0.05
"""By how much a processor's clock may fall before that is told."""
_TICK = os.sysconf("SC_CLK_TCK")
_CPUS = Path("/sys/devices/system/cpu")


class Conditions(Protocol):
    """Looks at the device while times are taken."""

    def begin(self) -> None:
        """Before the first timed call."""

    def look(self) -> None:
        """Between timed calls."""

    def flags(self) -> list[str]:
        """After the last timed call: what a reader should know."""


def conditions_of(device: Device, pids: Sequence[int]) -> Conditions:
    """What looks at a device.

    Args:
        device: Which.
        pids: Processes whose use of the processors is our own.
    """
    return CpuConditions(pids) if device.name == "cpu" else GpuConditions(device.key)


class GpuConditions:
    """Asks the driver why clocks are low, if they are."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._seen: set[str] = set()

    def begin(self) -> None:
        """See ``Conditions``."""
        self._seen.clear()

    def look(self) -> None:
        """See ``Conditions``."""
        self._seen.update(nvml.read_throttles(self._uuid) or ())

    def flags(self) -> list[str]:
        """See ``Conditions``."""
        self.look()
        return [f"throttled: {reason}" for reason in sorted(self._seen - _CHOSEN)]


class CpuConditions:
    """Compares what the processors did with what our own processes did."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = (os.getpid(), *pids)
        self._before = (0.0, 0.0, 0.0)
        self._clock = 0.0

    def begin(self) -> None:
        """See ``Conditions``."""
        self._before = self._now()
        self._clock = _clock_khz()

    def look(self) -> None:
        """See ``Conditions``: the kernel counts for us."""

    def flags(self) -> list[str]:
        """See ``Conditions``."""
        then, now = self._before, self._now()
        elapsed, used, own = (after - before for after, before in zip(now, then, strict=True))
        found = []
        # The kernel counts in hundredths of a second: nothing can be said of less.
        if elapsed > 10 / _TICK:
            share = (used - own) / elapsed / (os.cpu_count() or 1)
            if share > BUSY_SHARE:
                found.append(f"cpu shared: {share:.0%} used by others")
        clock = _clock_khz()
        if self._clock and clock < (1 - SLOWED) * self._clock:
            found.append("cpu clock fell")
        return found

    def _now(self) -> tuple[float, float, float]:
        """The time, and seconds of use: of all processors, by our own processes."""
        return time.monotonic(), _used_s(), sum(map(_process_s, self._pids))


def _used_s() -> float:
    """Seconds that all processors have been busy since the machine's start."""
    try:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(word) for word in words)
    return (user + nice + system + irq + softirq + steal) / _TICK


def _process_s(pid: int) -> float:
    """Seconds that a process has used processors; 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _clock_khz() -> float:
    """Mean clock of the processors in kHz, or 0 where the machine does not tell."""
    found = []
    for cpu in os.sched_getaffinity(0):
        try:
            found.append(int((_CPUS / f"cpu{cpu}/cpufreq/scaling_cur_freq").read_text()))
        except (OSError, ValueError):
            return 0.0
    return sum(found) / len(found) if found else 0.0
