"""What is known of a real GPU. Run by hand on a GPU machine: ``pytest -m gpu``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from engine.run import devices, nvml
from engine.run.devices import Device
from engine.run.occupancy import health, look, memory_of, wait_free, words

pytestmark = pytest.mark.gpu

HOLD = """
import time, torch
held = torch.zeros(1 << 28, device="cuda")
torch.cuda.synchronize()
print("ready", flush=True)
time.sleep(120)
"""


@pytest.fixture
def device() -> Device:
    return devices.list_devices()[0]


@pytest.fixture
def foreign(device: Device) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a context and 1 GiB."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": device.key},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def test_nvml_lists_what_the_tool_lists() -> None:
    gpus = nvml.list_gpus()
    assert gpus and gpus == devices._ask_tool()


def test_the_state_is_told(device: Device) -> None:
    state = nvml.read_state(device.key)
    assert state.memory is not None and state.memory.total > 1 << 30
    assert state.clock_mhz and state.clock_max_mhz and state.clock_mhz <= state.clock_max_mhz
    assert state.temperature_c and 10 < state.temperature_c < 110
    assert health(device) == ""


def test_a_process_of_somebody_else_is_seen_or_said_to_be_unknown(
    device: Device, foreign: subprocess.Popen[str]
) -> None:
    found = look(device, (), expect=foreign.pid)
    assert found.memory_used is not None and found.memory_used >= 1 << 30
    if not found.known:
        assert found.foreign == () and words(found) == "contention unknown"
        pytest.skip("processes are hidden here")
    (seen,) = [one for one in found.foreign if one.pid == foreign.pid]
    assert seen.memory is None or seen.memory >= 1 << 30
    assert look(device, {os.getpid()}, expect=foreign.pid).foreign == tuple(
        one for one in found.foreign if one.pid != foreign.pid
    )


def test_memory_of_a_killed_process_comes_back(
    device: Device, foreign: subprocess.Popen[str]
) -> None:
    if not look(device, (), expect=foreign.pid).known:
        pytest.skip("processes are hidden here")
    held = memory_of(device, {foreign.pid})
    if held is None:
        pytest.skip("the driver does not tell the memory of a process")
    assert held >= 1 << 30
    foreign.kill()
    assert wait_free(device, {foreign.pid}, 10) is True
    assert memory_of(device, {foreign.pid}) == 0
