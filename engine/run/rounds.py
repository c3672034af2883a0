"""In which order pairs of processes go through the workloads that two solutions are compared on."""

from __future__ import annotations

import time

from engine.run.plan import Task
from engine.run.reference import BUDGET_BYTES, MOST_SETS
from engine.run.turns import Found
from engine.schema.definition import Definition

ROUND_S = 5.0
"""Seconds after which a round begins no further workload. Longer rounds start fewer processes, but
results come later, and more is lost where something else goes first."""


class Rounds:
    """Which workload a pair of processes goes to next.

    Those that have begun come first among all that are left, and never more of them than the
    reference keeps inputs of: they would have to be made again in each round.

    Args:
        cells: What is left. Whoever ends one takes it out, of ``begun`` too.
        definition: Of all of them.
        sets: Input sets of each.

    Attributes:
        begun: What has been measured so far, by evaluation.
    """

    def __init__(self, cells: list[Task], definition: Definition, sets: int) -> None:
        self._cells = cells
        self._definition = definition
        self._sets = sets
        self._visited: set[str] = set()
        self._since = 0.0
        self.begun: dict[str, Found] = {}

    def next(self) -> Task:
        """The next for the pair at hand, or else the first for another one; there is one."""
        nbytes = 0
        for number, cell in enumerate(self._cells, start=1):
            nbytes += self._nbytes(cell)
            if cell.evaluation in self._visited:
                continue
            if cell.evaluation not in self.begun and not self._has_room(number, nbytes):
                break
            return cell
        self._visited.clear()
        return self._cells[0]

    def _has_room(self, number: int, nbytes: int) -> bool:
        """Whether this round may begin another, with which so many would have begun."""
        return self.at_start or (
            time.monotonic() - self._since < ROUND_S
            and number * self._sets <= MOST_SETS
            and nbytes <= BUDGET_BYTES
        )

    def _nbytes(self, cell: Task) -> int:
        """Of its inputs, and somewhat more."""
        try:
            return self._sets * self._definition.bytes_of(cell.workload.axes)
        except KeyError:  # it lacks an axis, and will not be measured
            return 0

    @property
    def at_start(self) -> bool:
        """Whether the round's pair of processes is yet to be started."""
        return not self._visited

    def visit(self, cell: Task) -> Found:
        """Begin or go on with a cell in this round."""
        if self.at_start:
            self._since = time.monotonic()
        self._visited.add(cell.evaluation)
        return self.begun.setdefault(cell.evaluation, Found())
