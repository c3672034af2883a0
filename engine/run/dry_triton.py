"""Triton's driver for a dry call: kernels are compiled for a GPU, and neither loaded nor launched.

What ends up in Triton's cache is what the driver of a real GPU of that capability would have put
there: the cache's key is made of the kernel's source, its arguments' types, the options and the
target, and none of these depends on a GPU that is really there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
import triton.testing
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia import driver as nvidia
from triton.runtime import driver as active

from engine.run.dry_gpu import Gpu

_WARP = 32
_THREADS = 1024
_REGISTERS = 128
"""Of a kernel, for solutions that ask; what ptxas gave is known only once a GPU loaded it."""


class DryDriver:
    """Has what Triton and solutions ask of a driver."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.utils = _Utils(gpu)
        self.launcher_cls = _Launcher

    @staticmethod
    def is_active() -> bool:
        """Always."""
        return True

    def get_current_target(self) -> GPUTarget:
        """What to compile for."""
        return GPUTarget("cuda", int(self._gpu.capability), _WARP)

    def get_current_device(self) -> int:
        """The only device."""
        return 0

    def set_current_device(self, device: int) -> None:
        """There is only one."""

    def get_current_stream(self, device: int) -> int:
        """The default stream."""
        return 0

    def get_device_capability(self, device: int = 0) -> tuple[int, int]:
        """As torch tells it."""
        return self._gpu.version

    def get_active_torch_device(self) -> torch.device:
        """Where tensors are said to be."""
        return torch.device("cuda", 0)

    def get_device_interface(self) -> Any:
        """``torch.cuda``, as ``dry_torch`` left it."""
        return torch.cuda

    def map_python_to_cpp_type(self, name: str) -> str:
        """As the real driver does."""
        return str(nvidia.ty_to_cpp(name))

    def get_benchmarker(self) -> Callable[..., Any]:
        """What the autotuner measures each configuration with."""
        return compile_only

    def get_empty_cache_for_benchmark(self) -> torch.Tensor:
        """Nothing is measured, so nothing has to be flushed."""
        return torch.empty(0)

    def clear_cache(self, cache: torch.Tensor) -> None:
        """See above."""


class _Utils:
    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu

    def get_device_properties(self, device: int) -> dict[str, int]:
        return self._gpu.triton_properties()

    def load_binary(
        self, name: str, binary: bytes, shared: int, device: int
    ) -> tuple[str, int, int, int, int]:
        # Module, function, registers, spilled registers, threads that a block can have.
        return name, 0, _REGISTERS, 0, _THREADS

    def set_printf_fifo_size(self, size: int) -> None:
        pass


class _Launcher:
    """Takes a launch and does nothing."""

    _can_build = True

    def __init__(self, source: Any, metadata: Any) -> None:
        if not _Launcher._can_build:
            return
        # The C code around a launch lies in the same cache and takes a C compiler half a second
        # each time. It is linked with the GPU's driver, which need not be installed here.
        try:
            if not hasattr(nvidia.CudaUtils, "instance"):
                nvidia.CudaUtils()
        except Exception:
            _Launcher._can_build = False
            return
        # From Triton 3.7 on there is no such code for each kernel, and this finds nothing to do.
        with suppress(Exception):
            nvidia.CudaLauncher(source, metadata)

    def __call__(self, *arguments: Any) -> None:
        pass


def compile_only(
    call: Callable[[], Any],
    *_: Any,
    quantiles: Sequence[float] | None = None,
    return_mode: str = "mean",
    **__: Any,
) -> Any:
    """Stands for ``triton.testing.do_bench``: calls once, and takes 1 ms whatever is measured.

    So the autotuner goes through all configurations, and each of them gets compiled.
    """
    call()
    if quantiles is not None:
        return [1.0] * len(quantiles)
    return [1.0] if return_mode == "all" else 1.0


def install(gpu: Gpu) -> None:
    """Make this process compile for a GPU. Once, before a solution is loaded."""
    active.set_active(DryDriver(gpu))
    triton.testing.do_bench = compile_only
    triton.testing.do_bench_cudagraph = compile_only
