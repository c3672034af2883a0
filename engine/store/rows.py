"""What queries return: one immutable value per line of a list on screen."""

from __future__ import annotations

from msgspec import Struct


class DefinitionRow(Struct, frozen=True, kw_only=True):
    """One definition and how its solutions do.

    Args:
        n_workloads: Workloads of this definition.
        n_solutions: Solutions of this definition.
        n_traces: Evaluations ever made, each counted once.
        n_passed: (solution, workload) pairs whose latest evaluation of the solution's current
            version passed.
        n_failed: The same for those that did not pass.
        best_solution: Of those that were timed by what most were timed by, the solution without
            failures, with the most workloads passed, with the highest geometric mean of
            speedups, in this order; "" where none passed.
        best_speedup: That geometric mean.
        best_roofline: Percent of the limit that this solution reaches, as
            :class:`SolutionRow` has it.
        best_timer: The timer of these figures.
        n_alarms: Pairs, as for ``n_passed``, whose times cannot be true.
        last_run: Unix seconds of the newest evaluation.
        file: Path of the document.
        layer: Position of its layer.
    """

    name: str
    op_type: str
    description: str
    tags: list[str]
    n_inputs: int
    n_outputs: int
    var_axes: list[str]
    n_workloads: int
    n_solutions: int
    n_traces: int
    n_passed: int
    n_failed: int
    best_solution: str
    best_speedup: float | None
    best_roofline: float | None
    best_timer: str
    n_alarms: int
    last_run: float | None
    file: str
    layer: int


class SolutionRow(Struct, frozen=True, kw_only=True):
    """One version of a solution that lies in the dataset.

    Args:
        version: ``content_hash()`` of the document.
        current: False for a version that one in a higher layer, or of an earlier path, hides.
        n_workloads: Workloads of its definition.
        n_passed: Workloads whose latest evaluation of this version passed.
        n_failed: Workloads whose latest evaluation of this version did not pass.
        geomean_speedup: Over the workloads that passed by the timer by which the solutions of the
            definition are ranked: that of most of them.
        roofline: Percent of the shortest time that the device allows, as a geometric mean over
            these workloads, where it is known.
        n_alarms: Workloads whose latest evaluation of this version has a time that cannot be true
            (``engine.schema.flags``).
        last_run: Unix seconds of the newest evaluation of this version.
    """

    name: str
    author: str
    language: str
    definition: str
    version: str
    current: bool
    description: str
    n_workloads: int
    n_passed: int
    n_failed: int
    geomean_speedup: float | None
    roofline: float | None
    n_alarms: int
    last_run: float | None
    file: str
    layer: int


class WorkloadRow(Struct, frozen=True, kw_only=True):
    """One workload.

    Args:
        inputs: What its inputs are made from ("2 random, 1 safetensors").
        problem: Why it cannot run (a blob file is missing), or "".
    """

    uuid: str
    definition: str
    axes: dict[str, int]
    inputs: str
    problem: str
    file: str
    line: int
    layer: int


class CellRow(Struct, frozen=True, kw_only=True):
    """One solution on one workload, with its latest evaluation if there is one.

    Args:
        version: Content hash of the solution as it is now.
        workload: uuid.
        status: "none" where it was never run.
        trace: Id of the latest evaluation, or None.
        file: Of the solution.
    """

    definition: str
    solution: str
    version: str
    workload: str
    axes: dict[str, int]
    status: str
    trace: int | None
    time: float | None
    latency_ms: float | None
    speedup: float | None
    roofline: float | None
    flags: list[str]
    author: str
    language: str
    file: str
    layer: int


class TraceRow(Struct, frozen=True, kw_only=True):
    """One evaluation, without its log.

    Args:
        id: Names this row for as long as its line stays in place; never used again.
        workload: uuid.
        timestamp: As written.
        time: Unix seconds; a timestamp without a zone is taken as local time.
        latency_ms: None where there is no performance block.
        roofline: Percent of the shortest time that the device allows, where known.
        flags: What to know of the measurement; details with figures in them only the trace has.
        max_absolute_error: None where outputs were not compared, or where it is NaN.
        run: Id of the run, where this program made the trace.
        evaluation: Id of the evaluation, where this program made the trace.
        version: Content hash of the solution that ran, or "".
        author: From the solution's document, "" where that is not in the dataset.
    """

    id: int
    definition: str
    solution: str
    workload: str
    axes: dict[str, int]
    status: str
    timestamp: str
    time: float | None
    hardware: str
    latency_ms: float | None
    reference_latency_ms: float | None
    speedup: float | None
    roofline: float | None
    flags: list[str]
    max_absolute_error: float | None
    max_relative_error: float | None
    run: str
    evaluation: str
    version: str
    timer: str
    author: str
    language: str
    file: str
    line: int
    layer: int


class Span(Struct, frozen=True):
    """What the numbers of a column lie between.

    Args:
        rows: How many rows there are.
        known: How many of them have a number.
        low: The smallest; None where no row has one. Likewise ``high``.
    """

    rows: int
    known: int
    low: float | None
    high: float | None


class LatestRow(Struct, frozen=True, gc=False):
    """The latest evaluation of one solution, in the version that counts, on one workload."""

    definition: str
    solution: str
    workload: str
    status: str
    latency_ms: float | None
    speedup: float | None


class SummaryRow(Struct, frozen=True, kw_only=True):
    """Every passed evaluation of one solution for one definition, in all its versions."""

    solution: str
    n_passed: int
    best_latency_ms: float
    median_latency_ms: float
