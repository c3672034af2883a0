"""A stand-in for the module ``pynvml``: the same functions over GPUs that a test makes up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from engine.run import devices, nvml

GIB = 1 << 30
NOT_SUPPORTED, NOT_FOUND, GPU_IS_LOST = 3, 6, 15
_TEXTS = {NOT_SUPPORTED: "Not Supported", NOT_FOUND: "Not Found", GPU_IS_LOST: "GPU is lost"}


class FakeGpu:
    """One GPU. ``None`` in a field means that it does not support the question."""

    def __init__(self, uuid: str, name: str = "NVIDIA H200", **fields: Any) -> None:
        self.uuid, self.name = uuid, name
        self.capability: tuple[int, int] | None = (9, 0)
        self.memory: tuple[int, int] | None = (141 * GIB, 0)
        self.utilisation: int | None = 0
        self.clock: int | None = 1980
        self.temperature: int | None = 31
        self.power: int | None = 76500
        self.reasons: int | None = 0x1
        self.ecc: int | None = 0
        self.persistence: int | None = 1
        self.mig: int | None = 0
        self.compute: dict[int, int | None] | None = {}
        self.graphics: dict[int, int | None] | None = {}
        self.parent: FakeGpu | None = None
        self.lost = False
        for field, value in fields.items():
            assert hasattr(self, field), field
            setattr(self, field, value)


class FakeNvml:
    """The module. Its handles are the GPUs themselves."""

    class NVMLError(Exception):
        def __init__(self, value: int) -> None:
            super().__init__(_TEXTS[value])
            self.value = value

    class NVMLLibraryMismatchError(Exception):
        pass

    def __init__(self, *gpus: FakeGpu) -> None:
        self.gpus = [gpu for gpu in gpus if gpu.parent is None]
        self._all = gpus

    def _need(self, gpu: FakeGpu, field: str) -> Any:
        if gpu.lost:
            raise self.NVMLError(GPU_IS_LOST)
        value = getattr(gpu, field)
        if value is None:
            raise self.NVMLError(NOT_SUPPORTED)
        return value

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        self._need(self.gpus[index], "uuid")
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeGpu:
        for gpu in self._all:
            if gpu.uuid == uuid:
                return gpu
        raise self.NVMLError(NOT_FOUND)

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, gpu: FakeGpu) -> Any:
        return self._need(gpu, "parent")

    def nvmlDeviceGetUUID(self, gpu: FakeGpu) -> Any:
        return self._need(gpu, "uuid")

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> Any:
        return self._need(gpu, "name")

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.1"

    def nvmlDeviceGetCudaComputeCapability(self, gpu: FakeGpu) -> Any:
        return self._need(gpu, "capability")

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: FakeGpu) -> list[SimpleNamespace]:
        return _processes(self._need(gpu, "compute"))

    def nvmlDeviceGetGraphicsRunningProcesses(self, gpu: FakeGpu) -> list[SimpleNamespace]:
        return _processes(self._need(gpu, "graphics"))

    def nvmlDeviceGetMemoryInfo(self, gpu: FakeGpu, version: int = 1) -> SimpleNamespace:
        total, used = self._need(gpu, "memory")
        return SimpleNamespace(total=total, used=used, free=total - used)

    def nvmlDeviceGetUtilizationRates(self, gpu: FakeGpu) -> SimpleNamespace:
        return SimpleNamespace(gpu=self._need(gpu, "utilisation"), memory=0)

    def nvmlDeviceGetClockInfo(self, gpu: FakeGpu, kind: int) -> Any:
        assert kind == 1
        return self._need(gpu, "clock")

    def nvmlDeviceGetMaxClockInfo(self, gpu: FakeGpu, kind: int) -> int:
        self._need(gpu, "clock")
        return 1980

    def nvmlDeviceGetTemperature(self, gpu: FakeGpu, sensor: int) -> Any:
        return self._need(gpu, "temperature")

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> Any:
        return self._need(gpu, "power")

    def nvmlDeviceGetCurrentClocksEventReasons(self, gpu: FakeGpu) -> Any:
        return self._need(gpu, "reasons")

    def nvmlDeviceGetTotalEccErrors(self, gpu: FakeGpu, error: int, counter: int) -> Any:
        assert (error, counter) == (1, 0)
        return self._need(gpu, "ecc")

    def nvmlDeviceGetPersistenceMode(self, gpu: FakeGpu) -> Any:
        return self._need(gpu, "persistence")

    def nvmlDeviceGetMigMode(self, gpu: FakeGpu) -> list[int]:
        return [self._need(gpu, "mig"), 0]


def _processes(found: dict[int, int | None]) -> list[SimpleNamespace]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=memory) for pid, memory in found.items()]


@contextmanager
def machine(*gpus: FakeGpu) -> Iterator[FakeNvml]:
    """Make this a machine with these GPUs."""
    fake = FakeNvml(*gpus)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nvml, "load", lambda: fake)
        patch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        forget_devices()
        yield fake
    forget_devices()


def forget_devices() -> None:
    """Have the devices of this machine listed anew."""
    devices._gpus.cache_clear()
    devices.list_devices.cache_clear()
