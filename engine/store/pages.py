"""Asking the index: filter, sort and page in SQL, and rows out of what comes back."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from engine.store.columns import TABLES
from engine.store.compile import compile_filter, compile_sort
from engine.store.fields import Table
from engine.store.index import Index
from engine.store.sync import synchronise

T = TypeVar("T")
_JSON = frozenset({"tags", "var_axes", "axes"})


class Pages:
    """Queries on one index.

    Args:
        index: The index.
        layers: Folders of the dataset, for the paths of rows.
    """

    def __init__(self, index: Index, layers: Sequence[Path]) -> None:
        self._index = index
        self._layers = tuple(layers)

    def rows(
        self, kind: str, row: type[T], where: str, sort: str, limit: int | None, offset: int
    ) -> list[T]:
        """One page of a list.

        Args:
            kind: One of ``TABLES``.
            row: What its rows are.
            where: Filter.
            sort: Fields to sort by.
            limit: Rows at most.
            offset: Rows to pass over.

        Raises:
            QueryError: Filter or sort mean nothing.
        """
        condition, values = compile_filter(where, TABLES[kind], time.time())
        return self.rows_where(kind, row, condition, values, sort, limit, offset)

    def rows_where(
        self,
        kind: str,
        row: type[T],
        condition: str,
        values: Sequence[object],
        sort: str = "",
        limit: int | None = None,
        offset: int = 0,
    ) -> list[T]:
        """As :meth:`rows`, with the condition in SQL."""
        table = TABLES[kind]
        names = cast(type[msgspec.Struct], row).__struct_fields__
        shown = ["f.path" if name == "file" else table.fields[name].sql for name in names]
        query = (
            f"SELECT f.layer, {', '.join(shown)} FROM {table.source} {table.joins} "
            f"WHERE {table.always} AND {condition} ORDER BY {compile_sort(sort, table)} "
            "LIMIT ? OFFSET ?"
        )
        page = [-1 if limit is None else limit, offset]
        result = []
        for layer, *cells in self.select(query, [*values, *page]):
            found = dict(zip(names, cells, strict=True))
            found["file"] = os.fspath(self.path(cast(int, layer), cast(bytes, found["file"])))
            for name in _JSON & found.keys():
                found[name] = msgspec.json.decode(cast(str, found[name]))
            if "current" in found:
                found["current"] = bool(found["current"])
            result.append(row(**found))
        return result

    def count(self, kind: str, where: str) -> int:
        """How many rows meet a filter.

        Raises:
            QueryError: The filter means nothing.
            LookupError: There is no such kind.
        """
        table = _table(kind)
        condition, values = compile_filter(where, table, time.time())
        query = f"SELECT count(*) FROM {table.source} WHERE {table.always} AND {condition}"
        return int(cast(int, self.select(query, values)[0][0]))

    def facet(self, kind: str, column: str, where: str) -> dict[str, int]:
        """How often each value of a column occurs, most frequent first.

        Raises:
            QueryError: There is no such column, or the filter means nothing.
            LookupError: There is no such kind.
        """
        table = _table(kind)
        field = table.find(column, 0, len(column))[1]
        condition, values = compile_filter(where, table, time.time())
        query = (
            f"SELECT ifnull({field.sql}, ''), count(*) FROM {table.source} {table.joins} "
            f"WHERE {table.always} AND {condition} GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return {str(value): cast(int, count) for value, count in self.select(query, values)}

    def select(self, query: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        """All rows of a query. A damaged index is built again first."""
        bound = cast(Sequence[str], values)
        try:
            return self._index.connection.execute(query, bound).fetchall()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._index.set_aside(str(error))
            synchronise(self._index, self._layers)
            return self._index.connection.execute(query, bound).fetchall()

    def path(self, layer: int, path: bytes) -> Path:
        """A file's path from its row."""
        return self._layers[layer] / os.fsdecode(path)


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """True for a damaged database; locked, full, closed and the like are subclasses."""
    return type(error) is sqlite3.DatabaseError


def _table(kind: str) -> Table:
    if kind not in TABLES:
        raise LookupError(f"There is no list of {kind!r}; there are {', '.join(TABLES)}.")
    return TABLES[kind]
