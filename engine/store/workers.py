"""Decoding many trace files: in this process, or in two of their own where that pays."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, cast

from engine.store import frames
from engine.store.processes import DECODER, python_command

WORKERS = 2
WORTH_WORKERS = 64 << 20
"""Bytes below which starting processes takes longer than they save."""

_AHEAD = 3
_PIPE = 1 << 20

Task = tuple[int, bytes, bytes]
Take = Callable[[int, tuple[Any, ...]], None]


def decode_files(tasks: Sequence[Task], size: int, take: Take) -> None:
    """Decode trace files.

    Args:
        tasks: (number, layer, path in it) of each.
        size: Bytes of all together.
        take: Called with a decoder's number, from 0, and a message of it; texts are numbered by
            each decoder for itself.

    Raises:
        OSError: A decoder cannot be started.
        EOFError: A decoder died.
    """
    if size >= WORTH_WORKERS and (os.cpu_count() or 1) > 1:
        _decode_beside(tasks, take)
        return
    from engine.store.decoder import Decoder  # here, so that it can also be a program

    decoder = Decoder(lambda message: take(0, message))
    for task in tasks:
        decoder.decode(*task)


def _decode_beside(tasks: Sequence[Task], take: Take) -> None:
    command, environment = python_command(DECODER)
    workers = [
        subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd="/",
        )
        for _ in range(min(WORKERS, len(tasks)))
    ]
    try:
        _feed(workers, list(reversed(tasks)), take)
    finally:
        for worker in workers:
            for stream in (worker.stdin, worker.stdout):
                with contextlib.suppress(OSError):
                    cast(BinaryIO, stream).close()
            worker.terminate()
            worker.wait()


def _feed(workers: Sequence[subprocess.Popen[bytes]], waiting: list[Task], take: Take) -> None:
    """Keep every worker supplied with a few files, and take what comes back."""
    unfinished = len(waiting)
    with selectors.DefaultSelector() as selector:
        for number, worker in enumerate(workers):
            stream = cast(BinaryIO, worker.stdout)
            with contextlib.suppress(OSError):
                fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE)
            selector.register(stream, selectors.EVENT_READ, number)
            for _ in range(_AHEAD):
                _hand_out(worker, waiting)
        while unfinished:
            for key, _ in selector.select():
                # Unbuffered beyond a message, or the selector would not know of what was read.
                message = frames.receive(cast(BinaryIO, key.fileobj))
                if message is None:
                    raise EOFError("a decoder of the indexer ended too early")
                take(key.data, message)
                if message[0] == "read":
                    unfinished -= 1
                    _hand_out(workers[key.data], waiting)


def _hand_out(worker: subprocess.Popen[bytes], waiting: list[Task]) -> None:
    if waiting:
        frames.send(cast(BinaryIO, worker.stdin), waiting.pop())
