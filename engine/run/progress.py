"""What the events of a run say so far: one cell per evaluation, folded from ``events.jsonl``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field

from engine.schema.names import Status
from engine.schema.run import Event, Kind, Ratio, Verdict

ENDED = (Kind.DONE, Kind.COMPARED, Kind.NOT_RUN, Kind.SKIPPED)


class Cell(Struct, kw_only=True):
    """One evaluation or comparison as it stands: where it is, or how it ended.

    ``phase`` is the kind of the last event about it, ``message`` what that event says;
    ``status`` is set once it is DONE, ``verdict`` once it is COMPARED.
    Latencies are in milliseconds.
    """

    evaluation: str
    definition: str
    solution: str
    workload: str
    axes: dict[str, int]
    phase: Kind = Kind.QUEUED
    device: str = ""
    n: int = 0
    latency_ms: float | None = None
    interval: float | None = None
    reference_latency_ms: float | None = None
    speedup: float | None = None
    timer: str = ""
    roofline: float | None = None
    flags: list[str] = field(default_factory=list)
    status: Status | None = None
    message: str = ""
    log: str = ""
    trace_file: str = ""
    elapsed_s: float | None = None
    startup_s: float | None = None
    verdict: Verdict | None = None
    ratio: Ratio | None = None
    other_latency_ms: float | None = None
    since: float = 0.0

    @property
    def ended(self) -> bool:
        """True once nothing more will happen to it in this run."""
        return self.phase in ENDED


class Progress(Struct, kw_only=True):
    """The state of one run.

    Args:
        cells: By evaluation id, in the order they were queued.
        state: "queued", "running", "finished", "cancelled" or "failed", as the events tell;
            whether it is paused or its runner is gone is the client's to find out.
        message: How it ended, in words.
        notices: What the runner had to say aloud.
        version: Counts the events applied; a reader that polls compares it.
    """

    cells: dict[str, Cell] = field(default_factory=dict)
    state: str = "queued"
    message: str = ""
    started: float | None = None
    finished: float | None = None
    notices: list[str] = field(default_factory=list)
    version: int = 0

    def apply(self, event: Event) -> Cell | None:
        """Fold one event in.

        Returns:
            The cell that changed, or None for an event about the run itself.
        """
        self.version += 1
        if event.kind is Kind.QUEUED:
            if event.evaluation in self.cells:
                return None
            cell = Cell(
                evaluation=event.evaluation,
                definition=event.definition,
                solution=event.solution,
                workload=event.workload,
                axes=event.axes,
                since=event.t,
            )
            self.cells[event.evaluation] = cell
            return cell
        if event.kind is Kind.RUNNER_STARTED:
            self._stop_all(event.t)
            return None
        if event.kind is Kind.RUN_STARTED:
            self.state, self.started = "running", self.started or event.t
            self.finished, self.message = None, ""
            return None
        if event.kind is Kind.RUN_FINISHED:
            self.state, self.finished, self.message = (
                event.state or "finished",
                event.t,
                event.message,
            )
            return None
        if event.kind is Kind.REQUEUED and not event.evaluation:
            self.state, self.finished, self.message = "queued", None, ""
            return None
        if event.kind is Kind.NOTICE and not event.evaluation:
            self.notices.append(event.message)
            return None
        known = self.cells.get(event.evaluation)
        if known is None:
            return None
        _update(known, event)
        return known

    def _stop_all(self, now: float) -> None:
        """A new runner begins: what the former one was at is to be done again."""
        for cell in self.cells.values():
            if not cell.ended and cell.phase is not Kind.QUEUED:
                cell.phase, cell.since, cell.n, cell.message = Kind.QUEUED, now, 0, ""

    def apply_all(self, events: Iterable[Event]) -> None:
        """Fold many events in."""
        for event in events:
            self.apply(event)

    @property
    def counts(self) -> Counter[str]:
        """Number of cells by status ("PASSED", ...) or verdict ("same", ...), "NOT_RUN", "QUEUED"
        or "ACTIVE".

        A skipped cell counts with the status that it had before.
        """
        result: Counter[str] = Counter()
        for cell in self.cells.values():
            if cell.status is not None:
                result[cell.status.value] += 1
            elif cell.verdict is not None:
                result[cell.verdict.value] += 1
            elif cell.phase is Kind.NOT_RUN:
                result["NOT_RUN"] += 1
            elif cell.phase is Kind.QUEUED:
                result["QUEUED"] += 1
            else:
                result["ACTIVE"] += 1
        return result

    @property
    def ended(self) -> int:
        """Evaluations that have ended."""
        return sum(cell.ended for cell in self.cells.values())

    @property
    def failed(self) -> int:
        """Evaluations that ended in a status other than PASSED, and comparisons that failed."""
        return sum(
            cell.status not in (None, Status.PASSED) or cell.verdict is Verdict.FAILED
            for cell in self.cells.values()
        )


_CARRIED = (
    "device",
    "n",
    "latency_ms",
    "interval",
    "reference_latency_ms",
    "speedup",
    "timer",
    "roofline",
    "flags",
    "status",
    "message",
    "log",
    "trace_file",
    "elapsed_s",
    "startup_s",
    "verdict",
    "ratio",
    "other_latency_ms",
)


def _update(cell: Cell, event: Event) -> None:
    if event.kind is not Kind.NOTICE:
        cell.phase = Kind.QUEUED if event.kind is Kind.REQUEUED else event.kind
        # Why it had to wait says nothing about how it ended.
        cell.message = ""
    cell.since = event.t
    for name in _CARRIED:
        value = getattr(event, name)
        if value not in (None, "", []) and (name, value) != ("n", 0):
            setattr(cell, name, value)
