"""Solutions x workloads of one definition: the latest stored verdicts under the cells of its runs.

A cell of the newest run wins over the stored verdict until the run's own trace has arrived. The
order of rows and columns holds while the model lives, so that nothing moves under the cursor.
Solutions are ranked by the figures of one timer; those of another are marked and ranked last.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeGuard

from engine.insight.ranking import geomeans
from engine.run.progress import Cell
from engine.schema.flags import is_alarm
from engine.schema.run import Kind
from engine.schema.timers import ranking_timer
from engine.store import SolutionRow, TraceRow, WorkloadRow
from fitui import format as form
from fitui.format import clean, workload_labels
from fitui.run_view import RunView
from fitui.screens.fields import LETTERS, PHASES, cell_mark, status_mark
from fitui.widgets.table_source import Column

NAME_WIDTH = 34
"""Cells that a solution's name may take."""
UNRANKED = "*"
"""Stands before a figure of another timer than that by which solutions are ranked."""
ALARM = "!"
"""Stands before a figure that cannot be true."""


class MatrixModel:
    """A :class:`TableSource` whose rows are solutions and whose columns are workloads.

    Args:
        solutions: Current versions only.
        workloads: In any order; they are put in order of their axes.
        stored: Latest trace of each pair.
        metric: Says what a cell shows, "latency" or "speedup".

    Attributes:
        timer: By whose figures solutions are ranked.
        mixed: Whether there are figures by others.
    """

    def __init__(
        self,
        solutions: Iterable[SolutionRow],
        workloads: Iterable[WorkloadRow],
        stored: Iterable[TraceRow],
        metric: Callable[[], str],
    ) -> None:
        self.solutions = list(solutions)
        self.workloads = sorted(workloads, key=lambda row: (list(row.axes.values()), row.uuid))
        self.stored = {(row.solution, row.workload): row for row in stored}
        self.live: dict[tuple[str, str], Cell] = {}
        self.run: RunView | None = None
        self.timer = ""
        self.mixed = False
        self._tally: tuple[int, int, int] | None = None
        self._metric = metric
        self.label: Callable[[str], str] = clean
        self._choose_timer()
        means = geomeans(self.stored.values(), self.timer)
        self.solutions.sort(key=lambda row: (-means.get(row.name, 0.0), row.name))
        self.labels = workload_labels([row.axes for row in self.workloads])
        longest = max((len(row.name) for row in self.solutions), default=8)
        names = Column("SOLUTION", min(NAME_WIDTH, longest), 2, field="solution", middle=True)
        self.columns = [names] + [
            Column(
                "\n".join(parts) or "-",
                max(8, *(len(part) + 1 for part in parts or ["-"])),
                field=f"column{index}",
            )
            for index, parts in enumerate(self.labels)
        ]

    # Runs

    def put_runs(self, runs: Iterable[RunView]) -> None:
        """Lay the cells of runs over the stored verdicts, the newest on top.

        Args:
            runs: Newest first; an ended run counts only while its traces are not stored yet.
        """
        runs = list(runs)
        self._tally = None
        self.run = next((view for view in runs if view.live), None)
        self.live = {}
        for view in reversed(runs):
            for cell in view.cells.values():
                pair = (cell.solution, cell.workload)
                if self._counts(view, cell):
                    self.live[pair] = cell
        self._choose_timer()

    def _counts(self, view: RunView, cell: Cell) -> bool:
        stored = self.stored.get((cell.solution, cell.workload))
        if stored is not None and stored.evaluation == cell.evaluation:
            return view.live and cell.status is not None
        if cell.phase is Kind.SKIPPED:
            # Its verdict is that of a trace that should be there.
            return stored is None
        if view.live:
            return True
        if cell.phase is Kind.NOT_RUN:
            return stored is None
        if cell.status is None:
            return False
        return stored is None or (stored.time or 0.0) < cell.since - 1

    # What is compared

    def _ended(self, pair: tuple[str, str]) -> Cell | TraceRow | None:
        """What says the figures of a pair; not what is still being measured."""
        live = self.live.get(pair)
        return live if live is not None and live.status else self.stored.get(pair)

    def _choose_timer(self) -> None:
        found = (self._ended(pair) for pair in self.stored.keys() | self.live.keys())
        counts = Counter(item.timer for item in found if _is_timed(item))
        self.timer, self.mixed = ranking_timer(counts), len(counts) > 1

    def is_unranked(self, item: Cell | TraceRow | None) -> bool:
        """True for a figure that is not compared with the others."""
        return _is_timed(item) and item.timer != self.timer

    # What is where

    def pair(self, row: int, column: int) -> tuple[str, str] | None:
        """Solution and workload of a cell."""
        if not (0 <= row < len(self.solutions) and 1 <= column <= len(self.workloads)):
            return None
        return self.solutions[row].name, self.workloads[column - 1].uuid

    def status(self, row: int, column: int) -> str:
        """Verdict of a cell, "" for none."""
        pair = self.pair(row, column)
        if pair is None:
            return ""
        live = self.live.get(pair)
        if live is not None:
            return live.status.value if live.status else ""
        stored = self.stored.get(pair)
        return stored.status if stored else ""

    def counts(self) -> tuple[int, int, int]:
        """Cells that passed, that failed, and all."""
        if self._tally is not None:
            return self._tally
        passed = failed = 0
        for row in range(len(self.solutions)):
            for column in range(1, len(self.columns)):
                status = self.status(row, column)
                passed += status == "PASSED"
                failed += status not in ("", "PASSED")
        self._tally = passed, failed, len(self.solutions) * len(self.workloads)
        return self._tally

    def sort_rows(self, column: int, *, descending: bool) -> None:
        """Order the solutions by a column: by name, or by the latency of a workload.

        Whatever the order, latencies of another timer come last.
        """
        if column == 0:
            self.solutions.sort(key=lambda item: item.name, reverse=descending)
            return
        workload = self.workloads[column - 1].uuid

        def key(item: SolutionRow) -> tuple[float, str]:
            found = self._ended((item.name, workload))
            latency = found.latency_ms if found else None
            return (latency if latency is not None else math.inf, item.name)

        self.solutions.sort(key=key, reverse=descending)
        self.solutions.sort(key=lambda item: self.is_unranked(self._ended((item.name, workload))))

    # TableSource

    @property
    def row_count(self) -> int:
        """Number of solutions; none without workloads, so that the empty text shows."""
        return len(self.solutions) if self.workloads else 0

    def key(self, row: int) -> str:
        """Name of the solution."""
        return self.solutions[row].name

    def find(self, key: str) -> int | None:
        """Row of a solution."""
        names = [item.name for item in self.solutions]
        return names.index(key) if key in names else None

    def cell(self, row: int, column: int) -> str:
        """Letter and figure; a phase in small letters; ``.`` for never run."""
        if column == 0:
            return self.label(self.solutions[row].name)
        pair = self.pair(row, column)
        assert pair is not None
        live, stored = self.live.get(pair), self.stored.get(pair)
        if live is not None and live.status is not None:
            return live.status.letter + self._figure(live)
        if live is not None:
            letter = PHASES.get(live.phase, ("?", ""))[0]
            running = live if live.latency_ms is not None else stored
            return letter + self._figure(running)
        if stored is not None:
            return LETTERS.get(stored.status, "?") + self._figure(stored)
        return "."

    def mark(self, row: int, column: int) -> str:
        """Style of a cell."""
        if column == 0:
            return ""
        pair = self.pair(row, column)
        assert pair is not None
        live, stored = self.live.get(pair), self.stored.get(pair)
        if live is not None:
            return cell_mark(live)
        if stored is not None and is_alarm(stored.flags):
            return "failed"
        return status_mark(stored.status) if stored is not None else "dim"

    def _figure(self, item: Cell | TraceRow | None) -> str:
        """What stands behind the letter."""
        if item is None:
            return ""
        if self._metric() == "speedup":
            figure = form.speedup(item.speedup)
        else:
            figure = form.latency(item.latency_ms)
        if not figure:
            return ""
        sign = ALARM if is_alarm(item.flags) else UNRANKED if self.is_unranked(item) else " "
        return f"{sign}{figure:>5}"


def _is_timed(item: Cell | TraceRow | None) -> TypeGuard[Cell | TraceRow]:
    """True for figures that are final: those of a cell that is being timed name no timer yet."""
    if isinstance(item, Cell) and item.status is None:
        return False
    return item is not None and item.latency_ms is not None
