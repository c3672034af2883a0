"""Under which conditions the figures of a table were measured, for the lines below it.

Said are device, driver, clocks, timer, number of samples, intervals, versions with the commits that
they come from, and coverage; what no trace tells is said to be unknown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from msgspec import Struct

from engine.run.files import RunFolder
from engine.run.progress import Cell
from engine.schema import Status
from engine.schema.run import ComparisonRecord
from engine.store import CellRow, DefinitionRow, SolutionRow, TraceRow, TraceStore
from fitui import format as form
from fitui.format import clean
from fitui.measurement import figures_of
from fitui.run_view import RunView
from fitui.screens.compare_model import CompareRow, comparing
from fitui.where import exact

MOST_READ = 400
"""Traces whose lines are read for their conditions."""
_MOST_NAMED = 12
_MOST_FOUND = 5000

UNKNOWN = "unknown"


class Conditions(Struct, frozen=True, kw_only=True):
    """How one figure was measured; "" or None where that is not known.

    Args:
        clock_mhz: Of the multiprocessors.
        samples: Timed calls.
        interval: Relative half width of the 95 % interval of the median, or of the ratio.
        version: Content hash of the solution.
        commit: Of the checkout that the solution was packed from.
    """

    solution: str
    version: str = ""
    commit: str = ""
    hardware: str = ""
    driver: str = ""
    timer: str = ""
    clock_mhz: float | None = None
    samples: int | None = None
    interval: float | None = None


# Which evaluations a table is about


def traces_of_rows(store: TraceStore, rows: Iterable[Any]) -> list[TraceRow]:
    """The evaluations whose figures rows of a list show.

    Args:
        store: The dataset.
        rows: Of any list; those that show no figures of traces add nothing.
    """
    found: list[TraceRow] = []
    ids: list[int] = []
    solutions: dict[str, set[str]] = {}
    evaluations: set[str] = set()
    for row in rows:
        inner = getattr(row, "trace", None)
        if isinstance(row, TraceRow):
            found.append(row)
        elif isinstance(inner, TraceRow):
            found.append(inner)
        elif isinstance(row, CellRow) and row.trace is not None:
            ids.append(row.trace)
        elif isinstance(row, Cell):
            evaluations.add(row.evaluation)
        elif isinstance(row, SolutionRow) and row.current:
            solutions.setdefault(row.definition, set()).add(row.name)
        elif isinstance(row, DefinitionRow):
            solutions.setdefault(row.name, set()).add(row.best_solution)
    if ids:
        found += store.traces_of(ids)
    for definition, names in solutions.items():
        if len(found) > _MOST_FOUND:
            break
        found += [row for row in store.matrix(definition) if row.solution in names]
    if evaluations:
        runs = {name.rpartition(".")[0] for name in evaluations}
        for run in runs - {""}:
            made = store.traces(exact("run", run))
            found += [row for row in made if row.evaluation in evaluations]
    return found


def conditions_of(store: TraceStore, rows: Sequence[TraceRow]) -> list[Conditions]:
    """The conditions of those that were timed, as their lines say; the first few hundred."""
    timed = [row for row in rows if row.latency_ms is not None][:MOST_READ]
    return [found for row in timed if (found := _of_trace(store, row)) is not None]


def _of_trace(store: TraceStore, row: TraceRow) -> Conditions | None:
    """None for one whose file has just changed."""
    try:
        evaluation = store.trace(row.id).evaluation
    except (LookupError, ValueError, OSError):
        return None
    if evaluation is None:
        return None
    own, libs = figures_of(evaluation), evaluation.environment.libs
    samples = _number(own, "n")
    return Conditions(
        solution=row.solution,
        version=row.version,
        commit=libs.get("fitui.commit", ""),
        hardware=row.hardware,
        driver=libs.get("driver", ""),
        timer=row.timer,
        clock_mhz=_number(own, "clock_mhz"),
        samples=None if samples is None else round(samples),
        interval=_number(own, "ci"),
    )


def _number(figures: Mapping[str, Any], key: str) -> float | None:
    value = figures.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def conditions_of_comparison(
    store: TraceStore, runs: Sequence[RunView], names: tuple[str, str], rows: Sequence[CompareRow]
) -> list[Conditions]:
    """The conditions of a comparison: of what runs measured together, else of the traces.

    Args:
        store: The dataset.
        runs: Newest first.
        names: Of the two solutions.
        rows: A workload each.
    """
    together = {row.workload for row in rows if row.compared and row.compared.processes}
    found: list[Conditions] = []
    seen: set[str] = set()
    for run in comparing(runs, names):
        for record in RunFolder(run.folder).read_comparisons().values():
            if record.workload in together - seen and record.time is not None:
                seen.add(record.workload)
                found += _of_record(store, record)
    apart = {
        row.workload: row.compared.hardware
        for row in rows
        if row.compared is not None and not row.compared.processes
    }
    if apart:
        definition = store.workloads(exact("uuid", next(iter(apart))))[0].definition
        traces = [
            row
            for row in store.matrix(definition)
            if row.solution in names and apart.get(row.workload) == row.hardware
        ]
        found += conditions_of(store, traces)
    return found


def _of_record(store: TraceStore, record: ComparisonRecord) -> list[Conditions]:
    result = []
    for side, name, version in (
        ("A", record.a, record.a_version),
        ("B", record.b, record.b_version),
    ):
        blocks = [block for block in record.blocks if block.side == side]
        clocks = [clock for block in blocks for clock in block.clock_mhz]
        calls = sum(len(block.device_ns) for block in blocks)
        ratio = record.time
        result.append(
            Conditions(
                solution=name,
                version=version,
                commit=_commit_of(store, name, version),
                hardware=record.hardware,
                driver=record.libs.get("driver", ""),
                timer=record.timer,
                clock_mhz=median(clocks) if clocks else None,
                samples=calls or None,
                interval=(ratio.high - ratio.low) / (2 * ratio.value) if ratio else None,
            )
        )
    return result


def _commit_of(store: TraceStore, solution: str, version: str) -> str:
    """The commit that a version came from, as its newest trace tells."""
    rows = store.traces(f"{exact('solution', solution)} {exact('version', version)}", limit=1)
    found = _of_trace(store, rows[0]) if rows else None
    return found.commit if found else ""


# In words


def condition_lines(found: Sequence[Conditions]) -> list[str]:
    """What some figures have in common, and by how much they differ: a line for each thing."""
    if not found:
        return ["nothing here was timed, so there are no conditions to tell"]
    clocks = _range([item.clock_mhz for item in found], "{:.0f}", " MHz")
    samples = _range([item.samples for item in found], "{:.0f}", "")
    intervals = [None if item.interval is None else 100 * item.interval for item in found]
    return [
        f"device: {_names(item.hardware for item in found)}",
        f"driver: {_names(item.driver for item in found)}",
        f"clock: {clocks}",
        f"timer: {_names(item.timer for item in found)}",
        f"samples of each figure: {samples}",
        f"95 % interval: {_range(intervals, '±{:.2f}', ' %')}",
        f"solutions: {_versions(found)}",
    ]


def _names(values: Iterable[str]) -> str:
    """Different values, the most frequent first; with a number where there are several."""
    counts = Counter(clean(value) or UNKNOWN for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} ({number})" for name, number in counts.most_common(_MOST_NAMED))


def _range(values: Sequence[float | None], pattern: str, unit: str) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return UNKNOWN
    ends = dict.fromkeys(pattern.format(value) for value in (min(known), max(known)))
    text = " to ".join(ends) + unit
    missing = len(values) - len(known)
    return f"{text}, {UNKNOWN} for {missing} of {len(values)}" if missing else text


def _versions(found: Sequence[Conditions]) -> str:
    versions = dict.fromkeys((item.solution, item.version, item.commit) for item in found)
    words = [
        f"`{clean(name)}{f'@{version[:8]}' if version else ''}` "
        f"({'' if version else f'version {UNKNOWN}, '}commit {clean(commit) or UNKNOWN})"
        for name, version, commit in versions
    ]
    more = [f"and {len(words) - _MOST_NAMED} more"] if len(words) > _MOST_NAMED else []
    return ", ".join([*words[:_MOST_NAMED], *more])


def coverage_line(store: TraceStore, rows: Sequence[TraceRow]) -> str:
    """How many of the workloads of their definitions some evaluations cover."""
    tried = {(row.definition, row.workload) for row in rows}
    passed = {(row.definition, row.workload) for row in rows if row.status == Status.PASSED}
    definitions = sorted({definition for definition, _workload in tried})
    every = sum(store.count("workloads", exact("definition", name)) for name in definitions)
    where = form.count(len(definitions), "definition")
    if len(definitions) == 1:
        where = f"`{clean(definitions[0])}`"
    pairs = len({(row.solution, row.workload) for row in rows})
    return (
        f"coverage: {len(tried)} of {form.count(every, 'workload')} of {where} evaluated, "
        f"{len(passed)} passed by at least one solution; "
        f"{form.count(pairs, 'pair')} of solution and workload"
    )
