"""A run as the screens see it, and what can be asked to be run and how. Values; no services."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from engine.run.cost import Cost
from engine.run.progress import Cell
from engine.schema import Status
from engine.schema.run import QUICK, Busy, Request, Settings
from fitui.survey import Survey


class Index(Struct):
    """The evaluations of a run by what they are about; made anew when there are more.

    Args:
        pairs: By solution and workload.
        definitions: That the run is about.
    """

    pairs: dict[tuple[str, str], Cell]
    definitions: tuple[str, ...]


def index_of(cells: dict[str, Cell]) -> Index:
    """Index of the evaluations of a run."""
    return Index(
        pairs={(cell.solution, cell.workload): cell for cell in cells.values()},
        definitions=tuple(dict.fromkeys(cell.definition for cell in cells.values())),
    )


class RunView(Struct, frozen=True, kw_only=True):
    """A run as it stood at one moment; never changed afterwards, but for its cells' fields.

    Args:
        log_file: What its runner printed.
    """

    run: str
    state: str
    request: Request
    priority: int
    folder: Path
    log_file: Path
    cells: dict[str, Cell]
    index: Index
    survey: Survey
    ended: int
    failed: int
    started: float | None
    finished: float | None
    message: str
    notices: tuple[str, ...]

    @property
    def live(self) -> bool:
        """True while something may still happen."""
        return self.state in ("queued", "running", "paused")

    @property
    def unended(self) -> bool:
        """True until it has ended: a run that is stopped can still be cancelled."""
        return self.live or self.state == "stopped"

    @property
    def broken(self) -> bool:
        """True if it did not get to its end, and nobody wanted that."""
        return self.state in ("failed", "stopped")

    @property
    def subject(self) -> str:
        """What was asked for, in short."""
        request = self.request
        if request.note:
            return request.note
        pairs = list(dict.fromkeys(solution for solution, _workload in request.pairs))
        names = list(request.solutions) or pairs or list(request.definitions) or ["everything"]
        return ", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else "")

    @property
    def definitions(self) -> list[str]:
        """Definitions that it is about, as far as known."""
        return list(self.index.definitions) or list(self.request.definitions)

    def cell_for(self, solution: str, workload: str) -> Cell | None:
        """The evaluation of a solution on a workload."""
        return self.index.pairs.get((solution, workload))


class Target(Struct, frozen=True, kw_only=True):
    """Something that can be run.

    Args:
        title: In words, for the dialog and the status line.
        definition: Whose matrix shows it.
        definitions: As in a request; likewise the others.
        compare: Two solutions that are measured in turns instead of being evaluated.
    """

    title: str
    definition: str = ""
    definitions: tuple[str, ...] = ()
    solutions: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    compare: tuple[str, str] | None = None


def target_of(request: Request) -> Target:
    """What a request asks for."""
    return Target(
        title=f"run {request.run} again",
        definitions=tuple(request.definitions),
        solutions=tuple(request.solutions),
        workloads=tuple(request.workloads),
        pairs=tuple(request.pairs),
        compare=request.compare,
    )


def failed_of(run: RunView) -> Target:
    """What of a run did not pass."""
    return Target(
        title=f"what failed in run {run.run}",
        definitions=tuple(run.definitions),
        pairs=tuple(
            (cell.solution, cell.workload)
            for cell in run.cells.values()
            if cell.status not in (None, Status.PASSED)
        ),
    )


class Repeat(StrEnum):
    """What of the evaluations that are asked for is made."""

    MISSING = "missing"
    """What has no result, or only one that is stale: of another content of the solution, the
    definition or the workload, or from another model of device where one is chosen."""
    SAME = "same way"
    """What has no result of the very same settings and versions either (``--resume``)."""
    ALL = "again"
    """Everything."""


class Choice(Struct, frozen=True, kw_only=True):
    """How to run.

    Args:
        devices: Names; the work is spread over them.
        timer: One of ``engine.schema.timers.NAMES``.
        confirm: Evaluate what beats all others once more; quick runs never do.
        where: Filter expression of the workloads, or "".
    """

    devices: tuple[str, ...]
    quick: bool
    repeat: Repeat = Repeat.MISSING
    timer: str = "auto"
    confirm: bool = True
    busy: Busy = Busy.WAIT
    where: str = ""
    note: str = ""

    @property
    def settings(self) -> Settings:
        """The settings of a run."""
        base = QUICK if self.quick else Settings()
        return replace(base, timer=self.timer, confirm=base.confirm and self.confirm)


class Plan(Struct, frozen=True, kw_only=True):
    """What a choice means for a target, as the dataset is now.

    Args:
        target: What is left of it to be asked for.
        asked: Evaluations that it means without regard to results.
        solutions: That are evaluated.
        workloads: That they are evaluated on, in all.
        under_way: Evaluations that a run is about already.
    """

    target: Target
    choice: Choice
    cost: Cost
    asked: int
    solutions: int
    workloads: int
    under_way: int = 0


class Change(Struct, frozen=True):
    """What is new: the store's content, these runs, a word to say, the causes of failures, what
    the page has had looked up, how far the index is.
    """

    store: bool = False
    runs: frozenset[str] = frozenset()
    message: str = ""
    triage: bool = False
    page: bool = False
    status: bool = False
