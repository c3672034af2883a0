"""What disturbs timed calls on the processors."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from engine.measure.cpu import timing_cpus
from engine.run.conditions import CpuConditions

SPIN = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"


def watch(pids: list[int], seconds: float = 0.6) -> list[str]:
    conditions = CpuConditions(pids)
    conditions.begin()
    time.sleep(seconds)
    return [flag for flag in conditions.flags() if flag.startswith("cpu shared")]


def test_who_else_uses_the_processors_is_told_and_we_are_not() -> None:
    number = os.cpu_count() or 1
    busy = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(number)]
    try:
        time.sleep(0.2)
        assert watch([])
        others = [float(flag.split()[2].rstrip("%")) for flag in watch([])]
        rest = [float(flag.split()[2].rstrip("%")) for flag in watch([one.pid for one in busy])]
        assert max(rest, default=0.0) < max(others)
    finally:
        for one in busy:
            one.kill()
            one.wait()


def test_too_short_a_time_says_nothing() -> None:
    assert watch([], 0.0) == []


def test_one_processor_of_each_core_is_used() -> None:
    chosen = timing_cpus()
    assert chosen
    assert chosen <= os.sched_getaffinity(0)
