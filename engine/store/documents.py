"""Documents in full, read back from the place in their file that the index knows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar, cast

from engine.schema import Definition, SchemaError, Solution, Trace, Workload, decode
from engine.store.dialect import log_beside, read_line
from engine.store.lines import BOM, open_for_reading, read_range
from engine.store.pages import Pages
from engine.store.slim import plain_text

T = TypeVar("T")


class NotFound(KeyError):
    """There is no document of a name; prints as a sentence."""

    def __str__(self) -> str:
        return str(self.args[0])


def read_definition(pages: Pages, name: str) -> Definition:
    """See :meth:`TraceStore.definition`."""
    rows = pages.select(
        "SELECT f.layer, f.path FROM definition d JOIN file f ON f.id = d.file "
        "WHERE d.name = ? AND d.standing = 2",
        [name],
    )
    if not rows:
        raise NotFound(f"There is no definition {name!r} in this dataset.")
    return _read(pages, rows[0], Definition)


def read_solution(pages: Pages, name: str, version: str | None) -> Solution:
    """See :meth:`TraceStore.solution`."""
    rows = pages.select(
        "SELECT f.layer, f.path FROM solution s JOIN file f ON f.id = s.file WHERE s.name = ? "
        "AND s.standing > 0 AND (? IS NULL AND s.standing = 2 OR substr(s.version, 1, ?) = ?) "
        "ORDER BY s.standing DESC, s.version",
        [name, version, len(version or ""), version],
    )
    if not rows:
        which = f"{name}@{version}" if version else name
        raise NotFound(f"There is no solution {which!r} in this dataset.")
    return _read(pages, rows[0], Solution)


def read_workload(pages: Pages, uuid: str, definition: str | None) -> Workload:
    """See :meth:`TraceStore.workload`."""
    rows = pages.select(
        "SELECT f.layer, f.path, w.offset, w.length FROM workload w JOIN file f ON f.id = w.file "
        "WHERE w.uuid = ? AND w.standing = 2 AND (? IS NULL OR w.definition = ?) "
        "ORDER BY w.definition",
        [uuid, definition, definition],
    )
    whose = f" of {definition}" if definition else ""
    if not rows:
        raise NotFound(f"There is no workload {uuid!r}{whose} in this dataset.")
    try:
        item = read_line(_read_bytes(pages, rows[0])).item
    except SchemaError as error:
        raise error.at(os.fspath(_path(pages, rows[0]))) from None
    if item.workload.uuid != uuid:
        raise NotFound(f"The file of workload {uuid!r}{whose} has just changed.")
    return item.workload


def read_trace(pages: Pages, number: int) -> Trace:
    """See :meth:`TraceStore.trace`."""
    rows = pages.select(
        "SELECT f.layer, f.path, t.offset, t.length, d.text, s.text, w.text, st.text, t.timestamp "
        "FROM trace t JOIN name st ON st.id = t.status "
        "JOIN file f ON f.id = t.file JOIN name d ON d.id = t.definition "
        "JOIN name s ON s.id = t.solution JOIN name w ON w.id = t.workload WHERE t.id = ?",
        [number],
    )
    gone = NotFound(f"There is no trace {number} any more; its file has changed.")
    if not rows:
        raise gone
    data = _read_bytes(pages, rows[0][:4])
    try:
        item = read_line(data).item
    except SchemaError:
        raise gone from None
    evaluation = item.evaluation
    if evaluation is None:
        raise gone
    told = (evaluation.status.value, plain_text(evaluation.timestamp))
    if (item.definition, item.solution, item.workload.uuid, *told) != rows[0][4:]:
        raise gone
    if not evaluation.log:
        layer = pages.path(cast(int, rows[0][0]), b"")
        evaluation.log = log_beside(layer, _path(pages, rows[0]), data) or ""
    return item


def read_trace_line(pages: Pages, number: int) -> bytes:
    """See :meth:`TraceStore.trace_line`."""
    rows = pages.select(
        "SELECT f.layer, f.path, t.offset, t.length FROM trace t JOIN file f ON f.id = t.file "
        "WHERE t.id = ?",
        [number],
    )
    if not rows:
        raise NotFound(f"There is no trace {number} any more; its file has changed.")
    return _read_bytes(pages, rows[0])


def _read(pages: Pages, place: tuple[object, ...], kind: type[T]) -> T:
    """The document at (layer, path)."""
    data = _read_bytes(pages, place).removeprefix(BOM)
    return decode(data, kind, file=os.fspath(_path(pages, place)))


def _read_bytes(pages: Pages, place: tuple[object, ...]) -> bytes:
    """What is at (layer, path) or (layer, path, offset, length)."""
    path = _path(pages, place)
    try:
        return _bytes_of(path, *cast("tuple[int, ...]", place[2:]))
    except FileNotFoundError:
        raise NotFound(f"{path} is gone since it was read.") from None
    except OSError as error:
        raise NotFound(f"{path} cannot be read any more: {error.strerror}.") from error


def _path(pages: Pages, place: tuple[object, ...]) -> Path:
    return pages.path(cast(int, place[0]), cast(bytes, place[1]))


def _bytes_of(path: Path, start: int = 0, length: int | None = None) -> bytes:
    descriptor = open_for_reading(path)
    try:
        wanted = os.fstat(descriptor).st_size if length is None else length
        return read_range(descriptor, start, wanted)
    finally:
        os.close(descriptor)
