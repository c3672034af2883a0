"""Which page shows which view."""

from __future__ import annotations

from fitui.screens.compare import ComparePage, CompareTotals
from fitui.screens.definition import DefinitionPage
from fitui.screens.definition_tabs import SolutionsTab, TracesTab, WorkloadsTab
from fitui.screens.definitions import DefinitionsPage
from fitui.screens.devices import DevicesPage
from fitui.screens.history import HistoryPage
from fitui.screens.matrix import MatrixPage
from fitui.screens.page import Bench, Page
from fitui.screens.problems import ProblemsPage
from fitui.screens.run import RunPage
from fitui.screens.runs import RunsPage
from fitui.screens.solution import SolutionPage, SolutionTraces
from fitui.screens.trace import EvaluationOfRun, TracePage
from fitui.screens.traces import TracesPage
from fitui.screens.triage import TriagePage
from fitui.view import View

PAGES: dict[tuple[str, str], type[Page]] = {
    ("triage", ""): TriagePage,
    ("definitions", ""): DefinitionsPage,
    ("definition", ""): DefinitionPage,
    ("definition", "workloads"): WorkloadsTab,
    ("definition", "solutions"): SolutionsTab,
    ("definition", "traces"): TracesTab,
    ("matrix", ""): MatrixPage,
    ("solution", ""): SolutionPage,
    ("solution", "traces"): SolutionTraces,
    ("traces", ""): TracesPage,
    ("trace", ""): TracePage,
    ("evaluation", ""): EvaluationOfRun,
    ("runs", ""): RunsPage,
    ("run", ""): RunPage,
    ("compare", ""): ComparePage,
    ("compare", "totals"): CompareTotals,
    ("history", ""): HistoryPage,
    ("devices", ""): DevicesPage,
    ("problems", ""): ProblemsPage,
}
"""Page by kind and tab; a tab that has no page of its own is shown by the kind's first."""


def page_for(bench: Bench, view: View) -> Page:
    """A new page for a view."""
    made = PAGES.get((view.kind, view.tab)) or PAGES[(view.kind, "")]
    return made(bench, view)
