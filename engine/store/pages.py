"""Asking the index: filter, sort and page in SQL, and rows out of what comes back."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

import msgspec
from msgspec.structs import replace

from engine.store.columns import TABLES
from engine.store.compile import compile_filter, compile_sort
from engine.store.fields import Form, Members, Table
from engine.store.index import Index, is_damage
from engine.store.query import QueryError
from engine.store.rows import Span, TraceRow
from engine.store.sync import synchronise
from engine.store.trace_rows import TraceReader

T = TypeVar("T")
R = TypeVar("R")
_JSON = frozenset({"tags", "var_axes", "axes", "flags"})


class Pages:
    """Queries on one index.

    Args:
        index: The index.
        layers: Folders of the dataset, for the paths of rows.
    """

    def __init__(self, index: Index, layers: Sequence[Path]) -> None:
        self._index = index
        self._layers = tuple(layers)
        self._roots = [os.fspath(layer) for layer in layers]
        self._tables = dict(TABLES)
        self.traces = TraceReader(index, self._layers)

    def define(self, word: str, members: Members) -> None:
        """Have a filter word of traces, ``WORD:VALUE``, stand for what ``members`` gives."""
        table = self._tables["traces"]
        self._tables["traces"] = replace(table, words={**table.words, word: members})

    def _table(self, kind: str) -> Table:
        if kind not in self._tables:
            raise LookupError(f"There is no list of {kind!r}; there are {', '.join(TABLES)}.")
        return self._tables[kind]

    def ids(self, where: str) -> list[int]:
        """Numbers of the traces that meet a filter, ascending.

        Raises:
            QueryError: The filter means nothing.
        """
        table = self._tables["traces"]
        condition, values = compile_filter(where, table, time.time())
        query = (
            f"SELECT t.id FROM {table.source} WHERE {_always(table, condition)} AND {condition} "
            "ORDER BY t.id"
        )
        return [cast(int, row[0]) for row in self.select(query, values)]

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
        condition, values = compile_filter(where, self._tables[kind], time.time())
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
        order = compile_sort(sort, table)
        page = [-1 if limit is None else limit, offset]
        if kind == "traces":
            query = (
                f"SELECT t.id FROM {table.source} {table.joined(order)} "
                f"WHERE {_always(table, condition)} AND {condition} ORDER BY {order} "
                "LIMIT ? OFFSET ?"
            )
            return cast(list[T], self._traces(query, [*values, *page]))
        names = cast(type[msgspec.Struct], row).__struct_fields__
        shown = ["f.path" if name == "file" else table.fields[name].sql for name in names]
        query = (
            f"SELECT f.layer, {', '.join(shown)} FROM {table.source} "
            f"WHERE {table.always} AND {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        )
        coded = _JSON.intersection(names)
        result = []
        for layer, *cells in self.select(query, [*values, *page]):
            found = dict(zip(names, cells, strict=True))
            path = os.fsdecode(cast(bytes, found["file"]))
            found["file"] = f"{self._roots[cast(int, layer)]}/{path}"
            for name in coded:
                found[name] = msgspec.json.decode(cast(str, found[name]))
            if "current" in found:
                found["current"] = bool(found["current"])
            result.append(row(**found))
        return result

    def _traces(self, query: str, values: Sequence[object]) -> list[TraceRow]:
        """The traces whose ids a query gives, as of one moment."""
        return self.guarded(lambda: self.traces.rows(query, values))

    def count(self, kind: str, where: str) -> int:
        """How many rows meet a filter.

        Raises:
            QueryError: The filter means nothing.
            LookupError: There is no such kind.
        """
        table = self._table(kind)
        condition, values = compile_filter(where, table, time.time())
        if _tallied(table, condition):
            query = f"SELECT ifnull(sum(t.n), 0) FROM tally t WHERE {condition}"
        else:
            always = _always(table, condition)
            query = f"SELECT count(*) FROM {table.source} WHERE {always} AND {condition}"
        return int(cast(int, self.select(query, values)[0][0]))

    def facet(self, kind: str, column: str, where: str) -> dict[str, int]:
        """How often each value of a column occurs, most frequent first.

        Raises:
            QueryError: There is no such column, or the filter means nothing.
            LookupError: There is no such kind.
        """
        table = self._table(kind)
        field = table.find(column, 0, len(column))[1]
        condition, values = compile_filter(where, table, time.time())
        source = f"{table.source} {table.joined(field.sql)}"
        where, number = f"{_always(table, condition)} AND {condition}", "count(*)"
        numbers = set(re.findall(r"\bt\.(\w+)", field.within))
        if table.kind == "traces" and len(numbers) == 1:
            # Counted by the number that stands for the text, then once more by the text itself.
            kind = numbers.pop()
            if _tallied(table, condition, field.within):
                counted = f"SELECT t.{kind}, sum(t.n) AS n FROM tally t WHERE {condition}"
            else:
                counted = f"SELECT t.{kind}, count(*) AS n FROM {table.source} WHERE {where}"
            source = f"({counted} GROUP BY 1) t {table.joined(field.sql)}"
            where, number = "1", "sum(t.n)"
        query = (
            f"SELECT ifnull({field.sql}, ''), {number} FROM {source} WHERE {where} "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return {str(value): cast(int, count) for value, count in self.select(query, values)}

    def span(self, kind: str, column: str, where: str) -> Span:
        """Smallest and largest number of a column, and how many rows have one.

        Raises:
            QueryError: There is no such column of numbers, or the filter means nothing.
            LookupError: There is no such kind.
        """
        table, sql = self._numeric(kind, column)
        condition, values = compile_filter(where, table, time.time())
        query = (
            f"SELECT count(*), count({sql}), min({sql}), max({sql}) FROM {table.source} "
            f"WHERE {_always(table, condition)} AND {condition}"
        )
        return Span(*cast(tuple[int, int, float, float], self.select(query, values)[0]))

    def bins(self, kind: str, column: str, where: str, edges: Sequence[float]) -> list[int]:
        """How many rows have a number within each of some intervals.

        Raises:
            QueryError: There is no such column of numbers, or the filter means nothing.
            LookupError: There is no such kind.
        """
        table, sql = self._numeric(kind, column)
        condition, values = compile_filter(where, table, time.time())
        steps = " ".join(f"WHEN {sql} < ? THEN {number}" for number in range(len(edges)))
        query = (
            f"SELECT CASE {steps} END, count(*) FROM {table.source} "
            f"WHERE {_always(table, condition)} AND {condition} AND {sql} IS NOT NULL GROUP BY 1"
        )
        found = dict(cast(list[tuple[int, int]], self.select(query, [*edges, *values])))
        return [found.get(number, 0) for number in range(1, len(edges))]

    def _numeric(self, kind: str, column: str) -> tuple[Table, str]:
        table = self._table(kind)
        name, field = table.find(column, 0, len(column))
        if field.form not in (Form.NUMBER, Form.LATENCY, Form.AGE):
            raise QueryError(f"{name} is no number", 0, len(column))
        return table, field.sql

    def select(self, query: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        """All rows of a query. A damaged index is built again first."""
        bound = cast(Sequence[str], values)

        def run() -> list[tuple[object, ...]]:
            try:
                return self._index.connection.execute(query, bound).fetchall()
            except sqlite3.DatabaseError as error:
                if "decode to UTF-8" in str(error):
                    return self._replacing(query, bound)
                raise

        return self.guarded(run)

    def guarded(self, ask: Callable[[], R]) -> R:
        """The answer to a question. A damaged index is built again first."""
        try:
            return ask()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._index.set_aside(str(error))
            synchronise(self._index, self._layers)
            return ask()

    def _replacing(self, query: str, bound: Sequence[str]) -> list[tuple[object, ...]]:
        """A query again, for a text with a file name in it that is no UTF-8."""
        connection = self._index.connection
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        try:
            return connection.execute(query, bound).fetchall()
        finally:
            connection.text_factory = str

    def path(self, layer: int, path: bytes) -> Path:
        """A file's path from its row."""
        return self._layers[layer] / os.fsdecode(path)


def _always(table: Table, condition: str) -> str:
    """What holds for every row; the latest of a cell is never a copy, which SQLite cannot know."""
    plain = " OR " not in condition and "NOT" not in condition
    return "1" if table.latest and plain and table.latest in condition else table.always


def _tallied(table: Table, *sql: str) -> bool:
    """True where the table of counts can tell as much as the traces themselves."""
    used = {name for text in sql for name in re.findall(r"\bt\.(\w+)", text)}
    known = {"definition", "solution", "status"}
    return table.kind == "traces" and used <= known and all("t." in text for text in sql[1:])
