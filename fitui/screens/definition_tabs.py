"""The tabs of a definition that are tables: workloads, solutions, traces."""

from __future__ import annotations

from msgspec.structs import replace

from engine.insight.ranking import geomeans, ranking_timer, timer_words
from engine.store import QueryError, SolutionRow, TraceRow, WorkloadRow
from fitui.format import clean, flags_text, short_axis
from fitui.run_view import Target
from fitui.screens.definitions import definition_target
from fitui.screens.fields import (
    SOLUTION_FIELDS,
    TRACE_FIELDS,
    WORKLOAD_FIELDS,
    axes_text,
    flags_mark,
)
from fitui.screens.listing import ListPage
from fitui.screens.marks import Marking
from fitui.screens.rows import FetchedRows, Field, listed_rows
from fitui.session import Session
from fitui.view import View
from fitui.where import exact, shifted, within
from fitui.widgets.lines import Span

_SPEEDUP = "speedup"
"""What the column of mean speedups is sorted by."""

DEFINITION_TABS = (
    ("", "overview"),
    ("workloads", "workloads"),
    ("solutions", "solutions"),
    ("traces", "traces"),
    ("matrix", "matrix"),
)


def definition_tab(name: str, tab: str) -> View:
    """The view of a tab of a definition; the matrix has a kind of its own."""
    return View("matrix", name) if tab == "matrix" else View("definition", name, tab)


class StoreTab(ListPage):
    """Rows of one kind of the store that belong to one thing."""

    kind = ""

    def base(self) -> str:
        """Expression that the rows obey whatever is typed."""
        return exact("definition", self.view.subject)

    def key_of(self, row: object) -> str:
        """What identifies a row."""
        raise NotImplementedError

    def shown_fields(self) -> tuple[Field, ...]:
        """The columns."""
        return tuple(self.fields)

    def load(self, words: str, sort: str) -> FetchedRows:
        """Rows from the store."""
        where, offset = within(self.base(), words)
        query = getattr(self.session.store, self.kind)
        try:
            number = self.session.store.count(self.kind, where)
            query(where=where, sort=sort, limit=1)
        except QueryError as error:
            raise shifted(error, offset) from None
        return FetchedRows(
            self.shown_fields(),
            number,
            lambda limit, start: list(query(where=where, sort=sort, limit=limit, offset=start)),
            self.key_of,
        )


class DefinitionTab(StoreTab):
    """A tab of a definition."""

    tabs = DEFINITION_TABS

    def tab_view(self, tab: str) -> View:
        """Another tab of the definition."""
        return definition_tab(self.view.subject, tab)

    def definition(self) -> str:
        """The definition that it is a tab of."""
        return self.view.subject

    def scopes(self) -> set[str]:
        """A tab can run the definition even where it has no rows."""
        return super().scopes() | {"definition", "runnable"}

    def target(self) -> Target | None:
        """All solutions, where nothing is under the cursor."""
        return definition_target(self.view.subject)

    def targets(self) -> list[Target]:
        """What is under the cursor, or all solutions."""
        first = self.target()
        every = definition_target(self.view.subject)
        return [first, every] if first is not None and first != every else [every]


class WorkloadsTab(DefinitionTab):
    """The workloads of a definition."""

    kind = "workloads"
    noun = "workload"
    fields = WORKLOAD_FIELDS

    def key_of(self, row: object) -> str:
        """uuid."""
        return row.uuid if isinstance(row, WorkloadRow) else ""

    def empty(self) -> list[str]:
        """How to get workloads."""
        return [
            "No workloads: nothing can be run.",
            f"A workload is a line of workloads/<op_type>/{self.view.subject}.jsonl.",
        ]

    def target(self) -> Target | None:
        """All solutions on the workload under the cursor."""
        row = self.current()
        if not isinstance(row, WorkloadRow):
            return super().target()
        return Target(
            title=f"all solutions on {axes_text(row.axes)}",
            definition=row.definition,
            definitions=(row.definition,),
            workloads=(row.uuid,),
        )

    def opened(self) -> View | None:
        """The matrix, on this workload."""
        return View("matrix", self.view.subject)

    def hint(self) -> list[Span]:
        """All axes, or what is wrong."""
        row = self.current()
        if not isinstance(row, WorkloadRow):
            return []
        if row.problem:
            return [(f" {clean(row.problem)}", "failed")]
        return [(" " + " ".join(f"{name}={value}" for name, value in row.axes.items()), "dim")]

    def is_failure(self, row: object) -> bool:
        """A workload that cannot be run."""
        return isinstance(row, WorkloadRow) and bool(row.problem)


