"""What is known of two solutions, workload by workload: measured together by runs, else apart.

Reads the store and the folders of runs; knows no widgets, so that it can work on a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from engine.insight.comparisons import compare_traces, from_record
from engine.measure.totals import Compared, Totals, by_axis, total
from engine.run.files import RunFolder
from engine.run.plan import find_solution
from engine.run.progress import Cell
from engine.schema import Solution
from engine.schema.run import ComparisonRecord
from engine.store import TraceStore, WorkloadRow
from fitui.format import workload_labels
from fitui.run_view import RunView
from fitui.where import exact

Names = tuple[str, str]


class CompareRow(Struct, frozen=True, kw_only=True):
    """One workload.

    Args:
        workload: uuid.
        label: What tells it apart.
        axes: Lengths of its axes.
        compared: What is known, or None.
        cell: Its comparison in the newest run that has one, or None.
        live: True while that run goes on.
    """

    workload: str
    label: str
    axes: dict[str, int]
    compared: Compared | None
    cell: Cell | None
    live: bool = False

    @property
    def at_work(self) -> bool:
        """True while it is waited for."""
        return self.live and self.cell is not None and not self.cell.ended


class Comparison(Struct, frozen=True):
    """Everything that files say of two solutions.

    Args:
        workloads: Of their definition.
        compared: By workload; only those of which something is known.
    """

    workloads: list[WorkloadRow]
    compared: dict[str, Compared]


class Records:
    """What runs have measured, each file read again only when it has grown."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[int, list[ComparisonRecord]]] = {}

    def of(self, run: RunView) -> list[ComparisonRecord]:
        """The records of a run, without their single calls."""
        folder = RunFolder(run.folder)
        try:
            size = folder.comparisons_file.stat().st_size
        except OSError:
            return []
        known = self._read.get(run.run)
        if known is None or known[0] != size:
            records = list(folder.read_comparisons().values())
            for record in records:
                record.blocks = []
            known = self._read[run.run] = (size, records)
        return known[1]


def find_pair(store: TraceStore, names: Names) -> tuple[Solution, Solution]:
    """The two solutions, each by name or ``name@version``.

    Raises:
        LookupError: One does not exist, or they are for different definitions.
    """
    first, second = (find_solution(store, name) for name in names)
    if first.definition != second.definition:
        raise LookupError(
            f"{names[0]} is for {first.definition}, but {names[1]} for {second.definition}: "
            "they have no workload in common"
        )
    return first, second


def comparing(runs: Sequence[RunView], names: Names) -> list[RunView]:
    """Those of some runs that measure two solutions, in this order, in whatever version."""
    wanted = [_base(name) for name in names]
    return [
        run
        for run in runs
        if run.request.compare and [_base(name) for name in run.request.compare] == wanted
    ]


def _base(name: str) -> str:
    return name.rpartition("@")[0] or name


def look_up(
    store: TraceStore, runs: Sequence[RunView], names: Names, records: Records
) -> Comparison:
    """Find what is known of two solutions.

    What was measured together counts before traces, the newer before the older, and all of it on
    one model of hardware: that of the newest comparison, else that with the most common traces.

    Args:
        store: With the traces.
        runs: Newest first.
        names: Of the solutions.
        records: What has been read of runs.

    Raises:
        LookupError: As :func:`find_pair`.
    """
    first, second = find_pair(store, names)
    workloads = list(store.workloads(exact("definition", first.definition)))
    known = {row.uuid for row in workloads}
    versions = (first.content_hash(), second.content_hash())
    compared: dict[str, Compared] = {}
    hardware = ""
    for run in comparing(runs, names):
        for record in records.of(run):
            if (record.a_version, record.b_version) != versions or record.workload not in known:
                continue
            hardware = hardware or record.hardware
            if record.hardware == hardware:
                compared.setdefault(record.workload, from_record(record))
    rest = [row for row in workloads if row.uuid not in compared]
    for found in compare_traces(store, first, second, rest, hardware):
        compared[found.workload] = found
    return Comparison(workloads, compared)


def rows_of(found: Comparison, runs: Sequence[RunView], names: Names) -> list[CompareRow]:
    """A row for each workload, with how far its comparison is.

    Args:
        found: What files say.
        runs: Newest first.
        names: Of the solutions.
    """
    newest = next(iter(comparing(runs, names)), None)
    cells = {cell.workload: cell for cell in newest.cells.values()} if newest else {}
    labels = workload_labels([row.axes for row in found.workloads])
    return [
        CompareRow(
            workload=row.uuid,
            label=" ".join(label),
            axes=row.axes,
            compared=found.compared.get(row.uuid),
            cell=cells.get(row.uuid),
            live=newest is not None and newest.live,
        )
        for row, label in zip(found.workloads, labels, strict=True)
    ]


class TotalRow(Struct, frozen=True):
    """Some workloads together: all of them, or those of one length of an axis."""

    label: str
    totals: Totals


def totals_of(rows: Sequence[CompareRow]) -> list[TotalRow]:
    """All workloads first, then each length of those axes that have few."""
    compared = [row.compared for row in rows if row.compared is not None]
    result = [TotalRow("all", total(compared))]
    for name, groups in by_axis(compared).items():
        result += [TotalRow(f"{name}={length}", found) for length, found in groups.items()]
    return result


def ratio_words(value: float | None) -> str:
    """A ratio with as many digits as are worth reading: ``1.034``, ``12.50``, ``153.2``."""
    if value is None:
        return ""
    digits = next((digits for digits, end in ((3, 10), (2, 100), (1, 1000)) if value < end), 0)
    return f"{value:.{digits}f}"


def interval_words(low: float | None, high: float | None) -> str:
    """Both ends of an interval of ratios."""
    return "" if low is None or high is None else f"{ratio_words(low)}-{ratio_words(high)}"


SORTS: dict[str, Callable[[CompareRow], float | str]] = {
    "a": lambda row: (row.compared and row.compared.a_ms) or 0.0,
    "b": lambda row: (row.compared and row.compared.b_ms) or 0.0,
    "ratio": lambda row: (row.compared and row.compared.value) or 0.0,
    "verdict": lambda row: row.compared.verdict if row.compared else "",
}
"""What workloads can be sorted by."""
