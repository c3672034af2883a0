"""Whole trace files to rows, for a large load: here, or as a process of its own.

``python -m engine.store.decoder`` takes (number, layer, path) messages on its standard input and
answers with messages of rows and of files read. Texts are numbered from 1 in the order in which
they are first sent. Knows no database.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from engine.schema import Problem, Trace
from engine.store import frames, slim
from engine.store.line_reader import LineReader
from engine.store.lines import open_for_reading
from engine.store.reading import is_young
from engine.store.scan import Stamp

Message = tuple[Any, ...]
"""``("rows", new names, rows)`` or
``("read", file, stamp or None, (offset, checksum, lines), unsettled, problems)``."""

Emit = Callable[[Message], None]


class Numbers:
    """Numbers texts, and collects the new ones to be sent."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}
        self.new: list[tuple[str, str]] = []

    def number(self, kind: str, text: str) -> int:
        """The number of ``text`` among all texts.

        Raises:
            UnicodeEncodeError: It holds half of a surrogate pair.
        """
        found = self._known.get((kind, text))
        if found is None:
            text.encode()
            found = self._known[kind, text] = len(self._known) + 1
            self.new.append((kind, text))
        return found

    def take_new(self) -> list[tuple[str, str]]:
        """Those that were not yet sent."""
        new, self.new = self.new, []
        return new


class _Sender:
    """Sends the rows of one file on, and holds its problems until its end."""

    def __init__(self, numbers: Numbers, emit: Emit) -> None:
        self.problems: list[tuple[int | None, str, str]] = []
        self._numbers = numbers
        self._emit = emit

    def add_workload(self, line: int, offset: int, length: int, item: Trace) -> None:
        """No such file is decoded here."""
        raise AssertionError("only trace files are decoded here")

    def add_traces(self, rows: list[slim.Row]) -> None:
        """Some lines."""
        self._emit(("rows", self._numbers.take_new(), rows))

    def add_problem(self, problem: Problem) -> None:
        """Something that is wrong in a line."""
        self.problems.append((problem.line, problem.field, problem.message))

    def messages(self) -> set[str]:
        """What was said of the file's lines so far."""
        return {message for _, _, message in self.problems}


class Decoder:
    """Decodes trace files one after the other.

    Args:
        emit: Takes the messages; it must not keep a list of rows.
    """

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._numbers = Numbers()
        self._rows = slim.Rows(self._numbers)

    def decode(self, file: int, layer: bytes, path: bytes) -> None:
        """Send what is in one file.

        Args:
            file: Number to put into its rows.
            layer: Folder that it is in.
            path: Where it is in there, as messages name it.
        """
        try:
            descriptor = open_for_reading(layer + b"/" + path)
        except FileNotFoundError:
            self._emit(("read", file, None, (0, 0, 0), True, []))
            return
        except OSError as error:
            self._emit(_unreadable(file, error))
            return
        try:
            self._read(descriptor, file, path)
        except OSError as error:
            self._emit(_unreadable(file, error))
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, file: int, path: bytes) -> None:
        status = os.fstat(descriptor)
        young = is_young(status)
        sink = _Sender(self._numbers, self._emit)
        reader = LineReader(sink, self._rows, "traces", path, file, young)
        reached = reader.read(descriptor, 0, status.st_size, 0, 0)
        unsettled = young or reader.waiting
        stamp = tuple(Stamp.of(status))
        self._emit(("read", file, stamp, reached, unsettled, sink.problems))


def _unreadable(file: int, error: OSError) -> Message:
    # No file has this checksum: once it can be read, it is read from its beginning.
    message = f"cannot be read: {error.strerror or error}"
    return ("read", file, (-1, 0, 0, 0), (0, -1, 0), True, [(None, "", message)])


def main() -> int:
    """Serve until the standard input ends."""
    incoming, outgoing = sys.stdin.buffer, sys.stdout.buffer
    decoder = Decoder(lambda message: frames.send(outgoing, message))
    try:
        while (task := frames.receive(incoming)) is not None:
            decoder.decode(*task)
    except (BrokenPipeError, EOFError):
        return 1  # the indexer is gone
    return 0


if __name__ == "__main__":
    sys.exit(main())
