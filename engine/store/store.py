"""TraceStore: one dataset, kept in step with its files, to be asked for pages of rows."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import cast

from engine.schema import Definition, Problem, Solution, Trace, Workload, encode
from engine.store.append import append_line
from engine.store.documents import read_definition, read_solution, read_trace, read_workload
from engine.store.filing import trace_path
from engine.store.index import Index
from engine.store.layers import absolute, resolve_layers, unique_layers
from engine.store.pages import Pages, is_damage
from engine.store.rows import CellRow, DefinitionRow, SolutionRow, TraceRow, WorkloadRow
from engine.store.save import find_version
from engine.store.sync import synchronise


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
        self._pages = Pages(self._index, self.layers)
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
            named = [*dataset, *([] if overlay is None else [overlay])]
            layers = unique_layers([absolute(layer) for layer in named])
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
        rows = self._pages.select("SELECT value FROM meta WHERE key = 'generation'", [])
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
                if not is_damage(error):
                    raise OSError(f"The index {self._index.path} failed: {error}") from error
                self._index.set_aside(str(error))
                self._folder_notices = synchronise(self._index, self.layers)
            return self.generation != before

    @property
    def index_file(self) -> Path:
        """The index's database file."""
        return self._index.path

    def rebuild(self) -> None:
        """Read every file again, into an index that starts empty.

        Raises:
            OSError: The index cannot be written.
        """
        self._index.set_aside("it is being built again, as asked")
        self._index.path.with_suffix(".damaged").unlink(missing_ok=True)
        self.refresh()

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
        return self._pages.rows("definitions", DefinitionRow, where, sort, limit, offset)

    def solutions(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[SolutionRow]:
        """Every version of every solution on disk; as :meth:`definitions`.

        ``is:latest`` keeps the version of each that counts.
        """
        return self._pages.rows("solutions", SolutionRow, where, sort, limit, offset)

    def workloads(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[WorkloadRow]:
        """Workloads that meet a filter; as :meth:`definitions`."""
        return self._pages.rows("workloads", WorkloadRow, where, sort, limit, offset)

    def traces(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[TraceRow]:
        """Evaluations that meet a filter, newest first unless sorted; as :meth:`definitions`."""
        return self._pages.rows("traces", TraceRow, where, sort, limit, offset)

    def cells(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[CellRow]:
        """Every solution on every workload of its definition, run or not: a page.

        Raises:
            QueryError: Filter or sort mean nothing.
        """
        return self._pages.rows("cells", CellRow, where, sort, limit, offset)

    def problems(
        self, where: str = "", sort: str = "", limit: int | None = None, offset: int = 0
    ) -> list[Problem]:
        """Everything in the files that is wrong, by file and line."""
        return self._pages.rows("problems", Problem, where, sort, limit, offset)

    def count(self, kind: str, where: str = "") -> int:
        """How many rows of a kind ("traces", ...) meet a filter.

        Raises:
            QueryError: The filter means nothing.
            LookupError: There is no such kind.
        """
        return self._pages.count(kind, where)

    def facet(self, kind: str, column: str, where: str = "") -> dict[str, int]:
        """How often each value of a column occurs, most frequent first.

        Raises:
            QueryError: There is no such column, or the filter means nothing.
            LookupError: There is no such kind.
        """
        return self._pages.facet(kind, column, where)

    def matrix(self, definition: str) -> list[TraceRow]:
        """The latest evaluation of every (solution, workload) pair of a definition.

        Only the current version of each solution counts; traces that do not say their version
        are taken to be of the current one.
        """
        condition = (
            "t.definition = (SELECT id FROM name WHERE kind = 'definition' AND text = ?) "
            "AND t.latest = 1"
        )
        return self._pages.rows_where("traces", TraceRow, condition, [definition])

    def history(self, solution: str, workload: str, limit: int | None = None) -> list[TraceRow]:
        """Evaluations of one solution, in all its versions, on one workload, newest first."""
        condition = (
            "t.solution = (SELECT id FROM name WHERE kind = 'solution' AND text = ?) AND "
            "t.workload = (SELECT id FROM name WHERE kind = 'workload' AND text = ?)"
        )
        values = [solution, workload]
        return self._pages.rows_where("traces", TraceRow, condition, values, "", limit)

    # -- documents

    def definition(self, name: str) -> Definition:
        """A definition in full.

        Raises:
            KeyError: There is none of this name.
            SchemaError: Its file has just been spoilt.
        """
        return read_definition(self._pages, name)

    def solution(self, name: str, version: str | None = None) -> Solution:
        """A solution in full.

        Args:
            name: Its name.
            version: Content hash, or the beginning of one; None for the version that counts.
                A version that is no longer in the dataset is looked for among those kept.

        Raises:
            KeyError: There is none of this name and version.
            SchemaError: Its file has just been spoilt.
        """
        try:
            return read_solution(self._pages, name, version)
        except KeyError:
            kept = find_version(name, version) if version else None
            if kept is None:
                raise
            return kept

    def workload(self, uuid: str, definition: str | None = None) -> Workload:
        """A workload in full.

        Args:
            uuid: Its uuid.
            definition: Where several definitions have a workload of this uuid.

        Raises:
            KeyError: There is none.
            SchemaError: Its file has just been spoilt.
        """
        return read_workload(self._pages, uuid, definition)

    def trace(self, trace_id: int) -> Trace:
        """An evaluation in full, with its log, read from its file.

        Args:
            trace_id: ``id`` of a :class:`TraceRow`.

        Raises:
            KeyError: There is none, or its file changed since it was listed.
        """
        return read_trace(self._pages, trace_id)

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
        author = self._pages.select(
            "SELECT author FROM solution WHERE name = ? AND standing = 2", [trace.solution]
        )
        op_type = self._pages.select(
            "SELECT op_type FROM definition WHERE name = ? AND standing = 2", [trace.definition]
        )
        parts = [str(rows[0][0]) if rows else "unknown" for rows in (author, op_type)]
        return trace_path(self.root, parts[0], parts[1], trace.definition)
