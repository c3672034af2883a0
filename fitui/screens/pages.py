"""Which page shows which view. The module of a page is imported when it is first shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from fitui.screens.listing import ListPage
from fitui.screens.nothing import NothingPage
from fitui.screens.page import Bench, Page
from fitui.view import View, ViewError

_PLACES = {
    ("triage", ""): "triage.TriagePage",
    ("definitions", ""): "definitions.DefinitionsPage",
    ("definition", ""): "definition.DefinitionPage",
    ("definition", "workloads"): "definition_tabs.WorkloadsTab",
    ("definition", "solutions"): "definition_tabs.SolutionsTab",
    ("definition", "traces"): "definition_tabs.TracesTab",
    ("matrix", ""): "matrix.MatrixPage",
    ("solution", ""): "solution.SolutionPage",
    ("solution", "versions"): "versions_tab.SolutionVersions",
    ("solution", "traces"): "solution.SolutionTraces",
    ("solution", "diff"): "solution.SolutionDiff",
    ("traces", ""): "traces.TracesPage",
    ("trace", ""): "trace.TracePage",
    ("trace", "history"): "trace_history.TraceHistory",
    ("evaluation", ""): "evaluation.EvaluationOfRun",
    ("runs", ""): "runs.RunsPage",
    ("run", ""): "run.RunPage",
    ("compare", ""): "compare.ComparePage",
    ("compare", "totals"): "compare.CompareTotals",
    ("history", ""): "history.HistoryPage",
    ("devices", ""): "devices.DevicesPage",
    ("problems", ""): "problems.ProblemsPage",
}
"""Module and class by kind and tab."""


class _Pages(Mapping[tuple[str, str], type[Page]]):
    """The classes, each imported when it is asked for."""

    def __getitem__(self, key: tuple[str, str]) -> type[Page]:
        module, _dot, name = _PLACES[key].partition(".")
        found: type[Page] = getattr(import_module(f"fitui.screens.{module}"), name)
        return found

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


PAGES = _Pages()
"""Page by kind and tab; a tab that has no page of its own is shown by the kind's first."""


def page_for(bench: Bench, view: View) -> Page:
    """A new page for a view."""
    made = PAGES.get((view.kind, view.tab)) or PAGES[(view.kind, "")]
    if not view.group:
        return made(bench, view)
    counted = made(bench, view.but(group="", sort="", follow=""))
    if not isinstance(counted, ListPage):
        return NothingPage(bench, view, f"{counted.crumb()} is no table of rows")
    from fitui.screens.group import GroupPage

    try:
        return GroupPage(bench, view, counted)
    except (LookupError, ViewError) as error:
        return NothingPage(bench, view, str(error))
