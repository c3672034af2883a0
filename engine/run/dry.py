"""The dry role of the child program: calls a solution so that Triton compiles its kernels.

There is no GPU, no input and no output. What the calls leave is what Triton wrote into its cache.
"""

from __future__ import annotations

import os
import time
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import Any

import torch
from triton.runtime.cache import triton_key

from engine.run import dry_torch, dry_triton, protocol
from engine.run.channel import ProtocolError
from engine.run.dry_gpu import gpu_of
from engine.run.tensors import dtype_named
from engine.run.worker import Reply, Worker

_NICENESS = 10


def warm_up() -> None:
    """Do once in the fork server what each child would need seconds for."""
    # Operations on meta tensors import it, whether they are compiled or not.
    import torch._dynamo  # noqa: F401

    # A hash over all of Triton, half a second.
    triton_key()


class DryWorker(Worker):
    """Loads a solution and calls it with tensors that hold nothing."""

    def __init__(self, page: int) -> None:
        super().__init__("cpu", page)
        self._pretence = dry_torch.Pretence()
        # Calls are being timed meanwhile.
        os.nice(_NICENESS)

    def handle(self, message: Any, descriptors: list[int]) -> Reply:
        """Carry out one order; raises whatever the user's code raises."""
        started = time.monotonic()
        match message:
            case protocol.Pretend():
                gpu = gpu_of(message.capability)
                dry_torch.install(gpu)
                dry_triton.install(gpu)
                _leave_assertions_out()
            case protocol.Load():
                with self._pretence:
                    self._load(message)
            case protocol.DryCall():
                self._dry_call(message)
            case _:
                raise ProtocolError(f"this role does not answer {type(message).__name__}")
        return protocol.Done(seconds=time.monotonic() - started), ()

    def _dry_call(self, message: protocol.DryCall) -> None:
        tensors = {meta.name: _tensor(meta) for meta in message.tensors}
        arguments = [
            tensors[name] if name in tensors else message.scalars[name] for name in message.order
        ]
        destinations = [_tensor(meta) for meta in message.outputs]
        with self._pretence:
            self.invoke(arguments, destinations if self._destination_passing else [])


def _tensor(meta: protocol.TensorMeta) -> torch.Tensor:
    return dry_torch.pretended(meta.shape or [], dtype_named(meta.dtype))


def _leave_assertions_out() -> None:
    """Compile what is imported from here on without ``assert``: many check values of inputs.

    Kernels keep theirs: Triton reads the source itself.
    """

    def compiled(
        loader: SourceFileLoader, data: Any, path: Any, *, _optimization: int = -1
    ) -> CodeType:
        code: CodeType = compile(data, path, "exec", dont_inherit=True, optimize=1)
        return code

    SourceFileLoader.source_to_code = compiled  # type: ignore[assignment, method-assign]
