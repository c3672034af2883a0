"""Rows of traces from their ids: the texts behind the numbers are remembered, not joined."""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeVar, cast

import msgspec

from engine.store.index import Index
from engine.store.rows import LatestRow, SummaryRow, TraceRow

T = TypeVar("T")

_AT_ONCE = 500
_REMEMBERED = 200_000
_COLUMNS = (
    "id, definition, solution, workload, axes, status, timestamp, time, hardware, latency_ms, "
    "reference_latency_ms, speedup, max_absolute_error, max_relative_error, run, evaluation, "
    "version, timer, file, line, roofline, flags"
)
_FLAGS = 21
_TEXTS = (1, 2, 3, 4, 5, 8, 14, 16, 17, _FLAGS)
_NUMBER = "SELECT id FROM name WHERE kind = ? AND text = ?"


class TraceReader:
    """Reads rows of one index. Any thread may ask.

    Args:
        index: The index.
        layers: Folders of the dataset, for the paths of rows.
    """

    def __init__(self, index: Index, layers: Sequence[Path]) -> None:
        self._index = index
        self._layers = [os.fspath(layer) for layer in layers]
        self._texts: tuple[int, dict[int, str]] = (-1, {})

    def rows(self, query: str, values: Sequence[object]) -> list[TraceRow]:
        """The traces whose ids a query gives, in its order."""
        connection = self._index.connection
        connection.execute("BEGIN")
        try:
            bound = cast(Sequence[str], values)
            ids = [row[0] for row in connection.execute(query, bound)]
            found = {}
            for some in _portions(ids):
                for row in self._some(connection, some):
                    found[row.id] = row
            return [found[number] for number in ids]
        finally:
            if connection.in_transaction:
                connection.execute("COMMIT")

    def latest(self, definition: str | None) -> list[LatestRow]:
        """See :meth:`TraceStore.latest`."""
        connection = self._index.connection
        query = (
            "SELECT definition, solution, workload, status, latency_ms, speedup FROM trace "
            "WHERE latest = 1"
        )
        if definition is not None:
            query += f" AND definition = ifnull(({_NUMBER}), 0)"
        bound = [] if definition is None else ["definition", definition]
        rows = connection.execute(query, bound).fetchall()
        texts = self._known(connection, ())
        try:
            return _latest_rows(rows, texts)
        except KeyError:  # the first time
            numbers = {number for row in rows for number in row[:4]}
            return _latest_rows(rows, self._known(connection, numbers))

    def summary(self, definition: str) -> list[SummaryRow]:
        """See :meth:`TraceStore.summary`."""
        connection = self._index.connection
        query = (
            f"SELECT solution, latency_ms FROM trace WHERE definition = ifnull(({_NUMBER}), 0) "
            f"AND duplicate = 0 AND status = ifnull(({_NUMBER}), 0) AND latency_ms IS NOT NULL "
            "ORDER BY latency_ms"
        )
        latencies: dict[int, list[float]] = defaultdict(list)
        for solution, latency in connection.execute(
            query, ["definition", definition, "status", "PASSED"]
        ):
            latencies[solution].append(latency)
        texts = self._known(connection, latencies)
        rows = [
            SummaryRow(
                solution=texts[solution],
                n_passed=len(found),
                best_latency_ms=found[0],
                median_latency_ms=median(found),
            )
            for solution, found in latencies.items()
        ]
        return sorted(rows, key=lambda row: row.solution)

    def _some(self, connection: sqlite3.Connection, ids: Sequence[int]) -> Iterator[TraceRow]:
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM trace WHERE id IN ({_marks(ids)})", ids
        ).fetchall()
        texts = self._known(connection, {row[place] for row in rows for place in _TEXTS} - {0})
        files = _table(connection, "SELECT id, layer, path FROM file", "id", {r[18] for r in rows})
        names = {texts[row[2]] for row in rows}
        who = _table(
            connection,
            "SELECT name, author, language FROM solution WHERE standing = 2 AND",
            "name",
            names,
        )
        for row in rows:
            solution = texts[row[2]]
            author, language = who.get(solution, ("", ""))
            layer, path = files[row[18]]
            yield TraceRow(
                id=row[0],
                definition=texts[row[1]],
                solution=solution,
                workload=texts[row[3]],
                axes=msgspec.json.decode(texts[row[4]]),
                status=texts[row[5]],
                timestamp=row[6],
                time=row[7],
                hardware=texts[row[8]],
                latency_ms=row[9],
                reference_latency_ms=row[10],
                speedup=row[11],
                roofline=row[20],
                flags=msgspec.json.decode(texts[row[_FLAGS]]) if row[_FLAGS] else [],
                max_absolute_error=row[12],
                max_relative_error=row[13],
                run=texts[row[14]],
                evaluation=row[15],
                version=texts[row[16]],
                timer=texts[row[17]],
                author=author,
                language=language,
                file=f"{self._layers[layer]}/{os.fsdecode(path)}",
                line=row[19],
                layer=layer,
            )

    def _known(self, connection: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, str]:
        """Texts by number. One that was committed never changes, until there is a new index."""
        epoch, texts = self._texts
        if epoch != self._index.epoch or len(texts) > _REMEMBERED:
            texts = {}
            self._texts = (self._index.epoch, texts)
        missing = [number for number in numbers if number not in texts]
        for some in _portions(missing):
            query = f"SELECT id, text FROM name WHERE id IN ({_marks(some)})"
            texts.update(connection.execute(query, some).fetchall())
        return texts


def _latest_rows(rows: Iterable[tuple[Any, ...]], texts: dict[int, str]) -> list[LatestRow]:
    return [
        LatestRow(texts[name], texts[solution], texts[workload], texts[status], latency, speedup)
        for name, solution, workload, status, latency, speedup in rows
    ]


def _table(
    connection: sqlite3.Connection, query: str, column: str, keys: Iterable[int | str]
) -> dict[Any, tuple[Any, ...]]:
    """What a query gives, by its first column, for some values of that."""
    joint = "" if query.endswith("AND") else "WHERE"
    found: dict[Any, tuple[Any, ...]] = {}
    for some in _portions(list(keys)):
        full = f"{query} {joint} {column} IN ({_marks(some)})"
        for key, *rest in connection.execute(full, some):
            found[key] = tuple(rest)
    return found


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _marks(items: Sequence[object]) -> str:
    return ", ".join("?" * len(items))
