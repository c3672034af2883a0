"""Two solutions side by side: measured together by a run, or as their latest traces have them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from engine.measure.totals import Compared
from engine.measure.verdicts import Latency, spread_of, verdict_of_separate
from engine.schema import Solution, Status
from engine.schema.run import ComparisonRecord, Verdict
from engine.store import TraceRow, TraceStore, WorkloadRow


def from_record(record: ComparisonRecord) -> Compared:
    """What a run has measured."""
    failed = record.verdict is Verdict.FAILED
    return Compared(
        workload=record.workload,
        axes=record.axes,
        verdict=record.verdict,
        reason=record.reason,
        a_ms=None if failed else median(record.a_ns) / 1e6,
        b_ms=None if failed else median(record.b_ns) / 1e6,
        time=record.time,
        cycles=record.cycles,
        hardware=record.hardware,
        timer=record.timer,
        processes=len(record.a_ns),
        flags=record.flags,
    )


def compare_traces(
    store: TraceStore,
    a: Solution,
    b: Solution,
    workloads: Sequence[WorkloadRow],
    hardware: str = "",
) -> list[Compared]:
    """Compare what separate evaluations have measured, on one model of hardware.

    That is the one on which most workloads have been evaluated with both; the one used last
    where it is the same number. Of each solution and workload the latest trace counts.

    Args:
        store: With the traces.
        a: The first solution, in the version that is meant; ``b`` the second.
        workloads: On which; in the order of the result.
        hardware: Part of the name of the model; "" for any.

    Returns:
        One entry for each workload on which both have been evaluated there; none where there is
        no such workload.
    """
    uuids = {row.uuid for row in workloads}
    traces = [
        [
            row
            for row in _traces_of(store, one)
            if row.workload in uuids and hardware in row.hardware
        ]
        for one in (a, b)
    ]
    latest = [{(row.hardware, row.workload): row for row in found} for found in traces]
    common = sorted(latest[0].keys() & latest[1].keys())
    if not common:
        return []
    models = dict.fromkeys(model for model, _ in common)
    chosen = max(
        models,
        key=lambda model: (
            sum(one == model for one, _ in common),
            max(row.time or 0.0 for found in traces for row in found if row.hardware == model),
        ),
    )
    spread = _spread([row for found in traces for row in found if row.hardware == chosen])
    pairs = [
        (row, latest[0].get((chosen, row.uuid)), latest[1].get((chosen, row.uuid)))
        for row in workloads
    ]
    return [_compared(row, one, two, spread) for row, one, two in pairs if one and two]


def _traces_of(store: TraceStore, solution: Solution) -> list[TraceRow]:
    """Traces of one version of a solution, oldest first.

    Those of other programs do not say which version ran; they count as of the one that is asked
    for.
    """
    where = f"def={_quote(solution.definition)} sol={_quote(solution.name)}"
    version = solution.content_hash()
    found = store.traces(where, sort="time", limit=None)
    return [row for row in found if row.version in ("", version)]


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _spread(traces: Sequence[TraceRow]) -> float:
    """By how much evaluations of the same version on the same workload have differed."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for row in traces:
        if row.status == Status.PASSED and row.latency_ms and row.version:
            key = row.solution, row.version, row.workload, row.timer
            groups.setdefault(key, []).append(row.latency_ms)
    return spread_of(groups.values())


def _compared(workload: WorkloadRow, a: TraceRow, b: TraceRow, spread: float) -> Compared:
    failed = [f"{side}: {row.status}" for side, row in (("A", a), ("B", b)) if not _passed(row)]
    if failed:
        verdict, reason = Verdict.FAILED, ", ".join(failed)
    else:
        verdict, reason = verdict_of_separate(_latency(a), _latency(b), spread)
    return Compared(
        workload=workload.uuid,
        axes=workload.axes,
        verdict=verdict,
        reason=reason,
        a_ms=a.latency_ms if a.timer == b.timer else None,
        b_ms=b.latency_ms if a.timer == b.timer else None,
        hardware=a.hardware,
        timer=a.timer if a.timer == b.timer else f"{a.timer}, {b.timer}",
    )


def _passed(row: TraceRow) -> bool:
    return row.status == Status.PASSED and row.latency_ms is not None


def _latency(row: TraceRow) -> Latency:
    return Latency(latency_ms=row.latency_ms or 0.0, timer=row.timer, hardware=row.hardware)
