"""Finds a GPU's floors and ceilings, in a process that has seen no user code. About two seconds."""

from __future__ import annotations

import gc
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Any

import torch

from engine.measure.calibration import Calibration
from engine.measure.cuda import CudaTimer
from engine.measure.driver import READ, SPIN, Driver, Kernels
from engine.measure.roofline import Ceilings
from engine.measure.timers import Sample

_SHORT, _LONG = 20_000, 200_000
"""Cycles of two kernels, whose times tell the clock and what each takes beside its work."""
_SIZE = 8192
"""Rows and columns of matrices: enough to fill any GPU."""
_BUFFER = 4 << 30
_JITTER_NS = 4
"""What the fitting of the device's clock to the host's adds to a difference."""
_TIMES = 40
_HEAVY_TIMES = 6


def calibrate(page: int) -> Calibration:
    """Measure the current device.

    Args:
        page: Descriptor of the page shared with the guardian.

    Raises:
        DriverRefused: The driver does not take our kernels.
        CannotMeasure: There is no timer.
    """
    timer = CudaTimer(page)
    kernels = Kernels(Driver())

    def spin(cycles: int) -> Callable[[], None]:
        return lambda: kernels.launch(SPIN, torch.cuda.current_stream().cuda_stream, cycles)

    take(timer, spin(_LONG), _TIMES)  # until the clocks are up
    empty = sorted(sample.device_ns for sample in take(timer, spin(0), _TIMES))
    short, long = (
        median(sample.device_ns for sample in take(timer, spin(cycles), _TIMES))
        for cycles in (_SHORT, _LONG)
    )
    ns_per_cycle = max(long - short, 1) / (_LONG - _SHORT)
    steps = [after - before for before, after in pairwise(empty)]
    properties = torch.cuda.get_device_properties(0)
    read, copy = _memory_rates(timer, kernels)
    return Calibration(
        timer=timer.name,
        empty_call_us=median(empty) / 1e3,
        event_floor_us=_event_floor(spin(_LONG)),
        granularity_ns=min((step for step in steps if step > _JITTER_NS), default=1),
        intercept_us=(short - _SHORT * ns_per_cycle) / 1e3,
        clock_mhz=1e3 / ns_per_cycle,
        ceilings=Ceilings(
            read_gb_s=read,
            copy_gb_s=copy,
            l2_bytes=properties.L2_cache_size,
            tflops=_matrix_rates(timer),
        ),
        versions={"torch": str(torch.__version__), "cuda": torch.version.cuda or ""},
    )


def take(timer: CudaTimer, call: Callable[[], Any], times: int) -> list[Sample]:
    """Timed calls, after one that is not."""
    call()
    torch.cuda.synchronize()
    gc.disable()
    try:
        timer.begin()
        samples = [timer.measure(call) for _ in range(times)]
        timer.settle(samples)
    finally:
        gc.enable()
    return samples


def _event_floor(spin: Callable[[], None]) -> float:
    """Microseconds between two events that were queued while the device was busy."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    found = []
    for _ in range(_TIMES):
        spin()
        start.record()
        end.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(end) * 1e3)
    return float(median(found))


def _memory_rates(timer: CudaTimer, kernels: Kernels) -> tuple[float, float]:
    """10^9 bytes a second: of reading, and of copying (bytes read and written)."""
    free, _ = torch.cuda.mem_get_info()
    size = min(_BUFFER, free // 4) // 4096 * 4096
    memory = torch.zeros(size, dtype=torch.uint8, device="cuda")
    sink = torch.zeros(1, dtype=torch.int32, device="cuda")
    processors = torch.cuda.get_device_properties(0).multi_processor_count

    def read(blocks: int, threads: int) -> Callable[[], None]:
        return lambda: kernels.launch(
            READ,
            torch.cuda.current_stream().cuda_stream,
            memory.data_ptr(),
            size // 16,
            sink.data_ptr(),
            blocks=blocks * processors,
            threads=threads,
        )

    reads: list[Callable[[], Any]] = [
        read(blocks, threads) for blocks, threads in ((2, 1024), (4, 512), (16, 256))
    ]
    reads.append(lambda: memory.view(torch.float32).sum())
    half = size // 2
    return (
        size / min(_best(timer, call) for call in reads),
        2 * half / _best(timer, lambda: memory[:half].copy_(memory[half:])),
    )


def _matrix_rates(timer: CudaTimer) -> dict[str, float]:
    """10^12 operations a second of matrix products, by what they are made of.

    Zeros cost the least power, so that no limit on it lowers the clock: a ceiling is the best
    that the units can do, not what they keep up.
    """
    operations = 2 * _SIZE**3
    found: dict[str, float] = {}
    for name, dtype in (
        ("bf16", torch.bfloat16),
        ("fp16", torch.float16),
        ("tf32", torch.float32),
        ("fp32", torch.float32),
        ("fp8", getattr(torch, "float8_e4m3fn", None)),
    ):
        torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
        if dtype is None:
            continue
        call = _product(torch.zeros(_SIZE, _SIZE, dtype=dtype, device="cuda"))
        try:
            call()
        except RuntimeError:  # this GPU has no such units
            continue
        found[name] = operations / _best(timer, call) / 1e3
    torch.backends.cuda.matmul.allow_tf32 = False
    return found


def _product(matrix: torch.Tensor) -> Callable[[], Any]:
    if matrix.element_size() > 1:
        return lambda: matrix @ matrix.t()
    scale = torch.ones((), device="cuda")
    return lambda: torch._scaled_mm(
        matrix,
        matrix.t(),
        scale_a=scale,
        scale_b=scale,
        out_dtype=torch.bfloat16,
        use_fast_accum=True,
    )


def _best(timer: CudaTimer, call: Callable[[], Any]) -> float:
    """Nanoseconds of the fastest of some calls."""
    return float(min(sample.device_ns for sample in take(timer, call, _HEAVY_TIMES)))
