"""Loads a solution's entry function from its folder. Imported and used only by a worker.

Files of a solution can import each other absolutely (``import kernels``) and, where the entry
file lies in a package or its files are imported through it, relatively.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from engine.build.layout import PACKAGE


class BuildFailure(Exception):
    """A solution could not be built.

    Attributes:
        type: Name of the underlying exception's class.
        message: What is wrong, in one line.
        trace: The traceback from the solution's own frames on, or "".
    """

    def __init__(self, type_: str, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.type = type_
        self.message = message
        self.trace = trace


def load_entry(
    folder: str,
    entry_file: str,
    entry_function: str,
    *,
    arguments: int,
    destination_passing: bool,
) -> Callable[..., Any]:
    """Import the entry file and return the entry function.

    Args:
        folder: Where the sources were laid out; its name must be ``fitui_solution``.
        entry_file: Path of the entry file below it.
        entry_function: Name of the function.
        arguments: How many positional arguments it will be called with.
        destination_passing: Whether the last of them are outputs.

    Raises:
        BuildFailure: It does not compile, import or fit.
    """
    for path in sorted(Path(folder).rglob("*.py")):
        if path.is_file():
            _check_syntax(path, folder)
    sys.path[:0] = [folder, str(Path(folder).parent)]
    pure = PurePosixPath(entry_file)
    if pure.suffix != ".py":
        raise BuildFailure("ValueError", f"entry file {entry_file} is not a Python file")
    name = ".".join((PACKAGE, *pure.with_suffix("").parts))
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        message = f"{type(error).__name__} while importing {entry_file}: {_text(error)}"
        raise BuildFailure(type(error).__name__, message, _trace(error, folder)) from None
    entry = getattr(module, entry_function, None)
    if not callable(entry):
        raise BuildFailure("AttributeError", f"{entry_file} has no function {entry_function!r}")
    _check_signature(entry, entry_file, entry_function, arguments, destination_passing)
    return entry  # type: ignore[no-any-return]


def _check_syntax(path: Path, folder: str) -> None:
    name = os.path.relpath(path, folder)
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        place = f"{name}:{error.lineno}" if error.lineno else name
        message = f"{place}: {type(error).__name__}: {error.msg}"
        text = "".join(traceback.format_exception_only(error))
        raise BuildFailure(type(error).__name__, message, text) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BuildFailure(type(error).__name__, f"{name}: {error}") from None


def _check_signature(
    entry: Callable[..., Any], file: str, function: str, arguments: int, destination_passing: bool
) -> None:
    try:
        signature = inspect.signature(entry)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*range(arguments))
    except TypeError as error:
        style = "inputs and outputs" if destination_passing else "inputs"
        hint = ""
        if destination_passing:
            hint = "; if it returns its outputs, set destination_passing_style=false"
        message = f"{file}::{function}{signature} cannot take {arguments} {style}: {error}{hint}"
        raise BuildFailure("TypeError", message) from None


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:
        return "(its text cannot be made)"


def _trace(error: BaseException, folder: str) -> str:
    """The traceback, from the first frame inside the solution's folder on."""
    frame = error.__traceback__
    while frame is not None and not frame.tb_frame.f_code.co_filename.startswith(folder):
        frame = frame.tb_next
    try:
        return "".join(traceback.format_exception(type(error), error, frame))
    except BaseException:
        return ""
