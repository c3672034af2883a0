"""The tabs of a definition that are tables: workloads, solutions, traces."""

from __future__ import annotations

from typing import Any

from engine.insight.ranking import timer_words
from engine.schema.timers import ranking_timer
from engine.store import SolutionRow, WorkloadRow
from fitui.format import clean
from fitui.run_view import Target
from fitui.screens.fields import axes_text
from fitui.screens.marks import Marking
from fitui.screens.rows import FetchedRows
from fitui.screens.store_fields import SOLUTION_FIELDS, WORKLOAD_FIELDS
from fitui.screens.store_list import StoreTab, TraceList, without
from fitui.screens.targets import (
    definition_target,
    marked_solutions,
    marked_workloads,
    solution_target,
)
from fitui.view import View
from fitui.where import exact
from fitui.widgets.lines import Span

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
        """The marked ones, what is under the cursor, or all solutions."""
        first = self.target()
        every = definition_target(self.view.subject)
        return self.with_marked([first, every] if first is not None and first != every else [every])


class WorkloadsTab(DefinitionTab):
    """The workloads of a definition."""

    kind = "workloads"
    noun = "workload"
    fields = WORKLOAD_FIELDS

    def key_of(self, row: Any) -> str:
        """uuid."""
        return str(row.uuid)

    def mark_group(self) -> str:
        """Of the workloads of this definition."""
        return f":workloads {self.view.subject}"

    def marked_target(self, keys: list[str]) -> Target | None:
        """All solutions on the marked ones."""
        return marked_workloads(self.view.subject, keys)

    def empty(self) -> list[str]:
        """How to get workloads."""
        return [
            "No workloads: nothing can be run.",
            f"A workload is a line of workloads/<op_type>/{self.view.subject}.jsonl.",
        ]

    def workload(self) -> str:
        """The workload under the cursor."""
        row = self.current()
        return row.uuid if isinstance(row, WorkloadRow) else ""

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

    def mark_group(self) -> str:
        """Shared with the matrix of the definition."""
        return self.view.subject

    def marked_target(self, keys: list[str]) -> Target | None:
        """The marked ones on all workloads."""
        return marked_solutions(self.view.subject, keys)

    def load(self, words: str, sort: str) -> FetchedRows:
        """Rows from the store; where there are several timers, which of them counts."""
        where = exact("definition", self.view.subject)
        counts = self.session.store.facet("traces", "timer", f"{where} is:latest status:PASSED")
        self.timer = ranking_timer(counts) if len(counts) > 1 else None
        return super().load(words, sort)

    def bar(self) -> tuple[list[Span], list[Span]]:
        """By which timer speedups are, where there are others."""
        left, right = super().bar()
        if self.timer is None:
            return left, right
        return left, [(f"GEOM by {clean(timer_words(self.timer))} only  ", "warn"), *right]

    def key_of(self, row: Any) -> str:
        """Name."""
        return str(row.name)

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


class TracesTab(DefinitionTab, TraceList):
    """The traces of a definition, newest first."""

    fields = without({"definition"})

    def empty(self) -> list[str]:
        """How to get traces."""
        return [f"{self.view.subject} has never been run.", "Press r to run all its solutions."]

    def target(self) -> Target | None:
        """The pair under the cursor, else all solutions."""
        return self.target_of(self._row()) or super().target()
