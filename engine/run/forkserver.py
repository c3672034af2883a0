"""The fork server: a process with torch and triton imported that forks prepared children.

It stays single-threaded, never makes a tensor and never touches CUDA, so that each fork starts
from a clean slate. Started by the runner as ``python -m engine.run.forkserver DEVICE FD``.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

from engine.run import reap
from engine.run.channel import Channel, ChannelClosed
from engine.run.guardian import guard
from engine.run.protocol import DRY, Fork, ServerReady

LIBRARIES = ("torch", "triton", "numpy", "cupti-python")


def import_everything(device: str) -> None:
    """Import what children need, so that they do not pay for it."""
    import numpy  # noqa: F401
    import safetensors  # noqa: F401
    import torch  # noqa: F401

    import engine.run.worker  # noqa: F401

    try:
        import triton
        import triton.language  # noqa: F401
    except ImportError:
        pass
    if device == DRY:
        from engine.run.dry import warm_up

        warm_up()
    elif device != "cpu":
        _hash_triton()
        try:
            from cupti import cupti  # noqa: F401
        except ImportError:
            pass


def _hash_triton() -> None:
    """Have Triton hash its own sources now: half a second that each child would need."""
    try:
        from triton.runtime.cache import triton_key
    except ImportError:
        return
    triton_key()


def why_not_clean() -> str:
    """Why forking from here would be unsafe, or ""."""
    import torch

    if torch.cuda.is_initialized():
        return "an import initialised CUDA"
    opened = [_target(link) for link in Path("/proc/self/fd").iterdir()]
    if any("nvidia" in target for target in opened):
        return "an import opened the GPU"
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1 or threading.active_count() != 1:
        return f"imports started threads ({threads} running)"
    return ""


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def versions() -> dict[str, str]:
    """Versions of the libraries that a trace names."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    import torch

    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    return found


def main(device: str, descriptor: int) -> int:
    """Serve until the runner closes the conversation."""
    parent = os.getppid()
    reap.die_with_parent(parent)
    # What a guardian that was killed leaves behind is found here, not among the runner's own.
    reap.adopt_orphans()
    started = time.monotonic()
    import_everything(device)
    reason = why_not_clean()
    gc.collect()
    gc.freeze()
    # Guardians report to the runner; nobody here needs their exit status.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    conversation: Channel[Fork] = Channel(socket.socket(fileno=descriptor), Fork)
    conversation.send(
        ServerReady(
            pid=os.getpid(),
            seconds=time.monotonic() - started,
            clean=not reason,
            reason=reason,
            versions=versions(),
        )
    )
    while True:
        try:
            order, descriptors = conversation.receive()
        except ChannelClosed:
            return 0
        channel, log, status, page = descriptors
        if os.fork() == 0:
            conversation.close()
            guard(order, channel, log, status, page)
        for number in descriptors:
            os.close(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
