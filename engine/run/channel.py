"""Framed messages with descriptors over a Unix socket, with limits on everything.

A frame is a four-byte little-endian length and that many bytes of JSON. Descriptors ride on the
frame's first byte. A peer that breaks the form is cut off with :class:`ProtocolError`.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import time
from typing import Any, Generic, TypeVar

import msgspec

LIMIT = 4 << 20
"""Largest frame in bytes."""
MAX_DESCRIPTORS = 8

T = TypeVar("T")
_LENGTH = struct.Struct("<I")


class ProtocolError(Exception):
    """The peer sent something that is no message."""


class ChannelClosed(Exception):
    """The peer has gone."""


class Channel(Generic[T]):
    """One end of a conversation.

    Args:
        sock: A connected stream socket; the channel owns it.
        kind: The (union of) Structs that may arrive.
    """

    def __init__(self, sock: socket.socket, kind: Any) -> None:
        self._socket = sock
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)
        self._buffer = bytearray()
        self._taken = 0
        """Bytes of the messages handed out so far."""
        self._arrived: list[tuple[int, int]] = []
        """Descriptors that nobody took yet, each with how many bytes had come when it did."""

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._socket.fileno()

    def send(self, message: msgspec.Struct, descriptors: tuple[int, ...] = ()) -> None:
        """Send one message, and copies of descriptors with it.

        Raises:
            ChannelClosed: The peer has gone.
            ProtocolError: The message is over the limit; nothing was sent.
        """
        body = msgspec.json.encode(message)
        if len(body) > LIMIT:
            raise ProtocolError(f"a message of {len(body)} bytes is over the limit of {LIMIT}")
        data = memoryview(_LENGTH.pack(len(body)) + body)
        rights = []
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        try:
            sent = self._socket.sendmsg([data], rights)
            while sent < len(data):
                sent += self._socket.send(data[sent:])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ChannelClosed from error

    def buffered(self) -> tuple[T, list[int]] | None:
        """The next message that has already arrived whole, with its descriptors.

        Raises:
            ProtocolError: What arrived is no message.
        """
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > LIMIT:
            raise ProtocolError(f"a frame of {length} bytes is over the limit of {LIMIT}")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        self._taken += end
        descriptors = [number for place, number in self._arrived if place <= self._taken]
        self._arrived = [item for item in self._arrived if item[0] > self._taken]
        try:
            return self._decoder.decode(body), descriptors
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            for descriptor in descriptors:
                os.close(descriptor)
            raise ProtocolError(f"not a message: {error}") from None

    def receive_some(self) -> None:
        """Read what is there (blocks if nothing is).

        Raises:
            ChannelClosed: The peer has gone.
            ProtocolError: It sent too many descriptors.
        """
        space = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
        try:
            data, ancillary, flags, _ = self._socket.recvmsg(
                1 << 16, space, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError as error:
            raise ChannelClosed from error
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[: len(payload) - len(payload) % numbers.itemsize])
                # A read never goes beyond the piece that brought descriptors, so they belong to
                # the message that this read ends in.
                place = self._taken + len(self._buffer) + len(data)
                self._arrived += [(place, number) for number in numbers]
        if flags & socket.MSG_CTRUNC or len(self._arrived) > MAX_DESCRIPTORS:
            raise ProtocolError("too many descriptors")
        if not data:
            raise ChannelClosed
        self._buffer += data

    def receive(self, timeout: float | None = None) -> tuple[T, list[int]]:
        """Wait for the next message.

        Args:
            timeout: Seconds, or None to wait for ever.

        Raises:
            TimeoutError: Nothing whole arrived in time.
            ChannelClosed: The peer has gone.
            ProtocolError: What arrived is no message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (message := self.buffered()) is None:
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self._socket.settimeout(left)
            try:
                self.receive_some()
            finally:
                self._socket.settimeout(None)
        return message

    def hang_up(self) -> None:
        """Tell the peer that nothing more will be sent, and go on receiving."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        """Close the socket and every descriptor that nobody took."""
        for _, descriptor in self._arrived:
            os.close(descriptor)
        self._arrived = []
        self._socket.close()
