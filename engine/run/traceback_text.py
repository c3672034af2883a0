"""Exceptions of user code as text that starts at the user's own frames."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from types import TracebackType

import torch

from engine.run.protocol import Failure

_OWN = f"{Path(__file__).resolve().parents[1]}{os.sep}"
LIMIT = 32 << 10
"""Characters of a traceback that are kept."""


def failure_of(error: BaseException, kind: str | None = None) -> Failure:
    """What to report of an exception.

    Args:
        error: The exception.
        kind: As in ``Failure``; None to tell from the exception.
    """
    if kind is None:
        kind = "out_of_memory" if _is_out_of_memory(error) else "raised"
        if type(error).__name__ == "CompilationError":
            kind = "build"
    return Failure(
        kind=kind,
        error=type(error).__name__,
        message=_text(error),
        trace=trace_text(error),
    )


def _text(error: BaseException) -> str:
    try:
        return _plain(str(error))[:LIMIT]
    except BaseException:
        return "(its text cannot be made)"


def _plain(text: str) -> str:
    """Text that can be sent: half surrogates, as in undecodable file names, become "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))


def trace_text(error: BaseException) -> str:
    """The traceback without this program's own frames above the user's."""
    frame: TracebackType | None = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_OWN):
        frame = frame.tb_next
    try:
        lines = traceback.format_exception(type(error), error, frame)
    except BaseException:
        lines = [f"{type(error).__name__}\n"]
    text = _plain("".join(lines))
    if len(text) <= LIMIT:
        return text
    return f"{text[: LIMIT // 2]}\n... {len(text) - LIMIT} characters ...\n{text[-LIMIT // 2 :]}"
