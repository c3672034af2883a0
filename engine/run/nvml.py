"""What NVIDIA's management library (NVML) knows about GPUs, asked for by UUID.

NVML needs no CUDA context and no root. Where the driver, the library's Python module or a
single figure is missing, the answer is None, never an error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from msgspec import Struct

_GONE = frozenset({6, 8, 11, 15, 16, 28, 999})
"""Error codes of a GPU that no longer answers: not found, no power, interrupts lost, GPU lost,
reset required, unknown error (what a GPU that fell off the bus gives)."""

# Of nvml.h: part of the driver's interface, which keeps them.
_CLOCK_SM = 1
_TEMPERATURE_GPU = 0
_UNCORRECTED, _SINCE_LOADED = 1, 0
_MEMORY_V2 = 0x02000028

_THROTTLES = {
    0x002: "clocks set",
    0x004: "power cap",
    0x008: "hardware slowdown",
    0x010: "sync boost",
    0x020: "thermal (software)",
    0x040: "thermal (hardware)",
    0x080: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
"""Reasons for lower clocks; 0x001, an idle GPU, is none."""


class Gpu(Struct, frozen=True, kw_only=True):
    """A GPU as it is listed.

    Args:
        index: Its number for the driver, -1 for a part of a GPU (MIG).
        name: Its model.
        uuid: What it is known by everywhere.
        driver: Version of the driver.
        capability: Compute capability without the dot ("90"), or "".
    """

    index: int
    name: str
    uuid: str
    driver: str = ""
    capability: str = ""


class GpuProcess(Struct, frozen=True):
    """A process that has opened a GPU.

    Args:
        pid: Its id, in the driver's eyes: in a container it may be nobody's here.
        memory: Bytes that it holds there, or None.
    """

    pid: int
    memory: int | None


class Memory(Struct, frozen=True):
    """Memory of a GPU in bytes; used is what processes have, without the driver's reserve."""

    total: int
    used: int
    free: int


class State(Struct, frozen=True, kw_only=True):
    """How a GPU is now; None for what it does not tell.

    Args:
        utilisation: Percent of the last moments in which a kernel ran.
        clock_mhz: Of the multiprocessors.
        throttled: Why the clocks are lower than they could be.
        ecc_errors: Uncorrectable memory errors since the driver was loaded.
        persistence: Whether the driver stays loaded while nobody uses the GPU.
        mig: Whether the GPU is divided into instances.
    """

    memory: Memory | None = None
    utilisation: int | None = None
    clock_mhz: int | None = None
    clock_max_mhz: int | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    throttled: tuple[str, ...] | None = None
    ecc_errors: int | None = None
    persistence: bool | None = None
    mig: bool | None = None


@cache
def load() -> Any | None:
    """The module that speaks with the driver, ready for use; None where that is impossible."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def list_gpus() -> list[Gpu] | None:
    """Every GPU that answers, in the driver's order; None where NVML cannot be asked."""
    library = load()
    count = _ask("nvmlDeviceGetCount") if library else None
    if count is None:
        return None
    found = (_describe(index, _ask("nvmlDeviceGetHandleByIndex", index)) for index in range(count))
    return [gpu for gpu in found if gpu is not None]


def find_gpu(uuid: str) -> Gpu | None:
    """A GPU or a part of one (MIG) by its UUID; None where it is not here."""
    return _describe(-1, _handle(uuid))


def compute_processes(uuid: str) -> list[GpuProcess] | None:
    """Processes with a CUDA context there."""
    return _processes("Compute", uuid)


def graphics_processes(uuid: str) -> list[GpuProcess] | None:
    """Processes that draw there, such as a display server."""
    return _processes("Graphics", uuid)


def read_state(uuid: str) -> State:
    """How a GPU is now."""
    handle = _handle(uuid)
    if handle is None:
        return State()
    whole = _whole(uuid, handle)
    power = _ask("nvmlDeviceGetPowerUsage", whole)
    persistence = _ask("nvmlDeviceGetPersistenceMode", whole)
    mig = _ask("nvmlDeviceGetMigMode", whole)
    return State(
        memory=read_memory(uuid),
        utilisation=read_utilisation(uuid),
        clock_mhz=_ask("nvmlDeviceGetClockInfo", whole, _CLOCK_SM),
        clock_max_mhz=_ask("nvmlDeviceGetMaxClockInfo", whole, _CLOCK_SM),
        temperature_c=_ask("nvmlDeviceGetTemperature", whole, _TEMPERATURE_GPU),
        power_w=None if power is None else power / 1000,
        throttled=_throttles(whole),
        ecc_errors=read_ecc_errors(uuid),
        persistence=None if persistence is None else bool(persistence),
        mig=None if mig is None else bool(mig[0]),
    )


