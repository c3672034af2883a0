"""Appending whole lines to a trace file that others may read and append to at the same time."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path


class AppendError(OSError):
    """Lines could not be appended; the file is as it was.

    Attributes:
        path: The file.
        line: The bytes that are not in the file, to be kept elsewhere.
    """

    def __init__(self, message: str, path: Path, line: bytes) -> None:
        super().__init__(message)
        self.path = path
        self.line = line


def append_line(path: str | Path, data: bytes) -> int:
    """Append one or more lines, all or nothing.

    The lines go out in one ``write`` on a descriptor that appends, under an advisory lock on the
    file, and are on disk when this returns. Where the file ends in half a line (somebody's
    write broke off), a newline goes first, so that the half spoils only itself.

    Args:
        path: File; it and its folders are created where missing.
        data: Lines; a final newline is added where missing.

    Returns:
        Offset in the file at which ``data`` starts.

    Raises:
        AppendError: The disk is full, or the file cannot be written. It carries the lines.
        ValueError: ``data`` is empty.
    """
    if not data.strip():
        raise ValueError("there is no line to append")
    path = Path(path)
    lines = data if data.endswith(b"\n") else data + b"\n"
    with _opened(path, lines) as descriptor:
        torn = _is_torn(descriptor)
        return _append(descriptor, path, b"\n" + lines if torn else lines, lines) + torn


def append_once(path: str | Path, line: bytes) -> bool:
    """Append a line unless the file has it: what a writer that was killed may have done already.

    Where the file ends in the beginning of the line (the writer was killed over it), the rest of
    it is appended.

    Args:
        path: As for :func:`append_line`.
        line: One line.

    Returns:
        False where it was there already.

    Raises:
        AppendError: The disk is full, or the file cannot be written. It carries the line.
    """
    path = Path(path)
    whole = line.rstrip(b"\n") + b"\n"
    with _opened(path, whole) as descriptor:
        size = os.fstat(descriptor).st_size
        missing = whole
        if size:
            with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as content:
                if _holds(content, whole):
                    return False
                end = content[content.rfind(b"\n") + 1 :]
            if end:
                missing = whole[len(end) :] if whole.startswith(end) else b"\n" + whole
        _append(descriptor, path, missing, whole)
    return True


def _holds(content: mmap.mmap, whole: bytes) -> bool:
    """True if a whole line is among those of a file."""
    place = content.find(whole)
    return place == 0 or (place > 0 and content[place - 1] == 0x0A)


@contextlib.contextmanager
def _opened(path: Path, lines: bytes) -> Iterator[int]:
    """The file, made where missing, under its lock."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise AppendError(_message(path, error), path, lines) from error
    try:
        with contextlib.suppress(OSError):  # a file system without locks: the write is one anyway
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _is_torn(descriptor: int) -> bool:
    start = os.fstat(descriptor).st_size
    return start > 0 and os.pread(descriptor, 1, start - 1) != b"\n"


def _append(descriptor: int, path: Path, payload: bytes, lines: bytes) -> int:
    """Write at the end, all or nothing; the offset of the first byte."""
    start = os.fstat(descriptor).st_size
    written = 0
    try:
        written = os.write(descriptor, payload)
        while written < len(payload):
            # The rest fails with the reason (disk full), or goes out after an interruption.
            written += os.write(descriptor, payload[written:])
        os.fsync(descriptor)
    except OSError as error:
        _take_back(descriptor, start, written)
        raise AppendError(_message(path, error), path, lines) from error
    if start == 0:
        _sync_folder(path.parent)
    # O_APPEND: writers that do not know the lock may have come first.
    return os.lseek(descriptor, 0, os.SEEK_CUR) - len(payload)


def _take_back(descriptor: int, start: int, written: int) -> None:
    """Remove half a line of ours, unless somebody else has written after it."""
    with contextlib.suppress(OSError):
        if os.fstat(descriptor).st_size == start + written:
            os.ftruncate(descriptor, start)


def _sync_folder(folder: Path) -> None:
    """Make a new file's name last too."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _message(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"Nothing could be appended to {path}: {reason}. The lines are kept with this error."
