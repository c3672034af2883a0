"""What a text says of one evaluation: its trace, why it failed, and the source it speaks of."""

from __future__ import annotations

from msgspec import Struct

from engine.insight.causes import Cause, CauseKind, cause_of
from engine.insight.failing_axes import describe
from engine.insight.folding import log_lines
from engine.insight.places import Place, find_place
from engine.schema import Evaluation, Solution, Status
from engine.store import TraceRow, TraceStore
from fitui.copying.subject import Subject
from fitui.format import clean
from fitui.versions import find_version
from fitui.where import exact


class Evidence(Struct, frozen=True, kw_only=True):
    """One evaluation.

    Args:
        row: What lists show of it.
        evaluation: What its line says.
        cause: Why it failed; None where it passed.
        solution: As it was when it ran, else as it is now; None where the dataset has it no more.
    """

    row: TraceRow
    evaluation: Evaluation
    cause: Cause | None
    solution: Solution | None

    @property
    def is_version(self) -> bool:
        """True where ``solution`` is known to be what ran."""
        return self.solution is not None and self.solution.content_hash() == self.row.version

    @property
    def place(self) -> Place | None:
        """The line of the solution's source that the cause speaks of."""
        if self.cause is None or self.solution is None:
            return None
        sources = {source.path: source.content for source in self.solution.sources}
        return find_place(log_lines(self.evaluation.log), self.cause.at, sources)


def find_row(store: TraceStore, subject: Subject) -> TraceRow | None:
    """The trace of a subject, None where there is none, or none any more."""
    if subject.trace is not None:
        rows = store.traces_of([subject.trace])
    elif subject.evaluation:
        rows = store.traces(exact("evaluation", subject.evaluation), limit=10)
        rows = [row for row in rows if row.run in ("", subject.run)]
    else:
        rows = []
    return rows[0] if rows else None


def read_evidence(store: TraceStore, row: TraceRow) -> Evidence:
    """Read an evaluation in full.

    Raises:
        LookupError: Its line is gone, or holds no evaluation.
    """
    evaluation = store.trace(row.id).evaluation
    if evaluation is None:
        raise LookupError(f"trace {row.id} has no evaluation")
    cause = None
    if evaluation.status is not Status.PASSED:
        cause = cause_of(evaluation.status.value, evaluation.log, evaluation.correctness)
    found = find_version(store, row.solution, row.version)
    return Evidence(
        row=row, evaluation=evaluation, cause=cause, solution=found[0] if found else None
    )


def cause_line(store: TraceStore, evidence: Evidence) -> str:
    """Why it failed, in the words of Triage, with the hint; "" where it passed."""
    row, cause = evidence.row, evidence.cause
    if cause is None:
        return ""
    if cause.kind is CauseKind.NUMERICAL:
        return clean(f"{row.definition}: {cause.line}{_where(store, row)}")
    return clean(f"{cause.line}: {cause.hint}" if cause.hint else cause.line)


def _where(store: TraceStore, row: TraceRow) -> str:
    """Which workloads of a solution have wrong values, where its latest traces say so."""
    latest = [item for item in store.latest(row.definition) if item.solution == row.solution]
    axes = {item.uuid: item.axes for item in store.workloads(exact("definition", row.definition))}
    found: dict[str, list[dict[str, int]]] = {"PASSED": [], "INCORRECT_NUMERICAL": []}
    for item in latest:
        if item.status in found and item.workload in axes:
            found[item.status].append(axes[item.workload])
    wrong = found["INCORRECT_NUMERICAL"]
    return f" {describe(wrong, found['PASSED']).text}" if wrong else ""
