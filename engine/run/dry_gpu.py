"""What a dry call is told about the GPU that it compiles for and that is not there."""

from __future__ import annotations

from msgspec import Struct

# By compute capability: multiprocessors of the usual card, bytes of shared memory that a program
# can have, threads of a multiprocessor. A card with other figures only costs a kernel that takes
# them as constants; it is compiled when it is first called, as if nothing had been done ahead.
_KNOWN = {
    "80": (108, 166912, 2048),
    "86": (84, 101376, 1536),
    "89": (142, 101376, 1536),
    "90": (132, 232448, 2048),
    "100": (148, 232448, 2048),
    "103": (148, 232448, 2048),
    "120": (188, 101376, 1536),
}


class Gpu(Struct, frozen=True, kw_only=True):
    """A GPU, in the figures that solutions ask for."""

    capability: str
    multiprocessors: int
    shared_memory: int
    threads: int

    @property
    def version(self) -> tuple[int, int]:
        """Compute capability as torch tells it."""
        return int(self.capability[:-1]), int(self.capability[-1])

    def triton_properties(self) -> dict[str, int]:
        """As ``triton.runtime.driver.active.utils.get_device_properties`` tells them."""
        return {
            "max_shared_mem": self.shared_memory,
            "max_num_regs": 65536,
            "multiprocessor_count": self.multiprocessors,
            "warpSize": 32,
            "sm_clock_rate": 1_980_000,
            "mem_clock_rate": 3_201_000,
            "mem_bus_width": 6144,
        }


class TorchProperties:
    """As ``torch.cuda.get_device_properties`` tells them."""

    def __init__(self, gpu: Gpu) -> None:
        self.name = f"NVIDIA GPU of compute capability {gpu.capability}"
        self.major, self.minor = gpu.version
        self.multi_processor_count = gpu.multiprocessors
        self.max_threads_per_multi_processor = gpu.threads
        self.max_threads_per_block = 1024
        self.warp_size = 32
        self.regs_per_multiprocessor = 65536
        self.shared_memory_per_block = 49152
        self.shared_memory_per_block_optin = gpu.shared_memory
        self.shared_memory_per_multiprocessor = gpu.shared_memory + 1024
        self.total_memory = 80 << 30
        self.L2_cache_size = 50 << 20
        self.is_integrated = self.is_multi_gpu_board = False


def gpu_of(capability: str) -> Gpu:
    """The GPU of a compute capability, without the dot ("90").

    Raises:
        ValueError: That is no compute capability.
    """
    if len(capability) < 2 or not capability.isdecimal():
        raise ValueError(f"{capability!r} is no compute capability")
    multiprocessors, shared_memory, threads = _KNOWN.get(capability, _KNOWN["90"])
    return Gpu(
        capability=capability,
        multiprocessors=multiprocessors,
        shared_memory=shared_memory,
        threads=threads,
    )
