"""The lists of a store, as of the index: filtered, in order, by the page, counted, summed up."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from engine.schema import Problem
from engine.store.fields import Members
from engine.store.pages import Pages
from engine.store.rows import (
    CellRow,
    DefinitionRow,
    LatestRow,
    SolutionRow,
    Span,
    SummaryRow,
    TraceRow,
    WorkloadRow,
)


class Lists:
    """What can be asked of an index.

    Args:
        pages: Queries on it.
    """

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

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

    def define(self, word: str, members: Members) -> None:
        """Have ``WORD:VALUE`` in filters of traces stand for evaluations that others work out.

        Args:
            word: In small letters.
            members: Gives the ids of the evaluations for a value.
        """
        self._pages.define(word, members)

    def ids(self, where: str = "") -> list[int]:
        """Ids of the evaluations that meet a filter, ascending.

        Raises:
            QueryError: The filter means nothing.
        """
        return self._pages.ids(where)

    def traces_of(self, ids: Collection[int]) -> list[TraceRow]:
        """Evaluations by their ids, newest first; those that are gone are left out."""
        condition = "t.id IN (SELECT value FROM json_each(?))"
        return self._pages.rows_where("traces", TraceRow, condition, [json.dumps(list(ids))])

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

    def span(self, kind: str, column: str, where: str = "") -> Span:
        """Smallest and largest number of a column over the rows that meet a filter.

        Times are Unix seconds, latencies milliseconds.

        Raises:
            QueryError: There is no such column of numbers, or the filter means nothing.
            LookupError: There is no such kind.
        """
        return self._pages.span(kind, column, where)

    def bins(self, kind: str, column: str, where: str, edges: Sequence[float]) -> list[int]:
        """How many of the rows that meet a filter have a number within each interval.

        Args:
            kind: Kind of row.
            column: A column of numbers, in the units of :meth:`span`.
            where: The filter.
            edges: Ascending; each interval has its lower end and lacks its upper.

        Returns:
            A number for each interval, one fewer than edges.

        Raises:
            QueryError: There is no such column of numbers, or the filter means nothing.
            LookupError: There is no such kind.
        """
        return self._pages.bins(kind, column, where, edges)

    def matrix(self, definition: str) -> list[TraceRow]:
        """The latest evaluation of every (solution, workload) pair of a definition.

        Only the current version of each solution counts; traces that do not say their version
        are taken to be of the current one.
        """
        condition = (
            "t.latest = 1 "
            "AND t.definition = (SELECT id FROM name WHERE kind = 'definition' AND text = ?)"
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

    def latest(self, definition: str | None = None) -> list[LatestRow]:
        """The latest evaluation of every (solution, workload) pair, in short.

        Args:
            definition: Only those of one definition.
        """
        return self._pages.guarded(lambda: self._pages.traces.latest(definition))

    def summary(self, definition: str) -> list[SummaryRow]:
        """Best and median latency of each solution of a definition, by name."""
        return self._pages.guarded(lambda: self._pages.traces.summary(definition))