def read_memory(uuid: str) -> Memory | None:
    """Memory of a GPU, or of a part of one."""
    handle = _handle(uuid)
    if handle is None:
        return None
    # The first form counts what the driver reserves as used; nvidia-smi and the second do not.
    call = "nvmlDeviceGetMemoryInfo"
    found = _first(_ask(call, handle, _MEMORY_V2), lambda: _ask(call, handle))
    return None if found is None else Memory(found.total, found.used, found.free)


def read_utilisation(uuid: str) -> int | None:
    """Percent of the last moments in which a kernel ran."""
    handle = _handle(uuid)
    rates = None if handle is None else _ask("nvmlDeviceGetUtilizationRates", handle)
    return None if rates is None else int(rates.gpu)


def read_throttles(uuid: str) -> tuple[str, ...] | None:
    """Why the clocks are lower than they could be."""
    handle = _handle(uuid)
    return None if handle is None else _throttles(_whole(uuid, handle))


def read_ecc_errors(uuid: str) -> int | None:
    """Uncorrectable memory errors since the driver was loaded."""
    handle = _handle(uuid)
    if handle is None:
        return None
    call = "nvmlDeviceGetTotalEccErrors"
    found: int | None = _ask(call, _whole(uuid, handle), _UNCORRECTED, _SINCE_LOADED)
    return found


def fault(uuid: str) -> str:
    """Why a GPU no longer answers, or "" (also where NVML cannot be asked)."""
    library = load()
    if library is None:
        return ""
    try:
        handle = library.nvmlDeviceGetHandleByUUID(uuid)
        library.nvmlDeviceGetMemoryInfo(handle)
    except library.NVMLError as error:
        return str(error) if error.value in _GONE else ""
    return ""


def _ask(call: str, *arguments: Any) -> Any:
    """What NVML answers; None for whatever this driver, GPU or user is refused."""
    library = load()
    if library is None:
        return None
    try:
        return getattr(library, call)(*arguments)
    except (library.NVMLError, library.NVMLLibraryMismatchError, AttributeError):
        return None


def _first(value: Any, otherwise: Callable[[], Any]) -> Any:
    return otherwise() if value is None else value


def _handle(uuid: str) -> Any:
    return _ask("nvmlDeviceGetHandleByUUID", uuid)


def _whole(uuid: str, handle: Any) -> Any:
    """The GPU that a part belongs to: clocks, power and heat are the whole's."""
    if not uuid.startswith("MIG-"):
        return handle
    return _ask("nvmlDeviceGetDeviceHandleFromMigDeviceHandle", handle) or handle


def _describe(index: int, handle: Any) -> Gpu | None:
    uuid = None if handle is None else _ask("nvmlDeviceGetUUID", handle)
    if uuid is None:
        return None
    capability = _ask("nvmlDeviceGetCudaComputeCapability", _whole(uuid, handle))
    return Gpu(
        index=index,
        name=_ask("nvmlDeviceGetName", handle) or "GPU",
        uuid=uuid,
        driver=_ask("nvmlSystemGetDriverVersion") or "",
        capability="".join(map(str, capability or ())),
    )


def _processes(kind: str, uuid: str) -> list[GpuProcess] | None:
    handle = _handle(uuid)
    if handle is None:
        return None
    call = f"nvmlDeviceGet{kind}RunningProcesses"
    # Drivers of before 2022 have only the second form of the call.
    found = _first(_ask(call, handle), lambda: _ask(f"{call}_v2", handle))
    if found is None:
        return None
    return [GpuProcess(item.pid, item.usedGpuMemory) for item in found]


def _throttles(handle: Any) -> tuple[str, ...] | None:
    bits = _first(
        _ask("nvmlDeviceGetCurrentClocksEventReasons", handle),
        lambda: _ask("nvmlDeviceGetCurrentClocksThrottleReasons", handle),
    )
    if bits is None:
        return None
    return tuple(word for bit, word in _THROTTLES.items() if bits & bit)
