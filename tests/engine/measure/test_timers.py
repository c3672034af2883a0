"""The timer of the CPU device."""

from __future__ import annotations

import pytest
import torch

from engine.measure.timers import CannotMeasure, CpuTimer, make_timer


def test_the_cpu_device_is_timed_by_the_hosts_clock() -> None:
    timer = make_timer(torch.device("cpu"), -1)
    assert (type(timer), timer.name) == (CpuTimer, "cpu-clock")


def test_a_timer_of_gpus_is_refused_on_the_cpu_device() -> None:
    with pytest.raises(CannotMeasure, match="'cupti' needs a GPU"):
        make_timer(torch.device("cpu"), -1, "cupti")


def test_a_sample_holds_what_the_call_returned_and_how_long_it_took() -> None:
    sample = CpuTimer().measure(lambda: "result")
    assert sample.result == "result"
    assert sample.device_ns == sample.host_ns >= 0
    assert (sample.kernels, sample.flags) == ([], [])


def test_an_exception_of_the_call_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        CpuTimer().measure(lambda: 1 / 0)
