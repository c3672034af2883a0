"""From the result of an evaluation to the trace line and the side-car record that keep it."""

from __future__ import annotations

import math
import re
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct, to_builtins

from engine.evaluate.facts import Check
from engine.measure.roofline import percent
from engine.run.devices import Device
from engine.run.evaluation import Result
from engine.run.prepare import LEVEL
from engine.run.timing import Timing, speedup_interval
from engine.schema.definition import Definition
from engine.schema.endings import STATUS_OF
from engine.schema.hashing import digest
from engine.schema.names import Language, Status
from engine.schema.run import Request, SampleRecord, Settings
from engine.schema.solution import Solution
from engine.schema.trace import Correctness, Environment, Evaluation, Performance, Trace
from engine.schema.workload import Workload

LOG_LIMIT = 64 << 10
"""Characters of a log that go into a trace; the run's folder keeps the whole of it."""
_SHORT_CHECKS = 4
INTERPRETER_NOTE = (
    "Triton ran in its interpreter on the CPU device; this latency says nothing about a GPU."
)


class Subject(Struct, kw_only=True):
    """What was evaluated, where."""

    evaluation: str
    definition: Definition
    solution: Solution
    workload: Workload
    device: Device
    versions: dict[str, str]


def settings_hash(settings: Settings) -> str:
    """Identity of how evaluations are made."""
    return digest([f"{name}={getattr(settings, name)}" for name in settings.__struct_fields__])


def full_log(subject: Subject, result: Result, printed: str) -> str:
    """The log as a person reads it: why, then the detail, then what the solution printed."""
    parts = []
    if result.reason:
        parts.append(result.reason)
    if interpreted(subject):
        parts.append(INTERPRETER_NOTE)
    if result.detail:
        parts.append(result.detail.rstrip())
    if printed.strip():
        parts.append(f"--- printed by the solution ---\n{printed.rstrip()}")
    return "\n".join(parts) + ("\n" if parts else "")


_OWN_FRAME = re.compile(
    rf'^  File "(?:{re.escape(str(Path(__file__).resolve().parents[1]))}|<frozen runpy>).*\n?',
    re.MULTILINE,
)


def tidy(text: str, sources: Path) -> str:
    """A log without this program's stack frames, with files named as in the solution."""
    return _OWN_FRAME.sub("", text.replace(f"{sources}/", ""))


def interpreted(subject: Subject) -> bool:
    """True if Triton's interpreter stood in for a GPU."""
    return subject.device.name == "cpu" and subject.solution.spec.language is Language.TRITON


def make_trace(subject: Subject, result: Result, request: Request, log: str) -> Trace:
    """The trace line of an evaluation."""
    status = STATUS_OF[result.ending]
    compared = status in (Status.PASSED, Status.INCORRECT_NUMERICAL)
    evaluation = Evaluation(
        status=status,
        environment=Environment(
            hardware=subject.device.hardware, libs=_libs(subject, result, request)
        ),
        timestamp=datetime.now().astimezone().isoformat(timespec="milliseconds"),
        log=log if len(log) <= LOG_LIMIT else f"{log[:LOG_LIMIT]}\n... cut here ...\n",
        correctness=_correctness(result) if compared else None,
        performance=performance(result) if status is Status.PASSED else None,
    )
    return Trace(
        definition=subject.definition.name,
        workload=subject.workload,
        solution=subject.solution.name,
        evaluation=evaluation,
    )


def performance(result: Result) -> Performance:
    """Medians of solution and reference, in milliseconds, and their ratio."""
    assert result.timing is not None
    assert result.reference is not None
    latency, reference = result.timing.latency_ms, result.reference.latency_ms
    return Performance(
        latency_ms=latency,
        reference_latency_ms=reference,
        speedup_factor=reference / latency if latency > 0 else 0.0,
    )


def _libs(subject: Subject, result: Result, request: Request) -> dict[str, str]:
    libs = dict(subject.versions)
    if subject.device.driver:
        libs["driver"] = subject.device.driver
    libs |= {
        "fitui.run": request.run,
        "fitui.evaluation": subject.evaluation,
        "fitui.solution": subject.solution.content_hash(),
        "fitui.definition": subject.definition.content_hash(),
        "fitui.settings": settings_hash(request.settings),
        "fitui.sandbox": LEVEL,
    }
    if result.timing is not None:
        libs["fitui.timer"] = result.timing.timer
    if result.contention:
        libs["fitui.contention"] = result.contention
    if interpreted(subject):
        libs["fitui.triton"] = "interpreter"
    if request.commit:
        libs["fitui.commit"] = request.commit
    if request.note:
        libs["fitui.note"] = request.note
    return libs


