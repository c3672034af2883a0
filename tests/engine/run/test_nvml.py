"""What NVML says of a GPU, and that nothing depends on it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from engine.run import nvml
from tests.engine.run.fake_nvml import GIB, FakeGpu, FakeNvml, machine

UUID = "GPU-aaaa"


def test_the_state_of_a_gpu() -> None:
    gpu = FakeGpu(UUID, memory=(141 * GIB, 3 * GIB), utilisation=97, clock=1500, reasons=0x45)
    with machine(gpu):
        assert nvml.read_state(UUID) == nvml.State(
            memory=nvml.Memory(141 * GIB, 3 * GIB, 138 * GIB),
            utilisation=97,
            clock_mhz=1500,
            clock_max_mhz=1980,
            temperature_c=31,
            power_w=76.5,
            throttled=("power cap", "thermal (hardware)"),
            ecc_errors=0,
            persistence=True,
            mig=False,
        )


def test_what_a_gpu_does_not_tell_is_none() -> None:
    gpu = FakeGpu(UUID, memory=None, utilisation=None, clock=None, temperature=None, power=None)
    gpu.reasons = gpu.ecc = gpu.persistence = gpu.mig = gpu.compute = None
    with machine(gpu):
        assert nvml.read_state(UUID) == nvml.State()
        assert nvml.compute_processes(UUID) is None
        assert nvml.fault(UUID) == ""


def test_a_part_of_a_gpu_has_its_own_memory_and_the_clocks_of_the_whole() -> None:
    whole = FakeGpu(UUID, clock=1400, mig=1)
    part = FakeGpu("MIG-1", parent=whole, memory=(18 * GIB, 0), clock=None, mig=None)
    with machine(whole, part):
        state = nvml.read_state("MIG-1")
    assert state.memory == nvml.Memory(18 * GIB, 0, 18 * GIB)
    assert (state.clock_mhz, state.mig) == (1400, True)


def test_old_forms_of_a_call_are_used_where_the_driver_has_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: FakeNvml, gpu: FakeGpu) -> None:
        raise self.NVMLLibraryMismatchError

    def old_processes(self: FakeNvml, gpu: FakeGpu) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=7, usedGpuMemory=8)]

    def old_reasons(self: FakeNvml, gpu: FakeGpu) -> int:
        return 0x4

    compute = "nvmlDeviceGetComputeRunningProcesses"
    monkeypatch.setattr(FakeNvml, compute, refuse)
    monkeypatch.setattr(FakeNvml, f"{compute}_v2", old_processes, raising=False)
    monkeypatch.delattr(FakeNvml, "nvmlDeviceGetCurrentClocksEventReasons")
    throttle = "nvmlDeviceGetCurrentClocksThrottleReasons"
    monkeypatch.setattr(FakeNvml, throttle, old_reasons, raising=False)
    with machine(FakeGpu(UUID)):
        assert nvml.compute_processes(UUID) == [nvml.GpuProcess(7, 8)]
        assert nvml.read_state(UUID).throttled == ("power cap",)


def test_a_gpu_that_does_not_answer_is_at_fault() -> None:
    gpu = FakeGpu(UUID)
    with machine(gpu):
        assert nvml.fault(UUID) == ""
        gpu.lost = True
        assert nvml.fault(UUID) == "GPU is lost"
        assert nvml.fault("GPU-gone") == "Not Found"


def test_without_nvml_everything_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "load", lambda: None)
    assert nvml.list_gpus() is None
    assert nvml.find_gpu(UUID) is None
    assert nvml.compute_processes(UUID) is nvml.graphics_processes(UUID) is None
    assert nvml.read_state(UUID) == nvml.State()
    assert nvml.fault(UUID) == ""


def test_without_its_module_nvml_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml.load.__wrapped__() is None


def test_without_a_driver_nvml_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvml()

    def refuse() -> None:
        raise fake.NVMLError(3)

    monkeypatch.setattr(fake, "nvmlInit", refuse, raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    assert nvml.load.__wrapped__() is None
    monkeypatch.setattr(fake, "nvmlInit", lambda: None)
    assert nvml.load.__wrapped__() is fake
