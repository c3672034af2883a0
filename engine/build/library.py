"""Loads a compiled solution's entry function from its library. Used only by a worker."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from typing import Any

from engine.build.loader import BuildFailure
from engine.schema.names import Binding

MODULE = "solution"
"""Name that a torch extension was compiled under."""


def load_library(path: str, binding: str, function: str) -> Callable[..., Any]:
    """The entry function of a library.

    Args:
        path: The library.
        binding: "tvm-ffi" or "torch".
        function: Name it was exported under.

    Raises:
        BuildFailure: It cannot be loaded, or exports no such function.
    """
    try:
        if binding == Binding.TVM_FFI:
            return _load_tvm_ffi(path, function)
        loader = ExtensionFileLoader(MODULE, path)
        spec = spec_from_loader(MODULE, loader)
        assert spec is not None
        module = module_from_spec(spec)
        loader.exec_module(module)
        entry: Callable[..., Any] = getattr(module, function)
    except (AttributeError, KeyError) as error:
        message = f"the library exports no function {function!r}"
        raise BuildFailure(type(error).__name__, message) from None
    except (ImportError, OSError, RuntimeError) as error:
        raise BuildFailure(type(error).__name__, f"the library does not load: {error}") from None
    return entry


def _load_tvm_ffi(path: str, function: str) -> Callable[..., Any]:
    import tvm_ffi
    from torch.utils.dlpack import from_dlpack

    exported = tvm_ffi.load_module(path).get_function(function)
    if exported is None:
        raise KeyError(function)

    def call(*arguments: Any) -> Any:
        result = exported(*arguments)
        if isinstance(result, tvm_ffi.Tensor):
            return from_dlpack(result)
        if isinstance(result, (list, tuple, tvm_ffi.Array)):
            return [
                from_dlpack(item) if isinstance(item, tvm_ffi.Tensor) else item for item in result
            ]
        return result

    return call