def _correctness(result: Result) -> Correctness:
    return Correctness(
        max_relative_error=largest([check.max_rel for check in result.checks]),
        max_absolute_error=largest([check.max_abs for check in result.checks]),
        extra={"fitui": _extra(result)},
    )


def largest(errors: list[float | str]) -> float:
    """The largest of several errors; NaN if one of them is."""
    numbers = [float(error) for error in errors]
    if any(math.isnan(number) for number in numbers):
        return math.nan
    return max(numbers, default=0.0)


def _extra(result: Result) -> dict[str, Any]:
    """Compact figures of an evaluation; the side-car has them in full."""
    failed = [check for check in result.checks if not check.ok]
    extra: dict[str, Any] = {
        "checks": [short_check(check) for check in (failed or result.checks)[:_SHORT_CHECKS]],
        "comparisons": len(result.checks),
        "upstream_ok": all(check.upstream_ok is not False for check in result.checks),
        "seed": result.seed,
    }
    if result.timing is not None:
        extra |= _figures(result.timing)
    if result.reference is not None:
        extra["reference"] = _figures(result.reference)
    if result.timing is not None and result.reference is not None:
        low, high = speedup_interval(result.timing.summary, result.reference.summary)
        extra["speedup"] = [round(low, 4), round(high, 4)]
    if result.confirmation is not None:
        extra["confirmation"] = to_builtins(result.confirmation)
    if result.timing is not None and result.limit is not None:
        extra["limit_us"] = round(result.limit.us, 4)
        extra["limit_by"] = result.limit.by
        share = percent(result.limit.us, result.timing.summary.median / 1e3)
        extra["roofline"] = None if share is None else round(share, 2)
    return extra


def short_check(check: Check) -> dict[str, Any]:
    """One comparison in a few fields."""
    worst = [
        {"index": index, "expected": expected, "got": got} for index, expected, got in check.worst
    ]
    short: dict[str, Any] = {
        "output": check.output,
        "elements": check.elements,
        "bad": check.bad,
        "max_abs": check.max_abs,
        "max_rel": check.max_rel,
    }
    if check.non_finite:
        short["non_finite"] = check.non_finite
    if check.message:
        short["message"] = check.message
    if worst:
        short["worst"] = worst
    return short


def _figures(timing: Timing) -> dict[str, Any]:
    summary = timing.summary
    figures: dict[str, Any] = {
        "timer": timing.timer,
        "n": summary.n,
        "median_us": round(summary.median / 1e3, 4),
        "low_us": round(summary.low / 1e3, 4),
        "high_us": round(summary.high / 1e3, 4),
        "p5_us": round(summary.p5 / 1e3, 4),
        "p95_us": round(summary.p95 / 1e3, 4),
    }
    if summary.interval is not None:
        figures["ci"] = round(summary.interval, 5)
    # On the CPU device the host's time is the headline.
    if timing.host_ns and timing.host_ns != timing.device_ns:
        figures["host_us"] = round(timing.host_us, 2)
    if timing.busy_ns:
        figures["busy_us"] = round(median(timing.busy_ns) / 1e3, 4)
    if timing.activities:
        figures["kernels"] = round(median(timing.activities))
    if timing.warm_ns:
        figures["warm_us"] = round(median(timing.warm_ns) / 1e3, 4)
    if timing.clock_mhz:
        figures["clock_mhz"] = round(median(timing.clock_mhz))
    if timing.dropped:
        figures["dropped"] = timing.dropped
    if timing.together:
        figures["together"] = True
    if timing.flags:
        figures["flags"] = timing.flags
    return figures


def make_samples(subject: Subject, result: Result) -> SampleRecord:
    """The side-car record of an evaluation."""
    record = SampleRecord(
        evaluation=subject.evaluation,
        seed=result.seed,
        phases_s=result.phases_s,
        checks=[short_check(check) for check in result.checks],
    )
    if result.timing is not None:
        record.timer = result.timing.timer
        record.device_ns = result.timing.device_ns
        record.host_ns = result.timing.host_ns
        record.busy_ns = result.timing.busy_ns
        record.clock_mhz = result.timing.clock_mhz
        record.warm_ns = result.timing.warm_ns
        record.kernels = result.timing.kernels
        record.flags = result.timing.flags
    if result.reference is not None:
        record.reference_ns = result.reference.device_ns
    return record
