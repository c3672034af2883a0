"""Records of a run: the request that starts it, the events it leaves, the samples it measured.

A run is a folder ``runs/<run id>/`` in the state folder with ``request.json`` (one Request),
``events.jsonl`` (Events, appended as they happen), ``samples.jsonl`` (SampleRecords), or
``comparisons.jsonl`` (ComparisonRecords) in a run that compares, and ``logs/<evaluation id>.txt``.
Every record carries the version of its form.
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
        confirm: Evaluate a result that beats all others once more, in a fresh process and with
            another seed.
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
    time_budget_s: float = 0.25
    interval: float = 0.005
    build_limit_s: float = 300.0
    first_call_limit_s: float = 60.0
    call_limit_s: float = 10.0
    total_limit_s: float = 900.0
    memory_limit_gib: float | None = None
    confirm: bool = True
    quick_workloads: int = 4
    cpu_estimate_limit_s: float = 60.0
    atol: float | None = None
    rtol: float | None = None
    matched_ratio: float | None = None


QUICK = Settings(
    quick=True,
    confirm=False,
    input_sets=1,
    min_samples=5,
    max_samples=50,
    time_budget_s=0.1,
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
        compare: Two solutions, each a name or ``name@version``, that are measured in turn instead
            of being evaluated; ``solutions`` and ``pairs`` then mean nothing.
        processes: With ``compare``: fresh processes of each at least, per workload.
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
    compare: tuple[str, str] | None = None
    processes: int = 3
    form: int = FORM


class Verdict(StrEnum):
    """What a comparison says of its second solution, B, against its first, A."""

    SAME = "same"
    FASTER = "faster"
    SLOWER = "slower"
    UNCLEAR = "unclear"
    FAILED = "failed"
    """One of them does not give the right outputs, so that its time means nothing."""


class Ratio(Struct, kw_only=True, frozen=True):
    """B's time over A's, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


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
    COMPARED = "compared"
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
        latency_ms: Running (timing) or final (done) median; of A (compared).
        interval: Relative half width of the median's 95 % interval.
        reference_latency_ms: Median of the reference.
        speedup: reference_latency_ms / latency_ms.
        timer: Name of the timer.
        roofline: Percent of the shortest time that the device allows, where known (done).
        flags: What to know of the measurement (done); see ``engine.schema.flags``.
        status: Verdict (done), or that of an earlier evaluation (skipped).
        message: One line: why it failed, why it was not run, what the notice says, how the run
            ended, why a verdict is unclear.
        log: File with the full log, relative to the run's folder (done, compared).
        trace_file: File that the trace was appended to (done).
        elapsed_s: Seconds the evaluation took (done, compared).
        startup_s: Seconds to start a process and load the solution, where this evaluation was the
            first in it (done).
        pid: Process id of the runner (runner_started).
        max_absolute_error: Largest error (done, where outputs were compared).
        state: How the run ended: "finished", "cancelled" or "failed" (run_finished).
        verdict: What B is against A (compared).
        ratio: In time (compared).
        other_latency_ms: Median of B (compared).
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
    roofline: float | None = None
    flags: list[str] = field(default_factory=list)
    status: Status | None = None
    message: str = ""
    log: str = ""
    trace_file: str = ""
    elapsed_s: float | None = None
    startup_s: float | None = None
    pid: int = 0
    max_absolute_error: float | str | None = None
    state: str = ""
    verdict: Verdict | None = None
    ratio: Ratio | None = None
    other_latency_ms: float | None = None


class SampleRecord(Struct, kw_only=True, omit_defaults=True):
    """One line of ``samples.jsonl``: everything that was measured in one evaluation.

    Args:
        evaluation: Id within the run.
        timer: Name of the timer.
        device_ns: Nanoseconds of each timed call, in order.
        host_ns: Nanoseconds that the host spent in each call, where measured.
        busy_ns: How long of each the device was at work, where known.
        clock_mhz: Of the multiprocessors just before each, where known.
        warm_ns: Timed calls with the inputs in the L2 cache.
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
    busy_ns: list[int] = field(default_factory=list)
    clock_mhz: list[float] = field(default_factory=list)
    warm_ns: list[int] = field(default_factory=list)
    reference_ns: list[int] = field(default_factory=list)
    seed: str = ""
    kernels: list[tuple[str, int]] = field(default_factory=list)
    phases_s: dict[str, float] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    form: int = FORM


class TimedBlock(Struct, kw_only=True, omit_defaults=True):
    """Calls of one solution that were timed one after another, within a comparison.

    Args:
        process: Number of the pair of fresh processes, from 0.
        side: "A" or "B".
        device_ns: Nanoseconds of each call.
        clock_mhz: Of the multiprocessors at each call; empty where unknown.
    """

    process: int
    side: str
    device_ns: list[int]
    clock_mhz: list[float] = field(default_factory=list)


class ComparisonRecord(Struct, kw_only=True, omit_defaults=True):
    """One line of ``comparisons.jsonl``: two solutions on one workload, measured in turn.

    A runner that is killed between this line and its event makes the comparison again: of several
    lines about one evaluation the last counts.

    Args:
        evaluation: Id within the run.
        workload: uuid.
        axes: Lengths of the workload's axes.
        a: Name of the first solution; ``b`` of the second.
        a_version: Content hash of the first; ``b_version`` of the second.
        device: Name; ``hardware`` is its model.
        libs: Versions of the driver and of packages.
        timer: Name of the timer.
        verdict: What B is against A.
        reason: Why it is unclear, or why there is none.
        time: Ratio of the device times, B over A.
        cycles: The same in cycles of the multiprocessors' clock, where that is known.
        a_ns: Median of A in each of its processes, in nanoseconds; ``b_ns`` those of B.
        a_cycles: The same in cycles, where known; ``b_cycles`` those of B.
        blocks: Every timed call, in the order of measuring.
        flags: Conditions that a reader should know ("A: host_sync", ...).
        seed: Hexadecimal seed of the inputs.
        t: Unix time in seconds.
        elapsed_s: Seconds that it took.
    """

    evaluation: str
    definition: str
    workload: str
    axes: dict[str, int]
    a: str
    b: str
    a_version: str
    b_version: str
    device: str
    hardware: str
    verdict: Verdict
    t: float
    libs: dict[str, str] = field(default_factory=dict)
    timer: str = ""
    reason: str = ""
    time: Ratio | None = None
    cycles: Ratio | None = None
    a_ns: list[float] = field(default_factory=list)
    b_ns: list[float] = field(default_factory=list)
    a_cycles: list[float] = field(default_factory=list)
    b_cycles: list[float] = field(default_factory=list)
    blocks: list[TimedBlock] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    seed: str = ""
    elapsed_s: float = 0.0
    form: int = FORM
