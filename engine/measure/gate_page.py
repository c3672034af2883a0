"""The page of memory that a child and its guardian share to block and unblock a stream.

The device waits until the flag at the page's start is 1. The child arms it before a call and
disarms it after; the guardian releases it when the child cannot.
"""

from __future__ import annotations

import mmap
import struct

SIZE = 4096
_FLAG_AT, _ARMED_AT, _RELEASED_AT = 0, 64, 128
_FLAG = struct.Struct("<i")
_TIME = struct.Struct("<q")


def arm(page: mmap.mmap, now_ns: int) -> None:
    """Close the gate; the guardian counts from ``now_ns`` of the monotonic clock."""
    _FLAG.pack_into(page, _FLAG_AT, 0)
    _FLAG.pack_into(page, _RELEASED_AT, 0)
    _TIME.pack_into(page, _ARMED_AT, now_ns)


def disarm(page: mmap.mmap) -> bool:
    """Open the gate from the child; True if the guardian had opened it before."""
    _TIME.pack_into(page, _ARMED_AT, 0)
    _FLAG.pack_into(page, _FLAG_AT, 1)
    return bool(_FLAG.unpack_from(page, _RELEASED_AT)[0])


def armed_at(page: mmap.mmap) -> int:
    """When the gate was closed, or 0 while it is open."""
    return int(_TIME.unpack_from(page, _ARMED_AT)[0])


def release(page: mmap.mmap) -> None:
    """Open the gate from the guardian."""
    _TIME.pack_into(page, _ARMED_AT, 0)
    _FLAG.pack_into(page, _RELEASED_AT, 1)
    _FLAG.pack_into(page, _FLAG_AT, 1)
