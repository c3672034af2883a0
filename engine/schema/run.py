"""Records of a run: the request that starts it, the events it leaves, the samples it measured.

A run is a folder ``runs/<run id>/`` in the state folder with ``request.json`` (one Request),
``events.jsonl`` (Events, appended as they happen), ``samples.jsonl`` (SampleRecords) and
``logs/<evaluation id>.txt``. Every record carries the version of its form.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from engine.schema.names import Status

FORM = 1
"""Version of the records below."""


class Settings(Struct, kw_only=True, omit_defaults=True):
    """How every evaluation of a run is made. Part of a trace's identity (``fitui.settings``).

    Args:
        quick: Few of the smallest workloads, one input set, a short timing.
        timer: "auto", or the name of one timer that must be used.
        input_sets: How many sets of input values each solution is checked on.
        min_samples: Timed calls before the stop rule may end the timing.
        max_samples: Timed calls at most.
        time_budget_s: Seconds of timing per workload after which it stops.
        interval: Relative half width of the 95 % interval of the median that stops the timing.
        build_limit_s: Seconds a build (load and import) may take.
        first_call_limit_s: Seconds the first call may take.
        call_limit_s: Seconds any later call may take.
        total_limit_s: Seconds one evaluation may take in all.
        memory_limit_gib: Host memory that a solution's processes may use, or None for a share of
            the machine's.
        quick_workloads: Workloads per definition in quick mode, smallest first.
        cpu_estimate_limit_s: On the CPU device, an evaluation whose estimate exceeds this is
            listed as not run.
        atol: Absolute tolerance, or None for the evaluator's own.
        rtol: Relative tolerance, or None for the evaluator's own.
        matched_ratio: Share of elements that must match, or None for the evaluator's own.
    """

    quick: bool = False
    timer: str = "auto"
    input_sets: int = 3
    min_samples: int = 20
    max_samples: int = 400
    time_budget_s: float = 1.0
    interval: float = 0.005
    build_limit_s: float = 300.0
    first_call_limit_s: float = 60.0
    call_limit_s: float = 10.0
    total_limit_s: float = 900.0
    memory_limit_gib: float | None = None
    quick_workloads: int = 4
    cpu_estimate_limit_s: float = 60.0
    atol: float | None = None
    rtol: float | None = None
    matched_ratio: float | None = None


QUICK = Settings(
    quick=True,
    input_sets=1,
    min_samples=5,
    max_samples=50,
    time_budget_s=0.2,
    build_limit_s=60.0,
    first_call_limit_s=10.0,
    call_limit_s=5.0,
    total_limit_s=120.0,
    cpu_estimate_limit_s=10.0,
)
"""Settings of ``--quick``."""


class Busy(StrEnum):
    """What to do with a GPU that somebody else's processes are using."""

    WAIT = "wait"
    """Until they are gone."""
    SKIP = "skip"
    """Do without this GPU."""
    FLAG = "flag"
    """Measure beside them, and mark the result as contended."""


class Request(Struct, kw_only=True, omit_defaults=True):
    """What somebody asked to be run; written once as ``request.json``.

    Args:
        run: The run's id, which is also its folder's name.
        created: Unix time in seconds.
        dataset: Layer folders of the dataset, lowest first; traces go to the last.
        definitions: Names; empty for all.
        solutions: Names; empty for all.
        workloads: uuids; empty for all.
        pairs: Exact (solution, workload uuid) cells; where given, only these run.
        devices: "cpu", "cuda:0", ...; in order of preference.
        note: The user's own words about this run.
        commit: State of the git checkout that the solution was packed from, or "".
        host: Name of the machine that it is to run on.
        priority: Runs of higher priority go first; runs of the same in the order of asking.
        busy: What to do beside somebody else's processes on a GPU.
        resume: Skip what has been evaluated in the same way before.
        retry_failed: With ``resume``: evaluate again what did not pass.
    """

    run: str
    created: float
    dataset: list[str]
    devices: list[str]
    settings: Settings = field(default_factory=Settings)
    definitions: list[str] = field(default_factory=list)
    solutions: list[str] = field(default_factory=list)
    workloads: list[str] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""
    commit: str = ""
    user: str = ""
    host: str = ""
    priority: int = 0
    busy: Busy = Busy.WAIT
    resume: bool = False
    retry_failed: bool = False
    form: int = FORM


