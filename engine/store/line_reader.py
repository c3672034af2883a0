"""Reading the lines of a workload or trace file, from some line on. Knows no database.

Whole lines are told from a half one at the end; a line that is wrong is a problem with its place.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from typing import Protocol

from engine.schema import Problem, SchemaError, Trace
from engine.store.dialect import read_line
from engine.store.lines import (
    BOM,
    LINE_LIMIT,
    is_lfs_pointer,
    lfs_message,
    read_blocks,
    skip_line,
)
from engine.store.slim import Row, Rows

BAD_TEXT = "has a name with half of a surrogate pair, which is no valid Unicode"
ROWS_AT_ONCE = 2000


class Sink(Protocol):
    """Takes what is read."""

    def add_workload(self, line: int, offset: int, length: int, item: Trace) -> None:
        """One line of a workload file."""

    def add_traces(self, rows: list[Row]) -> None:
        """Some lines of a trace file."""

    def add_problem(self, problem: Problem) -> None:
        """Something that is wrong in a line."""

    def messages(self) -> set[str]:
        """What was said of the file's lines so far."""


class LineReader:
    """Reads the lines of one file.

    Args:
        sink: Where to.
        rows: Makes rows of traces.
        kind: "workloads" or "traces".
        path: Of the file, for messages.
        file: Its number, for rows.
        young: Its last line may still be being written.

    Attributes:
        waiting: The file ends in half a line that may still be being written.
    """

    def __init__(
        self, sink: Sink, rows: Rows, kind: str, path: bytes, file: int, young: bool
    ) -> None:
        self.waiting = False
        self._sink = sink
        self._make = rows
        self._traces = kind == "traces"
        self._path = path
        self._file = file
        self._young = young
        self._rows: list[Row] = []
        self._labelled: set[str] | None = None

    def read(
        self, descriptor: int, start: int, end: int, crc: int, lines: int
    ) -> tuple[int, int, int]:
        """Read from ``start`` on.

        Returns:
            Offset, checksum and number of the whole lines up to there.
        """
        done = start
        while True:
            for offset, block in read_blocks(descriptor, done, end):
                if block is None:
                    break
                if offset == 0 and is_lfs_pointer(block):
                    self._problem(1, Problem(message=lfs_message(os.fsdecode(self._path))))
                    break
                if not block.endswith(b"\n"):
                    self._add(offset, block, lines + 1, False)
                    break
                lines = self._read_block(offset, block, lines)
                crc = zlib.crc32(block, crc)
                done = offset + len(block)
            else:
                break
            beyond = skip_line(descriptor, done, end, crc) if block is None else None
            if block is None:
                self._too_long(lines + 1, beyond is not None)
            if beyond is None:
                break
            (done, crc), lines = beyond, lines + 1
        self._flush()
        return done, crc, lines

    def _read_block(self, offset: int, block: bytes, lines: int) -> int:
        # A log is passed over without being looked at, so its text is checked here.
        fast = self._traces and block.isascii()
        view, find, plain, keep = memoryview(block), block.find, self._make.plain, self._rows.append
        start, end, size = 0, find(b"\n"), len(block)
        while start < size:
            lines += 1
            row = None
            if end > start and (fast or (self._traces and _is_text(view[start:end]))):
                length = end + 1 - start
                row = plain(self._file, lines, offset + start, view[start:end], length)
            if row is None:
                self._add(offset + start, block[start : end + 1], lines, True)
            else:
                keep(row)
                if len(self._rows) >= ROWS_AT_ONCE:
                    self._flush()
            start = end + 1
            end = find(b"\n", start)
        return lines

    def _add(self, offset: int, data: bytes, line: int, whole: bool) -> None:
        """A line by the full decoding."""
        if not data.removeprefix(BOM).strip():
            return
        try:
            item, labels = read_line(data, line)
            self._keep(offset, data, line, item)
            self._label(line, labels)
        except SchemaError as error:
            problem = error.problem
            if not whole:
                self.waiting = self._young
                if self._young:
                    return
                problem = Problem(
                    message=f"the last line breaks off: {problem.message}", field=problem.field
                )
            self._problem(line, problem)
        except UnicodeEncodeError:
            self._problem(line, Problem(message=BAD_TEXT))

    def _keep(self, offset: int, data: bytes, line: int, item: Trace) -> None:
        if not self._traces:
            if not item.is_workload:
                raise SchemaError(Problem(message="an evaluation belongs under traces/"))
            self._sink.add_workload(line, offset, len(data), item)
            return
        if item.is_workload:
            message = "a workload without an evaluation belongs under workloads/"
            raise SchemaError(Problem(message=message))
        if not item.solution:
            raise SchemaError(Problem(message="an evaluation needs a solution", field="solution"))
        if item.evaluation is None:
            raise SchemaError(Problem(message="has a solution but no evaluation"))
        self._rows.append(self._make.full(self._file, line, offset, data, item))

    def _flush(self) -> None:
        if self._rows:
            self._sink.add_traces(self._rows)
            self._rows.clear()

    def _too_long(self, line: int, whole: bool) -> None:
        if not whole and self._young:
            self.waiting = True
            return
        message = f"longer than {LINE_LIMIT >> 20} MiB, and passed over"
        self._problem(line, Problem(message=message))

    def _label(self, line: int, labels: Sequence[Problem]) -> None:
        """Note an unusual habit of a file's lines, once for each file."""
        for label in labels:
            if self._labelled is None:
                self._labelled = self._sink.messages()
            if label.message not in self._labelled:
                self._labelled.add(label.message)
                self._problem(line, label)

    def _problem(self, line: int, problem: Problem) -> None:
        self._sink.add_problem(Problem(message=problem.message, field=problem.field, line=line))


def _is_text(line: memoryview) -> bool:
    try:
        str(line, "utf-8")
    except UnicodeDecodeError:
        return False
    return True
