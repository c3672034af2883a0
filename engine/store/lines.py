"""Reading a growing file: its whole lines with their offsets, and a checksum of what was read.

Files are read, never mapped: a mapped file that another process cuts short kills the reader.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator

CHUNK = 4 << 20
BOM = b"\xef\xbb\xbf"
_POINTER = b"version https://git-lfs.github.com/spec/"


def open_for_reading(path: str | bytes | os.PathLike[str]) -> int:
    """A descriptor of ``path``; a named pipe does not make it wait.

    Raises:
        OSError: It cannot be read.
    """
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def read_range(descriptor: int, start: int, length: int) -> bytes:
    """Up to ``length`` bytes from ``start`` on; fewer at the end of the file."""
    parts = []
    while length > 0:
        part = os.pread(descriptor, min(length, CHUNK), start)
        if not part:
            break
        parts.append(part)
        start += len(part)
        length -= len(part)
    return b"".join(parts)


def checksum(descriptor: int, length: int) -> int | None:
    """CRC-32 of the first ``length`` bytes, or None where the file is shorter."""
    value, position = 0, 0
    while position < length:
        part = os.pread(descriptor, min(CHUNK, length - position), position)
        if not part:
            return None
        value = zlib.crc32(part, value)
        position += len(part)
    return value


def split_lines(descriptor: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    r"""Lines between two offsets.

    Yields:
        (offset, line) with its ``\n``; the last has none where the file ends in half a line.
    """
    carry, position, offset = b"", start, start
    while position < end:
        part = os.pread(descriptor, min(CHUNK, end - position), position)
        if not part:
            break
        position += len(part)
        pieces = (carry + part).split(b"\n")
        carry = pieces.pop()
        for piece in pieces:
            yield offset, piece + b"\n"
            offset += len(piece) + 1
    if carry:
        yield offset, carry


def is_lfs_pointer(head: bytes) -> bool:
    """True where a file's first bytes are those of a Git LFS pointer.

    Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
    """
    return head.startswith(_POINTER)


def lfs_message(path: str) -> str:
    """What to tell somebody who has the pointer instead of the file."""
    return (
        f"{path} is a Git LFS pointer, not the file itself; fetch it with "
        f'`git lfs pull --include="{path}"`'
    )