class Kind(StrEnum):
    """What an event reports."""

    RUNNER_STARTED = "runner_started"
    RUN_STARTED = "run_started"
    QUEUED = "queued"
    REQUEUED = "requeued"
    WAITING = "waiting"
    BUILDING = "building"
    FIRST_CALL = "first_call"
    CHECKING = "checking"
    TIMING = "timing"
    VERIFYING = "verifying"
    DONE = "done"
    NOT_RUN = "not_run"
    SKIPPED = "skipped"
    NOTICE = "notice"
    RUN_FINISHED = "run_finished"


class Event(Struct, kw_only=True, omit_defaults=True):
    """One line of ``events.jsonl``. Fields that a kind does not use are left out.

    Args:
        kind: What happened. A run that is picked up by another runner, or again after it ended,
            starts again (runner_started, run_started); what has ended stays so.
        t: Unix time in seconds.
        evaluation: Id of the evaluation within the run, or "".
        definition: Name (queued).
        solution: Name (queued).
        workload: uuid (queued).
        axes: Lengths of the workload's axes (queued).
        device: Where it runs.
        n: Samples so far (timing), or evaluations planned (run_started).
        latency_ms: Running (timing) or final (done) median.
        interval: Relative half width of the median's 95 % interval.
        reference_latency_ms: Median of the reference.
        speedup: reference_latency_ms / latency_ms.
        timer: Name of the timer.
        status: Verdict (done), or that of an earlier evaluation (skipped).
        message: One line: why it failed, why it was not run, what the notice says, how the run
            ended.
        log: File with the full log, relative to the run's folder (done).
        trace_file: File that the trace was appended to (done).
        elapsed_s: Seconds the evaluation took (done).
        startup_s: Seconds to start a process and load the solution, where this evaluation was the
            first in it (done).
        pid: Process id of the runner (runner_started).
        max_absolute_error: Largest error (done, where outputs were compared).
        state: How the run ended: "finished", "cancelled" or "failed" (run_finished).
    """

    kind: Kind
    t: float
    evaluation: str = ""
    definition: str = ""
    solution: str = ""
    workload: str = ""
    axes: dict[str, int] = field(default_factory=dict)
    device: str = ""
    n: int = 0
    latency_ms: float | None = None
    interval: float | None = None
    reference_latency_ms: float | None = None
    speedup: float | None = None
    timer: str = ""
    status: Status | None = None
    message: str = ""
    log: str = ""
    trace_file: str = ""
    elapsed_s: float | None = None
    startup_s: float | None = None
    pid: int = 0
    max_absolute_error: float | str | None = None
    state: str = ""


class SampleRecord(Struct, kw_only=True, omit_defaults=True):
    """One line of ``samples.jsonl``: everything that was measured in one evaluation.

    Args:
        evaluation: Id within the run.
        timer: Name of the timer.
        device_ns: Nanoseconds of each timed call, in order.
        host_ns: Nanoseconds that the host spent in each call, where measured.
        reference_ns: The reference's timed calls.
        seed: Hexadecimal seed of the inputs, published once they have been used.
        kernels: Device activity of one call: [name, nanoseconds] in order of start.
        phases_s: Seconds of each phase.
        checks: What the comparison found, by output.
        flags: Conditions that a reader should know ("host_sync", ...).
    """

    evaluation: str
    timer: str = ""
    device_ns: list[int] = field(default_factory=list)
    host_ns: list[int] = field(default_factory=list)
    reference_ns: list[int] = field(default_factory=list)
    seed: str = ""
    kernels: list[tuple[str, int]] = field(default_factory=list)
    phases_s: dict[str, float] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    form: int = FORM
