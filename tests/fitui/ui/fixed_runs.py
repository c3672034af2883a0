"""Runs beside the fixed dataset: finished, failed, cancelled, compared, and one that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.run.client import runs_dir
from engine.run.files import RunFolder, new_run_id
from engine.schema import Status
from engine.schema.run import (
    QUICK,
    ComparisonRecord,
    Event,
    Kind,
    Ratio,
    Request,
    SampleRecord,
    Settings,
    Verdict,
)
from tests.fitui.ui.fixed_files import (
    DAY,
    GEMM,
    HOUR,
    NORM,
    NOW,
    RUN,
    VERSIONS,
    WORKLOADS,
    evaluation_id,
)
from tests.fitui.ui.fixed_sources import VEC4_LOG

LIVE = "20261122-115500-8000"
"""The run that goes on."""


class FixedRun:
    """A run folder written as a runner would, at fixed moments.

    Args:
        state: State folder.
        root: Dataset.
        run: Id.
        age: Seconds before ``NOW`` at which it was asked for.
        request: More of the request.
    """

    def __init__(self, state: Path, root: Path, run: str, age: float, **request: Any) -> None:
        self.folder = RunFolder(runs_dir(state) / run)
        self.t = NOW - age
        values: dict[str, Any] = {"devices": ["cuda:0"], "user": "ada", "host": "node-7", **request}
        self.folder.create(Request(run=run, created=self.t, dataset=[str(root)], **values))
        self._number = 0

    def event(self, kind: Kind, evaluation: str = "", after: float = 1.0, **fields: Any) -> None:
        """Append an event, some seconds after the one before."""
        self.t += after
        self.folder.append_events(Event(kind=kind, t=self.t, evaluation=evaluation, **fields))

    def queue(self, definition: str, *solutions: str, places: tuple[int, ...] = ()) -> None:
        """Queue solutions on workloads, as evaluations e0, e1, ..."""
        found = WORKLOADS[definition]
        pairs = [(name, place) for name in solutions for place in places or range(len(found))]
        self.event(Kind.RUN_STARTED, n=len(pairs))
        for name, place in pairs:
            work = found[place]["workload"]
            self.event(
                Kind.QUEUED,
                f"e{self._number}",
                0.0,
                definition=definition,
                solution=name,
                workload=work["uuid"],
                axes=work["axes"],
            )
            self._number += 1

    def passed(self, evaluation: str, latency_us: float, speedup: float, **fields: Any) -> None:
        """An evaluation has ended well."""
        values: dict[str, Any] = {
            "device": "cuda:0",
            "n": 120,
            "latency_ms": latency_us / 1e3,
            "interval": 0.004,
            "speedup": speedup,
            "timer": "cupti",
            "elapsed_s": 4.2,
            **fields,
        }
        self.event(Kind.DONE, evaluation, 4.2, status=Status.PASSED, **values)

    def failed(self, evaluation: str, status: Status, message: str, log: str = "") -> None:
        """An evaluation has failed."""
        name = f"logs/{evaluation}.txt"
        if log:
            (self.folder.path / name).write_text(log)
        self.event(
            Kind.DONE,
            evaluation,
            2.5,
            device="cuda:0",
            status=status,
            message=message,
            log=name if log else "",
            elapsed_s=2.5,
        )

    def end(self, state: str, message: str = "") -> None:
        """The run has ended."""
        self.event(Kind.RUN_FINISHED, state=state, message=message)


def write_runs(state: Path, root: Path) -> None:
    """Write them all."""
    finished = FixedRun(state, root, RUN, DAY + 2.5 * HOUR, definitions=[NORM], note="all norms")
    finished.queue(NORM, "torch_rmsnorm", "triton_rmsnorm")
    for number, latency in enumerate((11.5, 14.9, 21.7, 35.3, 62.5, 116.9)):
        finished.passed(f"e{number}", latency, 0.97 + 0.4 * number, roofline=0.1 + 8.1 * number)
    for number, latency in enumerate((1.93, 1.95, 2.41, 5.62, 19.8), 6):
        finished.passed(f"e{number}", latency, 5.8, roofline=0.5)
    flags = ["throttled: power cap"]
    finished.passed("e11", 118.0, 6.69, roofline=47.0, flags=flags, interval=0.021)
    finished.end("finished")
    for place, latency in enumerate((1.93, 1.95, 2.41, 5.62, 19.8, 118.0)):
        finished.folder.append_samples(_samples("triton_rmsnorm", place, latency))

    failed = FixedRun(
        state, root, new_id(3 * HOUR), 3 * HOUR, solutions=["cuda_rmsnorm_vec4"], devices=["cuda:1"]
    )
    failed.queue(NORM, "cuda_rmsnorm_vec4", "rmsnorm_persistent", places=(0, 3, 5))
    said = 'kernel.cu:31: error: identifier "sum_of_block" is undefined'
    for number in range(3):
        failed.failed(f"e{number}", Status.COMPILE_ERROR, said, VEC4_LOG)
    failed.passed("e3", 2.6, 4.31, roofline=0.38)
    failed.failed("e5", Status.TIMEOUT, "the first call did not finish within 60 s")
    failed.event(Kind.NOT_RUN, "e4", message="the device was taken away")
    failed.end("failed", "cuda:1: memory did not come back; it is in quarantine")

    cancelled = FixedRun(
        state, root, new_id(2 * DAY), 2 * DAY, definitions=[GEMM], settings=QUICK, priority=1
    )
    cancelled.queue(GEMM, "triton_gemm", places=(0, 1))
    cancelled.passed("e0", 10.2, 1.38)
    cancelled.end("cancelled")

    write_comparison(state, root)

    live = FixedRun(
        state,
        root,
        LIVE,
        300.0,
        definitions=[NORM],
        devices=["cuda:0", "cuda:1"],
        settings=Settings(time_budget_s=0.5),
        note="wider loads",
    )
    live.queue(NORM, "triton_rmsnorm", "triton_rmsnorm_split", "rmsnorm_untested")
    live.passed("e0", 1.90, 5.89, roofline=0.53)
    live.passed("e1", 1.97, 5.79, roofline=1.02)
    live.failed("e6", Status.RUNTIME_ERROR, "RuntimeError: CUDA error: misaligned address")
    live.event(Kind.TIMING, "e2", device="cuda:0", n=37, latency_ms=0.00243, interval=0.012)
    live.event(Kind.BUILDING, "e12", device="cuda:1")
    live.event(Kind.CHECKING, "e7", device="cuda:1")


def _samples(solution: str, place: int, latency_us: float) -> SampleRecord:
    """120 calls: most near the median, some a step slower, the first few slowest."""
    steps = [0.004 * (number * 7 % 11 - 5) + 0.09 * (number % 9 == 4) for number in range(120)]
    slow = [0.4, 0.25, 0.12, *[0.0] * 117]
    calls = [round(1000 * latency_us * (1 + a + b)) for a, b in zip(steps, slow, strict=True)]
    return SampleRecord(
        evaluation=evaluation_id(RUN, solution, place),
        timer="cupti",
        device_ns=calls,
        host_ns=[call + 9000 for call in calls],
        clock_mhz=[1965.0] * 120,
        warm_ns=[round(call * 0.86) for call in calls[:20]],
        kernels=[("_norm", calls[-1])],
        phases_s={"build": 0.4, "first_call": 0.2, "check": 0.8, "timing": 1.1, "verify": 0.3},
        seed=f"{place + 1:032x}",
    )


def write_comparison(state: Path, root: Path) -> None:
    """A run that measured two solutions in turns."""
    names = ("torch_rmsnorm", "triton_rmsnorm")
    run = FixedRun(state, root, new_id(20 * HOUR), 20 * HOUR, definitions=[NORM], compare=names)
    run.queue(NORM, names[0])
    ratios = (0.169, 0.131, 0.111, 0.159, 0.317, 1.009)
    for place, ratio in enumerate(ratios):
        work = WORKLOADS[NORM][place]["workload"]
        verdict = Verdict.FASTER if ratio < 1 else Verdict.UNCLEAR
        base = 11500.0 + 21000.0 * place
        run.folder.append_comparison(
            ComparisonRecord(
                evaluation=f"e{place}",
                definition=NORM,
                workload=work["uuid"],
                axes=work["axes"],
                a=names[0],
                b=names[1],
                a_version=VERSIONS[names[0]],
                b_version=VERSIONS[names[1]],
                device="cuda:0",
                hardware="NVIDIA H200",
                verdict=verdict,
                reason="" if ratio < 1 else "the interval contains 1",
                t=run.t,
                timer="cupti",
                time=Ratio(value=ratio, low=ratio * 0.99, high=ratio * 1.012),
                a_ns=[base, base * 1.004, base * 0.998],
                b_ns=[base * ratio] * 3,
                elapsed_s=9.0,
            )
        )
        run.event(Kind.COMPARED, f"e{place}", 9.0, device="cuda:0", verdict=verdict)
    run.end("finished")


def new_id(age: float) -> str:
    """The id of a run that was asked for then; call it where the time zone is UTC."""
    return new_run_id(NOW - age)
