"""TraceStore: one dataset, kept in step with its files, to be asked for pages of rows."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar, cast

import msgspec

from engine.schema import Definition, Problem, Solution, Trace, Workload, decode, encode
from engine.store.append import append_line
from engine.store.columns import TABLES, Table
from engine.store.compile import compile_filter, compile_sort
from engine.store.filing import trace_path
from engine.store.index import Index
from engine.store.layers import resolve_layers, unique_layers
from engine.store.lines import BOM, open_for_reading, read_range
from engine.store.rows import DefinitionRow, SolutionRow, TraceRow, WorkloadRow
from engine.store.sync import synchronise

T = TypeVar("T")
_JSON = frozenset({"tags", "var_axes", "axes"})


class TraceStore:
    """A dataset of one or more layers, read through an index.

    Any thread may ask; each has its own connection. A query sees the index as of one moment.

    Attributes:
        layers: Folders, lowest first.
        notices: Sentences for the user about the index and the folders.
    """

    def __init__(self, layers: Sequence[Path], *, cache: Path | None = None) -> None:
        self.layers: tuple[Path, ...] = tuple(layers)
        self._index = Index(self.layers, cache)
        self._refreshing = threading.Lock()
        self._folder_notices: list[str] = []

    @classmethod
    def open(
        cls,
        dataset: str | Path | Sequence[str | Path] | None = None,
        *,
        overlay: str | Path | None = None,
        cache: str | Path | None = None,
    ) -> TraceStore:
        """Open a dataset and bring its index up to date.

        Args:
            dataset: Folder, or list of layer folders, lowest first; None for the one that
                :func:`resolve_layers` finds.
            overlay: Folder for what is new.
            cache: Folder for the index; the user's cache folder where None.

        Raises:
            FileNotFoundError: There is no such dataset folder.
        """
        if dataset is None or isinstance(dataset, str | Path):
            layers = resolve_layers(dataset, overlay=overlay)
        else:
            named = [Path(layer).expanduser().absolute() for layer in dataset]
            layers = unique_layers(
                named if overlay is None else [*named, Path(overlay).expanduser().absolute()]
            )
            for layer in layers[:-1] or layers:
                if not layer.is_dir():
                    raise FileNotFoundError(f"The dataset folder {layer} does not exist.")
        store = cls(layers, cache=Path(cache) if cache is not None else None)
        try:
            store.refresh()
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> TraceStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def root(self) -> Path:
        """The layer that new solutions and traces go to."""
        return self.layers[-1]

    @property
    def notices(self) -> list[str]:
        """Sentences for the user about the index and the folders."""
        return [*self._index.notices, *self._folder_notices]

    @property
    def generation(self) -> int:
        """A number that changes whenever indexed content changed, by any process."""
        rows = self._select("SELECT value FROM meta WHERE key = 'generation'", [])
        return int(cast(int, rows[0][0]))

    def refresh(self) -> bool:
        """Read what changed on disk since the last time.

        Returns:
            True where indexed content changed.

        Raises:
            OSError: The index cannot be written.
        """
        with self._refreshing:
            before = self.generation
            try:
                self._folder_notices = synchronise(self._index, self.layers)
            except sqlite3.DatabaseError as error:
                if type(error) is not sqlite3.DatabaseError:  # locked, full, closed: not damaged
                    raise OSError(f"The index {self._index.path} failed: {error}") from error
                self._index.set_aside(str(error))
                self._folder_notices = synchronise(self._index, self.layers)
            return self.generation != before

    def close(self) -> None:
        """Let go of the index. The store cannot be used afterwards."""
        self._index.close()

    # -- lists

    def definitions(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[DefinitionRow]:
        """Definitions that meet a filter, in order.

        Args:
            where: Filter, in the language of ``engine.store.query``.
            sort: Fields, each with ``-`` for descending: ``"op,-speedup"``.
            limit: Rows at most.
            offset: Rows to pass over.

        Raises:
            QueryError: Filter or sort mean nothing.
        """
        return self._rows("definitions", DefinitionRow, where, sort, limit, offset)

    def solutions(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[SolutionRow]:
        """Every version of every solution on disk; as :meth:`definitions`.

        ``is:latest`` keeps the version of each that counts.
        """
        return self._rows("solutions", SolutionRow, where, sort, limit, offset)

    def workloads(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[WorkloadRow]:
        """Workloads that meet a filter; as :meth:`definitions`."""
        return self._rows("workloads", WorkloadRow, where, sort, limit, offset)

    def traces(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[TraceRow]:
        """Evaluations that meet a filter, newest first unless sorted; as :meth:`definitions`."""
        return self._rows("traces", TraceRow, where, sort, limit, offset)

    def problems(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[Problem]:
        """Everything in the files that is wrong, by file and line."""
        return self._rows("problems", Problem, where, sort, limit, offset)

    def count(self, kind: str, where: str = "") -> int:
        """How many rows of a kind ("traces", ...) meet a filter.

        Raises:
            QueryError: The filter means nothing.
            LookupError: There is no such kind.
        """
        table = _table(kind)
        condition, values = compile_filter(where, table, time.time())
        query = f"SELECT count(*) FROM {table.source} WHERE {table.always} AND {condition}"
        return int(cast(int, self._select(query, values)[0][0]))

    def facet(self, kind: str, column: str, where: str = "") -> dict[str, int]:
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
        return {str(value): cast(int, count) for value, count in self._select(query, values)}

    def matrix(self, definition: str) -> list[TraceRow]:
        """The latest evaluation of every (solution, workload) pair of a definition.

        Only the current version of each solution counts; traces that do not say their version
        are taken to be of the current one.
        """
        return self._trace_rows("nd.text = ? AND t.definition = nd.id AND t.latest", [definition])

    def history(self, solution: str, workload: str, limit: int | None = None) -> list[TraceRow]:
        """Evaluations of one solution, in all its versions, on one workload, newest first."""
        condition = (
            "t.solution = (SELECT id FROM name WHERE kind = 'solution' AND text = ?) AND "
            "t.workload = (SELECT id FROM name WHERE kind = 'workload' AND text = ?)"
        )
        return self._trace_rows(condition, [solution, workload], limit)

    # -- documents

    def definition(self, name: str) -> Definition:
        """A definition in full.

        Raises:
            KeyError: There is none of this name.
            SchemaError: Its file has just been spoilt.
        """
        query = (
            "SELECT f.layer, f.path FROM definition d JOIN file f ON f.id = d.file "
            "WHERE d.name = ? AND d.standing = 2"
        )
        rows = self._select(query, [name])
        if not rows:
            raise NotFound(f"There is no definition {name!r} in this dataset.")
        return self._document(rows[0], Definition)

    def solution(self, name: str, version: str | None = None) -> Solution:
        """A solution in full.

        Args:
            name: Its name.
            version: Content hash, or the beginning of one; None for the version that counts.

        Raises:
            KeyError: There is none of this name and version.
            SchemaError: Its file has just been spoilt.
        """
        query = (
            "SELECT f.layer, f.path FROM solution s JOIN file f ON f.id = s.file WHERE s.name = ? "
            "AND s.standing > 0 AND (? IS NULL AND s.standing = 2 OR substr(s.version, 1, ?) = ?)"
        )
        rows = self._select(query, [name, version, len(version or ""), version])
        if not rows:
            which = f"{name}@{version}" if version else name
            raise NotFound(f"There is no solution {which!r} in this dataset.")
        return self._document(rows[0], Solution)

    def workload(self, uuid: str, definition: str | None = None) -> Workload:
        """A workload in full.

        Args:
            uuid: Its uuid.
            definition: Where several definitions have a workload of this uuid.

        Raises:
            KeyError: There is none.
            SchemaError: Its file has just been spoilt.
        """
        query = (
            "SELECT f.layer, f.path, w.offset, w.length FROM workload w "
            "JOIN file f ON f.id = w.file WHERE w.uuid = ? "
            "AND w.standing = 2 AND (? IS NULL OR w.definition = ?) "
            "ORDER BY w.definition"
        )
        rows = self._select(query, [uuid, definition, definition])
        if not rows:
            whose = f" of {definition}" if definition else ""
            raise NotFound(f"There is no workload {uuid!r}{whose} in this dataset.")
        return self._document(rows[0], Trace).workload

    def trace(self, trace_id: int) -> Trace:
        """An evaluation in full, with its log, read from its file.

        Args:
            trace_id: ``id`` of a :class:`TraceRow`.

        Raises:
            KeyError: There is none, or its file changed since it was listed.
        """
        query = (
            "SELECT f.layer, f.path, t.offset, t.length FROM trace t JOIN file f ON f.id = t.file "
            "WHERE t.id = ?"
        )
        rows = self._select(query, [trace_id])
        if not rows:
            raise NotFound(f"There is no trace {trace_id}; its file may have changed.")
        return self._document(rows[0], Trace)

    def append(self, trace: Trace) -> tuple[Path, int]:
        """Append an evaluation to the trace file of its author, op and definition.

        Author and op come from the solution's and the definition's document; "unknown" stands
        for what is not in the dataset.

        Returns:
            The file, and the offset of the line in it.

        Raises:
            AppendError: The file cannot be written; the error carries the line.
            ValueError: ``trace`` has no evaluation.
        """
        if trace.evaluation is None:
            raise ValueError("a trace without an evaluation is not appended to traces/")
        path = self.trace_file(trace)
        offset = append_line(path, encode(trace) + b"\n")
        self.refresh()
        return path, offset

    def trace_file(self, trace: Trace) -> Path:
        """The file that :meth:`append` appends a trace to."""
        author = self._select(
            "SELECT author FROM solution WHERE name = ? AND standing = 2", [trace.solution]
        )
        op_type = self._select(
            "SELECT op_type FROM definition WHERE name = ? AND standing = 2", [trace.definition]
        )
        parts = [str(rows[0][0]) if rows else "unknown" for rows in (author, op_type)]
        return trace_path(self.root, parts[0], parts[1], trace.definition)

    # -- inside

    def _rows(
        self, kind: str, row: type[T], where: str, sort: str, limit: int | None, offset: int
    ) -> list[T]:
        table = TABLES[kind]
        condition, values = compile_filter(where, table, time.time())
        order = compile_sort(sort, table)
        return self._fetch(table, row, condition, values, order, limit, offset)

    def _trace_rows(
        self, condition: str, values: list[object], limit: int | None = None
    ) -> list[TraceRow]:
        table = TABLES["traces"]
        return self._fetch(table, TraceRow, condition, values, compile_sort("", table), limit, 0)

    def _fetch(
        self,
        table: Table,
        row: type[T],
        condition: str,
        values: list[object],
        order: str,
        limit: int | None,
        offset: int,
    ) -> list[T]:
        names = cast(type[msgspec.Struct], row).__struct_fields__
        shown = ["f.path" if name == "file" else table.fields[name].sql for name in names]
        query = (
            f"SELECT f.layer, {', '.join(shown)} FROM {table.source} {table.joins} "
            f"WHERE {table.always} AND {condition} ORDER BY {order} LIMIT ? OFFSET ?"
        )
        page = [-1 if limit is None else limit, offset]
        result = []
        for layer, *cells in self._select(query, [*values, *page]):
            found = dict(zip(names, cells, strict=True))
            found["file"] = os.fspath(self._path(cast(int, layer), cast(bytes, found["file"])))
            for name in _JSON & found.keys():
                found[name] = msgspec.json.decode(cast(str, found[name]))
            if "current" in found:
                found["current"] = bool(found["current"])
            result.append(row(**found))
        return result

    def _select(self, query: str, values: Sequence[object]) -> list[tuple[object, ...]]:
        try:
            return self._index.connection.execute(query, cast(Sequence[str], values)).fetchall()
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            self._index.set_aside(str(error))
            synchronise(self._index, self.layers)
            return self._index.connection.execute(query, cast(Sequence[str], values)).fetchall()

    def _path(self, layer: int, path: bytes) -> Path:
        return self.layers[layer] / os.fsdecode(path)

    def _document(self, place: tuple[object, ...], kind: type[T]) -> T:
        path = self._path(cast(int, place[0]), cast(bytes, place[1]))
        try:
            descriptor = open_for_reading(path)
            try:
                start, length = (
                    (cast(int, place[2]), cast(int, place[3]))
                    if len(place) == 4
                    else (0, os.fstat(descriptor).st_size)
                )
                data = read_range(descriptor, start, length)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise NotFound(f"{path} is gone since it was read.") from None
        return decode(data.removeprefix(BOM), kind, file=os.fspath(path))


class NotFound(KeyError):
    """There is no document of a name; prints as a sentence."""

    def __str__(self) -> str:
        return str(self.args[0])


def _table(kind: str) -> Table:
    if kind not in TABLES:
        raise LookupError(f"There is no list of {kind!r}; there are {', '.join(TABLES)}.")
    return TABLES[kind]
