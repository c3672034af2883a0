"""Matrix: solutions x workloads of one definition, filling while a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.insight.ranking import timer_words
from engine.run.progress import Cell
from engine.store import TraceRow
from fitui import format as form
from fitui.copying import pull_request
from fitui.copying.tables import matrix_snapshot
from fitui.format import clean, flags_text
from fitui.lookup import Lookup
from fitui.run_view import RunView, Target
from fitui.screens.definition_tabs import DEFINITION_TABS, definition_tab
from fitui.screens.fields import axes_text, cell_mark, flags_mark, phase_words, status_words
from fitui.screens.marks import Marking
from fitui.screens.matrix_model import UNRANKED, MatrixModel
from fitui.screens.targets import pair_target, solution_target
from fitui.view import View
from fitui.where import exact
from fitui.widgets.lines import Span


class _Stored(NamedTuple):
    """Names of the solutions, uuids of the workloads, and the latest trace of each pair."""

    solutions: set[str]
    workloads: set[str]
    traces: dict[tuple[str, str], TraceRow]


class MatrixPage(Marking):
    """The latest verdict of every pair, and what is being run."""

    body = "matrix"
    tabs = DEFINITION_TABS

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self.model = MatrixModel((), (), (), lambda: "latency")
        self._looked: Lookup[_Stored] = Lookup(
            self._read, bench.looked_up, lambda: bench.shows(self)
        )
        self.shown = 0

    def show(self) -> None:
        """Read solutions, workloads and their latest traces."""
        self.apply(self.view.filter)

    def apply(self, words: str) -> None:
        """Show the solutions in whose name, author or language every word occurs."""
        store, name = self.session.store, self.view.subject
        store.definition(name)
        self._looked.forget()
        where = exact("definition", name)
        wanted = words.casefold().split()
        solutions = [row for row in store.solutions(where=where) if row.current]
        kept = [
            row
            for row in solutions
            if all(word in f"{row.name} {row.author} {row.language}".casefold() for word in wanted)
        ]
        self.model = MatrixModel(
            kept, store.workloads(where=where), store.matrix(name), lambda: self.bench.metric
        )
        self.model.label = lambda solution: self.bench.marks.label(name, solution)
        self.model.put_runs(self.session.runs_of(name))
        sort = self.view.sort
        if sort:
            self.model.sort_rows(self._sort_column(sort), descending=sort.startswith("-"))
        self.bench.matrix.show(
            self.model, empty=self._empty(len(solutions), len(kept)), sort=self.view.sort
        )

    def _sort_column(self, sort: str) -> int:
        name = sort.lstrip("-")
        fields = [column.field for column in self.model.columns]
        return fields.index(name) if name in fields else 0

    def _empty(self, every: int, kept: int) -> list[str]:
        name = self.view.subject
        if not self.model.workloads:
            return [
                f"No workloads of {name}: nothing can be run.",
                f"A workload is a line of workloads/<op_type>/{name}.jsonl.",
            ]
        if every and not kept:
            return [f"No solution matches `{self.view.filter}`.", "Press / and change it."]
        return [
            f"No solutions of {name} yet.",
            f"A solution is a file solutions/<author>/<op_type>/{name}/<name>.json below",
            str(self.session.overlay_folder()),
        ]

    # What is under the cursor

    def _pair(self) -> tuple[str, str] | None:
        row = self.bench.matrix.current
        return None if row is None else self.model.pair(row, self.bench.matrix.column)

    def _axes(self, workload: str) -> dict[str, int]:
        return next((row.axes for row in self.model.workloads if row.uuid == workload), {})

    def opened(self) -> View | None:
        """The trace of the cell, or how far its evaluation is."""
        pair = self._pair()
        if pair is None:
            return None
        cell = self.model.live.get(pair)
        if cell is not None:
            for view in self.session.runs_of(self.view.subject):
                if view.cell_for(*pair) is cell:
                    return View("evaluation", f"{view.run}/{cell.evaluation}")
        stored = self.model.stored.get(pair)
        return View("trace", str(stored.id)) if stored else None

    def do_open(self) -> None:
        """Enter the cell, if it has anything to show."""
        view = self.opened()
        if view is not None:
            self.bench.go(view)
        elif self._pair() is not None:
            self.bench.say("never run: c runs this cell, r all that is missing here")

    def anchor(self) -> str:
        """Solution and workload of the cell."""
        pair = self._pair()
        return "\t".join(pair) if pair else ""

    def restore(self, anchor: str) -> None:
        """Put the cursor on a cell again."""
        solution, _tab, workload = anchor.partition("\t")
        row = self.model.find(solution)
        uuids = [item.uuid for item in self.model.workloads]
        column = uuids.index(workload) + 1 if workload in uuids else 1
        self.bench.matrix.go_to(row if row is not None else 0, column)

    def definition(self) -> str:
        """Its own."""
        return self.view.subject

    def solution(self) -> str:
        """Solution of the row."""
        pair = self._pair()
        return pair[0] if pair else ""

    def workload(self) -> str:
        """Workload of the column."""
        pair = self._pair()
        return pair[1] if pair else ""

    def copied(self) -> str:
        """Name of the solution."""
        return self.solution()

    def markdown(self) -> Callable[[], str] | None:
        """The matrix, with the geomean of each solution."""
        snapshot = matrix_snapshot(self.model, str(self.view), self.bench.metric)
        store = self.session.store
        return None if snapshot is None else lambda: pull_request.markdown(store, snapshot)

    def live_run(self) -> RunView | None:
        """The run that fills it."""
        return self.model.run

    # Running

    def target(self) -> Target | None:
        """Everything that is shown."""
        name, model = self.view.subject, self.model
        if not (model.solutions and model.workloads):
            return None
        on = form.count(len(model.workloads), "workload")
        return Target(
            title=f"{form.count(len(model.solutions), 'solution')} on {on}",
            definition=name,
            definitions=(name,),
            solutions=tuple(row.name for row in model.solutions),
            # Named, so that a quick run leaves none of what is shown out.
            workloads=tuple(row.uuid for row in model.workloads),
        )

    def targets(self) -> list[Target]:
        """Everything that is shown, row, cell."""
        shown, pair = self.target(), self._pair()
        result = [shown] if shown is not None else []
        if pair is not None:
            result += [solution_target(self.view.subject, pair[0]), self._cell_target(pair)]
        return result

    def _cell_target(self, pair: tuple[str, str]) -> Target:
        return pair_target(self.view.subject, *pair, self._axes(pair[1]))

    def do_run_cell(self) -> None:
        """Run the cell under the cursor, also where it has a result."""
        pair = self._pair()
        if pair is not None:
            self.bench.start_run(self._cell_target(pair), again=True)

    # Chrome

    def scopes(self) -> set[str]:
        """A table of cells."""
        scopes = {"rows", "columns", "tabs", "filter", "matrix", "failures"}
        if self._pair() is not None:
            scopes |= {"runnable", "sources", "copy", "pairs"}
        return scopes | {"live"} if self.live_run() else scopes

    def crumb(self) -> str:
        """The name, and that it is its matrix."""
        return f"{self.view.subject} > matrix"

    def tab_view(self, tab: str) -> View:
        """Another tab of the definition."""
        return definition_tab(self.view.subject, tab)

    def current_tab(self) -> str:
        """The matrix."""
        return "matrix"

    def bar(self) -> tuple[list[Span], list[Span]]:
        """Tabs, and what the cells show."""
        passed, failed, every = self.model.counts()
        unit = "us" if self.bench.metric == "latency" else "speedup"
        left = self.tab_spans()
        if self.view.filter:
            left += [(" / ", "accent"), (self.view.filter, "title")]
        right: list[Span] = [(f"{passed}/{every}", "passed" if passed else "dim")]
        if failed:
            right.append((f" {failed} failed", "failed"))
        if self.model.mixed:
            by = clean(timer_words(self.model.timer))
            return left, [*right, (f" {unit} by {by} ", "dim"), (f"{UNRANKED} other ", "warn")]
        return left, [*right, (f" {unit} ", "dim")]

    def hint(self) -> list[Span]:
        """The cell in words."""
        pair = self._pair()
        if pair is None:
            return []
        where = f"  {clean(pair[0])} on {axes_text(self._axes(pair[1]))}"
        live, stored = self.model.live.get(pair), self.model.stored.get(pair)
        if live is not None:
            count = f" n={live.n}" if live.n and live.status is None else ""
            words = f" {phase_words(live)}"
            tail = f"  {clean(live.message)}" if live.message else where
            if live.latency_ms is not None:
                count += f" {form.latency(live.latency_ms)} us {form.speedup(live.speedup)}"
            return [(words, cell_mark(live)), (count, ""), *self._measured(live), (tail, "dim")]
        if stored is None:
            return [(" never run", "dim"), (where, "dim")]
        style = "passed" if stored.status == "PASSED" else "failed"
        spans: list[Span] = [(f" {status_words(stored.status)}", style)]
        if stored.latency_ms is not None:
            spans.append((f" {form.latency(stored.latency_ms)} us", ""))
        if stored.speedup is not None:
            spans.append((f" {form.speedup(stored.speedup)}", ""))
        spans += self._measured(stored)
        why = self.session.reason(stored.id) if stored.status != "PASSED" else ""
        return [*spans, (f"  {why}" if why else where, "dim")]

    def _measured(self, item: Cell | TraceRow) -> list[Span]:
        """How near the limit it is, and what to know of the figure."""
        spans: list[Span] = []
        if item.roofline is not None:
            spans.append((f" {form.roofline(item.roofline)} % roof", ""))
        if item.flags:
            spans.append((f"  {flags_text(item.flags)}", flags_mark(item.flags)))
        return [*spans, *self._by(item)]

    def _by(self, item: Cell | TraceRow) -> list[Span]:
        """Why a figure is not ranked with the others."""
        if not self.model.is_unranked(item):
            return []
        timer, usual = timer_words(item.timer), timer_words(self.model.timer)
        return [(clean(f"  by {timer}, not ranked: others by {usual}"), "warn")]

    def runs_changed(self, runs: frozenset[str]) -> None:
        """Lay the cells over the stored ones; only changed lines are painted."""
        self.model.put_runs(self.session.runs_of(self.view.subject))
        self.bench.matrix.repaint()

    def store_changed(self) -> None:
        """Have the traces read again; rows move only where there are new ones."""
        self._looked.ask()

    def _read(self) -> _Stored:
        store, name = self.session.store, self.view.subject
        where = exact("definition", name)
        return _Stored(
            {row.name for row in store.solutions(where=where) if row.current},
            {row.uuid for row in store.workloads(where=where)},
            {(row.solution, row.workload): row for row in store.matrix(name)},
        )

    def found(self) -> None:
        """Show what was read again."""
        stored = self._looked.found
        if stored is None:
            return
        known = {row.name for row in self.model.solutions}
        if (not self.view.filter and stored.solutions != known) or stored.workloads != {
            row.uuid for row in self.model.workloads
        }:
            self.show()
            return
        self.model.stored = stored.traces
        self.runs_changed(frozenset())

    # Commands

    def do_sort(self) -> None:
        """Sort the solutions by the selected workload: up, down, off."""
        field = self.model.columns[self.bench.matrix.column].field
        following = {field: f"-{field}", f"-{field}": ""}
        self.bench.turn(self.view.but(sort=following.get(self.view.sort, field)))

    def do_metric(self) -> None:
        """Latency or speedup."""
        self.bench.metric = "speedup" if self.bench.metric == "latency" else "latency"
        self.bench.matrix.repaint()
        self.bench.refresh_chrome()

    def do_next_failure(self) -> None:
        """Next failed cell, row by row."""
        self._seek(1)

    def do_previous_failure(self) -> None:
        """Previous failed cell."""
        self._seek(-1)

    def _seek(self, step: int) -> None:
        width, height = len(self.model.workloads), len(self.model.solutions)
        matrix = self.bench.matrix
        here = matrix.cursor * width + matrix.column - 1
        for distance in range(1, width * height + 1):
            row, column = divmod((here + step * distance) % (width * height), width)
            if self.model.status(row, column + 1) not in ("", "PASSED"):
                matrix.go_to(row, column + 1)
                return
        self.bench.say("no failures here")
