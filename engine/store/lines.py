"""Reading a growing file: its whole lines with their offsets, and a checksum of what was read.

Files are read, never mapped: a mapped file that another process cuts short kills the reader.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator

CHUNK = 4 << 20
BLOCK = 1 << 20
LINE_LIMIT = 64 << 20
"""A line longer than this is not read, and nor is a document; the longest real logs have 5 MB."""
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


def read_blocks(descriptor: int, start: int, end: int) -> Iterator[tuple[int, bytes | None]]:
    """The bytes between two offsets, in pieces of whole lines.

    Yields:
        (offset, piece); the last piece ends without newline where the file ends in half a line,
        and the half is a piece of its own. None, and no more, where a line is too long.
    """
    waiting: list[bytes] = []
    position = offset = start
    while position < end:
        part = os.pread(descriptor, min(BLOCK, end - position), position)
        if not part:
            break
        position += len(part)
        cut = part.rfind(b"\n") + 1
        if not cut:
            waiting.append(part)
            if position - offset > LINE_LIMIT:
                yield offset, None
                return
            continue
        # Wherever reading began, the same lines are too long.
        if waiting and position - len(part) + part.find(b"\n") + 1 - offset > LINE_LIMIT:
            yield offset, None
            return
        block = b"".join([*waiting, part[:cut]]) if waiting else part[:cut]
        waiting = [part[cut:]] if cut < len(part) else []
        yield offset, block
        offset += len(block)
    if waiting:
        yield offset, b"".join(waiting)


def skip_line(descriptor: int, start: int, end: int, crc: int) -> tuple[int, int] | None:
    """Pass over a line of any length.

    Returns:
        Where the next one starts, and the checksum up to there; None where it has no newline.
    """
    position = start
    while position < end:
        part = os.pread(descriptor, min(CHUNK, end - position), position)
        cut = part.find(b"\n") + 1
        if cut or not part:
            return (position + cut, zlib.crc32(part[:cut], crc)) if cut else None
        position, crc = position + len(part), zlib.crc32(part, crc)
    return None


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
