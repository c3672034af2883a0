"""The one place where a child is prepared before it loads a line of user code.

What is done here is what a trace's ``fitui.sandbox`` claims, and no more. Namespaces, Landlock
and seccomp belong here too.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

from engine.run import reap
from engine.run.devices import Device

LEVEL = "process"
"""Name of what :func:`prepare_child` does: a process of its own session with private folders,
a scrubbed environment, no inherited descriptors, no new privileges and resource limits."""

_KEPT = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "TRITON_INTERPRET",
)

MAX_FILE_BYTES = 64 << 30
"""Bounds memory files too, in which inputs and outputs travel."""
MAX_OPEN_FILES = 4096


def clean_environment(device: Device) -> dict[str, str]:
    """Environment for a fork server: what is needed to run kernels, and no secrets.

    Args:
        device: The only one that the process may see.
    """
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # Single-threaded until the fork: a fork after a parallel region hangs in libgomp.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        kept[name] = "1"
    kept["PYTHONDONTWRITEBYTECODE"] = "1"
    kept["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    if device.name == "cpu":
        kept["TRITON_INTERPRET"] = "1"
        kept["CUDA_VISIBLE_DEVICES"] = ""
    else:
        kept.pop("TRITON_INTERPRET", None)
        kept["CUDA_VISIBLE_DEVICES"] = device.key
    return kept


def prepare_child(scratch: Path, log: int, keep: tuple[int, ...], parent: int) -> None:
    """Cut this process off from its surroundings.

    Args:
        scratch: Private folder: working folder, home, temporary folder and caches.
        log: Descriptor that becomes standard output and error.
        keep: Descriptors that stay open.
        parent: Process id of the guardian, whose end is ours too.
    """
    os.setsid()
    reap.die_with_parent(parent)
    reap.forbid_new_privileges()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    _close_all_but({0, 1, 2, *keep})
    for limit, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
    ):
        hard = resource.getrlimit(limit)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))
    os.umask(0o077)
    for name in ("home", "tmp", "cache"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    cache = scratch / "cache"
    os.environ.update(
        HOME=str(scratch / "home"),
        TMPDIR=str(scratch / "tmp"),
        XDG_CACHE_HOME=str(cache),
        TRITON_CACHE_DIR=str(cache / "triton"),
        TORCH_EXTENSIONS_DIR=str(cache / "torch_extensions"),
        TORCHINDUCTOR_CACHE_DIR=str(cache / "inductor"),
        CUDA_CACHE_PATH=str(cache / "cuda"),
    )
    os.chdir(scratch / "home")


def _close_all_but(keep: set[int]) -> None:
    for descriptor in [int(link.name) for link in Path("/proc/self/fd").iterdir()]:
        if descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                pass
