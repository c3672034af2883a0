"""Messages between the indexer and its decoders: msgpack with its length before it, over pipes."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import msgspec

_HEAD = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def send(stream: BinaryIO, message: object) -> None:
    """Write one message and send it off."""
    data = _encode(message)
    stream.write(_HEAD.pack(len(data)) + data)
    stream.flush()


def receive(stream: BinaryIO) -> Any:
    """The next message, or None at the end.

    Nothing beyond it is read from an unbuffered stream.

    Raises:
        EOFError: The other side broke off in the middle of a message.
    """
    head = _read(stream, _HEAD.size)
    if not head:
        return None
    if len(head) == _HEAD.size:
        (length,) = _HEAD.unpack(head)
        data = _read(stream, length)
        if len(data) == length:
            return _decode(data)
    raise EOFError("the other process broke off")


def _read(stream: BinaryIO, length: int) -> bytes:
    """``length`` bytes, or fewer at the end."""
    first = stream.read(length)
    if len(first) == length:
        return first
    parts = [first]
    length -= len(first)
    while length and (part := stream.read(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
