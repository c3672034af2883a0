"""Torch for a dry call: tensors that say they are on a GPU, have a shape, and hold nothing.

They are meta tensors, so that every operation costs nothing whatever the size. What a solution
asks of ``torch.cuda`` is answered for a GPU that is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _device as default_device

from engine.run.dry_gpu import Gpu, TorchProperties

_META = torch.device("meta")
_CUDA = torch.device("cuda", 0)
_ALIGNMENT_BITS = 9
"""CUDA's allocator of torch gives out multiples of 512 bytes."""
_MOST_READ = 1 << 24
"""Elements of a tensor that may be read on the host."""
_ONE_NUMBER = 17
"""Stands for an integer that is read from a tensor: not 1 and no multiple of 16, for which Triton
would compile kernels of their own."""

_READING = {
    "__array__",
    "__bool__",
    "__complex__",
    "__float__",
    "__format__",
    "__index__",
    "__int__",
    "__repr__",
    "cpu",
    "item",
    "numpy",
    "tolist",
}


class Pretended(torch.Tensor):
    """A meta tensor that a solution takes for one on a GPU."""

    hidden = True
    """False while torch itself is at work, which must know what this really is."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """The GPU."""
        return _CUDA if Pretended.hidden else torch.Tensor.device.__get__(self)

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        """True, to a solution."""
        return Pretended.hidden

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        """False, to a solution."""
        return not Pretended.hidden

    def get_device(self) -> int:
        """Number of the GPU."""
        return 0 if Pretended.hidden else -1

    def data_ptr(self) -> int:
        """An address as aligned as on a GPU, and another one for each storage."""
        base: int = self.untyped_storage()._cdata << _ALIGNMENT_BITS
        return base + int(self.storage_offset()) * self.element_size()


def pretended(shape: Sequence[int], dtype: torch.dtype) -> Pretended:
    """A tensor as one that was newly made on a GPU."""
    return _marked(torch.empty(tuple(shape), dtype=dtype, device=_META))


def _marked(tensor: torch.Tensor) -> Pretended:
    return tensor.as_subclass(Pretended)


class Pretence(TorchFunctionMode):
    """Sends what is meant for a GPU to meta tensors; stands around a solution's code."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """See ``torch.overrides``."""
        name = getattr(func, "__name__", "")
        named = dict(kwargs or {})
        if func is torch.device:
            return func(*args, **named)
        Pretended.hidden = False
        try:
            if name == "pin_memory":
                return args[0]
            if args and isinstance(args[0], Pretended):
                if name == "cuda":
                    return args[0]
                if name in _READING or (name == "to" and _goes_to_host(args[1:], named)):
                    return func(_on_host(args[0]), *args[1:], **named)
            return _run(func, name, args, named)
        finally:
            Pretended.hidden = True


def _run(func: Callable[..., Any], name: str, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    if name == "cuda":
        func, args, named = torch.Tensor.to, (args[0], _META), {}
    args = tuple(_moved(value, name == "to" and place == 1) for place, value in enumerate(args))
    if "device" in named:
        named["device"] = _moved(named["device"], True)
        if named["device"] == _META:
            # It belongs to a device that the tensor is not on.
            named.pop("generator", None)
    # Pinning needs a GPU's driver.
    named.pop("pin_memory", None)
    try:
        result = func(*args, **named)
    except NotImplementedError:
        # How large the result is depends on values: compute it from made-up ones.
        computed = func(
            *(_on_host(value) for value in args),
            **{key: _on_host(value) for key, value in named.items()},
        )
        return _marked_all(computed, args)
    return _marked(result) if type(result) is torch.Tensor and result.is_meta else result


def _marked_all(result: Any, args: tuple[Any, ...]) -> Any:
    if isinstance(result, torch.Tensor) and not any(result is value for value in args):
        return _marked(result.to(_META))
    if isinstance(result, (tuple, list)):
        return type(result)(_marked_all(value, args) for value in result)
    return result


def _moved(value: Any, may_be_index: bool = False) -> Any:
    """A device of torch's, or its name or number, with the meta device instead of a GPU."""
    if isinstance(value, torch.device):
        return _META if value.type == "cuda" else value
    if isinstance(value, str) and value.partition(":")[0] == "cuda":
        return _META
    if may_be_index and type(value) is int:
        return _META
    return value


def _goes_to_host(args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    for value in (*args, named.get("device")):
        if isinstance(value, torch.Tensor):
            return not isinstance(value, Pretended)
        if isinstance(value, (str, torch.device)) and torch.device(value).type == "cpu":
            return True
    return False


def _on_host(value: Any) -> Any:
    """A tensor with made-up values where there are none."""
    if not isinstance(value, Pretended):
        return value
    count = value.numel()
    if count > _MOST_READ:
        raise RuntimeError(f"a dry call has no values to read ({count} elements)")
    whole = not value.dtype.is_floating_point and value.dtype is not torch.bool
    number = _ONE_NUMBER if whole and count == 1 else 1
    return torch.full(tuple(value.shape), number).to(value.dtype)


class Inert:
    """Stands for streams, events, graphs and contexts of CUDA: takes every call, does nothing."""

    cuda_stream = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Inert:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def query(self) -> bool:
        """Everything has been done."""
        return True

    def elapsed_time(self, other: Inert) -> float:
        """Milliseconds."""
        return 1.0

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)
        return _nothing


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _constant(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def _uncompiled(model: Any = None, **_: Any) -> Any:
    """Stands for ``torch.compile``, whose kernels are not Triton functions of the solution."""
    return model if model is not None else lambda function: function


def install(gpu: Gpu) -> None:
    """Make torch in this process answer for a GPU. Once, before a solution is loaded."""
    answers = {
        "can_device_access_peer": True,
        "current_device": 0,
        "device_count": 1,
        "get_device_capability": gpu.version,
        "get_device_properties": TorchProperties(gpu),
        "get_device_name": TorchProperties(gpu).name,
        "is_available": True,
        "is_bf16_supported": True,
        "is_current_stream_capturing": False,
        "is_initialized": True,
        "max_memory_allocated": 0,
        "max_memory_reserved": 0,
        "mem_get_info": (80 << 30, 80 << 30),
        "memory_allocated": 0,
        "memory_reserved": 0,
        "current_stream": Inert(),
        "default_stream": Inert(),
        "_exchange_device": 0,
        "_maybe_exchange_device": 0,
    }
    # An object for each name: torch keeps lists of its functions, and each may be in one.
    for name, value in answers.items():
        setattr(torch.cuda, name, _constant(value))
    for name in (
        "_lazy_init",
        "empty_cache",
        "init",
        "manual_seed",
        "manual_seed_all",
        "reset_peak_memory_stats",
        "set_device",
        "set_stream",
        "synchronize",
    ):
        setattr(torch.cuda, name, _constant(None))
    for name in ("CUDAGraph", "Event", "ExternalStream", "Stream", "graph", "stream"):
        setattr(torch.cuda, name, type(name, (Inert,), {}))
    torch.compile = _uncompiled
    _move_default_device()


def _move_default_device() -> None:
    """Have ``with torch.device("cuda")`` and ``torch.set_default_device`` mean meta tensors."""
    begin = default_device.DeviceContext.__init__

    def moved(context: Any, device: Any) -> None:
        begin(context, _moved(device))

    default_device.DeviceContext.__init__ = moved  # type: ignore[method-assign, assignment]