class SolutionsTab(DefinitionTab, Marking):
    """The solutions of a definition."""

    kind = "solutions"
    noun = "solution"
    fields = SOLUTION_FIELDS
    timer: str | None = None
    """By whose figures the mean speedups are, where those of several timers are there."""

    def shown_fields(self) -> tuple[Field, ...]:
        """With the marks before the names."""
        return (replace(self.fields[0], text=self._name_text), *self.fields[1:])

    def _name_text(self, row: object) -> str:
        assert isinstance(row, SolutionRow)
        return self.bench.marks.label(self.view.subject, row.name)

    def load(self, words: str, sort: str) -> FetchedRows:
        """Rows from the store; mean speedups of one timer only."""
        store, where = self.session.store, exact("definition", self.view.subject)
        counts = store.facet("traces", "timer", f"{where} is:latest status:PASSED")
        if len(counts) < 2:
            # The index has added up figures that can be compared.
            self.timer = None
            return super().load(words, sort)
        self.timer = ranking_timer(counts)
        means = geomeans(store.matrix(self.view.subject), self.timer)
        where, offset = within(where, words)
        try:
            rows = store.solutions(where=where, sort=sort)
        except QueryError as error:
            raise shifted(error, offset) from None
        rows = [
            replace(row, geomean_speedup=means.get(row.name) if row.current else None)
            for row in rows
        ]
        if sort.lstrip("-") == _SPEEDUP:
            rows.sort(key=lambda row: row.geomean_speedup or 0.0, reverse=sort.startswith("-"))
            rows.sort(key=lambda row: row.geomean_speedup is None)
        return listed_rows(self.shown_fields(), rows, self.key_of)

    def bar(self) -> tuple[list[Span], list[Span]]:
        """By which timer speedups are, where there are others."""
        left, right = super().bar()
        if self.timer is None:
            return left, right
        return left, [(f"GEOM by {clean(timer_words(self.timer))} only  ", "warn"), *right]

    def key_of(self, row: object) -> str:
        """Name."""
        return row.name if isinstance(row, SolutionRow) else ""

    def empty(self) -> list[str]:
        """How to get solutions."""
        return [
            f"No solutions of {self.view.subject}.",
            f"A solution is a file solutions/<author>/<op_type>/{self.view.subject}/<name>.json.",
            f"New ones go below {self.session.overlay_folder()}",
        ]

    def opened(self) -> View | None:
        """The solution."""
        name = self.solution()
        return View("solution", name) if name else None

    def solution(self) -> str:
        """The solution under the cursor."""
        row = self.current()
        return row.name if isinstance(row, SolutionRow) else ""

    def target(self) -> Target | None:
        """The solution under the cursor on all workloads."""
        name = self.solution()
        return solution_target(self.view.subject, name) if name else super().target()

    def hint(self) -> list[Span]:
        """Description."""
        row = self.current()
        return [(f" {clean(row.description)}", "dim")] if isinstance(row, SolutionRow) else []

    def scopes(self) -> set[str]:
        """With failures to jump to, and solutions to be marked."""
        return super().scopes() | {"failures"} | ({"pairs"} if self.solution() else set())

    def is_failure(self, row: object) -> bool:
        """A solution that failed somewhere."""
        return isinstance(row, SolutionRow) and row.n_failed > 0


def solution_target(definition: str, name: str) -> Target:
    """A solution on all workloads of its definition."""
    return Target(
        title=f"{name} on all workloads",
        definition=definition,
        definitions=(definition,),
        solutions=(name,),
    )


def pair_target(definition: str, solution: str, workload: str, axes: dict[str, int]) -> Target:
    """One solution on one workload."""
    where = " ".join(f"{short_axis(name)}={value}" for name, value in axes.items())
    return Target(
        title=f"{solution} on {where or workload}",
        definition=definition,
        definitions=(definition,),
        pairs=((solution, workload),),
    )


class TraceRows:
    """What pages of traces share: what is under the cursor, and where it leads."""

    @staticmethod
    def view_of(row: object) -> View | None:
        """The trace of a row."""
        return View("trace", str(row.id)) if isinstance(row, TraceRow) else None

    @staticmethod
    def workload_of(row: object) -> str:
        """The workload of a row."""
        return row.workload if isinstance(row, TraceRow) else ""

    @staticmethod
    def target_of(row: object) -> Target | None:
        """The pair of a row, once more."""
        if not isinstance(row, TraceRow):
            return None
        return pair_target(row.definition, row.solution, row.workload, row.axes)

    @staticmethod
    def hint_of(session: Session, row: object) -> list[Span]:
        """Verdict in words, and why, or the whole names."""
        if not isinstance(row, TraceRow):
            return []
        if row.status != "PASSED" and (why := session.reason(row.id)):
            return [(f" {row.status}", "failed"), (f"  {why}", "dim")]
        style = "passed" if row.status == "PASSED" else "failed"
        where = f"  {clean(row.solution)} on {axes_text(row.axes)}"
        flags = f"  {flags_text(row.flags)}" if row.flags else ""
        return [(f" {row.status}", style), (flags, flags_mark(row.flags)), (where, "dim")]


class TracesTab(DefinitionTab, TraceRows):
    """The traces of a definition, newest first."""

    kind = "traces"
    noun = "trace"
    default_sort = "-time"

    def shown_fields(self) -> tuple[Field, ...]:
        """Without the definition."""
        return tuple(item for item in TRACE_FIELDS if item.title != "DEFINITION")

    fields = tuple(item for item in TRACE_FIELDS if item.title != "DEFINITION")

    def key_of(self, row: object) -> str:
        """Id."""
        return str(row.id) if isinstance(row, TraceRow) else ""

    def empty(self) -> list[str]:
        """How to get traces."""
        return [f"{self.view.subject} has never been run.", "Press r to run all its solutions."]

    def opened(self) -> View | None:
        """The trace."""
        return self.view_of(self.current())

    def solution(self) -> str:
        """The solution under the cursor."""
        row = self.current()
        return row.solution if isinstance(row, TraceRow) else ""

    def workload(self) -> str:
        """The workload under the cursor."""
        return self.workload_of(self.current())

    def target(self) -> Target | None:
        """The pair under the cursor."""
        return self.target_of(self.current()) or super().target()

    def hint(self) -> list[Span]:
        """Verdict and names."""
        return self.hint_of(self.session, self.current())

    def scopes(self) -> set[str]:
        """With failures to jump to."""
        return super().scopes() | {"failures"}

    def is_failure(self, row: object) -> bool:
        """Everything but PASSED."""
        return isinstance(row, TraceRow) and row.status != "PASSED"
