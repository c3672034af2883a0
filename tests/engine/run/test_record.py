"""What is kept of an evaluation: a trace for every ending that the schema accepts, and samples."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from engine.evaluate.facts import Check
from engine.measure.statistics import summarise
from engine.run.devices import Device
from engine.run.evaluation import Result
from engine.run.record import (
    INTERPRETER_NOTE,
    LOG_LIMIT,
    Subject,
    full_log,
    largest,
    make_samples,
    make_trace,
    performance,
    settings_hash,
)
from engine.run.timing import Timing
from engine.schema import (
    STATUS_OF,
    Definition,
    Ending,
    Language,
    Request,
    Settings,
    Solution,
    Status,
    Trace,
    Workload,
    decode,
    encode,
)
from engine.schema.solution import BuildSpec, SourceFile

CPU = Device(name="cpu", hardware="CPU of a kind", key="cpu")
GPU = Device(name="cuda:0", hardware="NVIDIA H200", key="GPU-x", driver="570.1")
REQUEST = Request(run="r", created=1.0, dataset=["d"], devices=["cpu"])


def subject(device: Device = CPU, language: Language = Language.PYTHON) -> Subject:
    spec = BuildSpec(language=language, target_hardware=["cpu"], entry_point="m.py::run")
    return Subject(
        evaluation="r.00001",
        definition=Definition(
            name="d", op_type="toy", axes={}, inputs={}, outputs={}, reference="def run(): ..."
        ),
        solution=Solution(
            name="s",
            definition="d",
            author="a",
            spec=spec,
            sources=[SourceFile(path="m.py", content="x")],
        ),
        workload=Workload(uuid="w", axes={}, inputs={}),
        device=device,
        versions={"torch": "2"},
    )


def timing(median_ns: int = 2000, **fields: Any) -> Timing:
    times = [median_ns] * 20
    known: dict[str, Any] = {
        "timer": "cpu-clock",
        "summary": summarise(times),
        "device_ns": times,
        "host_ns": times,
    }
    return Timing(**{**known, **fields})


def result(ending: Ending = Ending.PASSED, **fields: Any) -> Result:
    known: dict[str, Any] = {"checks": [Check(output="y", ok=True, elements=4)], "seed": "ab"}
    if ending is Ending.PASSED:
        known |= {"timing": timing(2000), "reference": timing(6000)}
    return Result(ending=ending, **{**known, **fields})


def travelled(found: Result, of: Subject | None = None, log: str = "") -> Trace:
    """The trace as another program reads it from its line."""
    line = encode(make_trace(of or subject(), found, REQUEST, log))
    assert b"\n" not in line
    return decode(line, Trace)


@pytest.mark.parametrize("checks", [[], [Check(output="y", ok=False)]], ids=["none", "one"])
@pytest.mark.parametrize("ending", Ending)
def test_a_trace_of_every_ending_loads_and_keeps_its_statuss_rules(
    ending: Ending, checks: list[Check]
) -> None:
    evaluation = travelled(result(ending, checks=checks)).evaluation
    assert evaluation is not None
    status = STATUS_OF[ending]
    assert evaluation.status is status
    compared = status in (Status.PASSED, Status.INCORRECT_NUMERICAL)
    assert (evaluation.correctness is not None) is compared
    assert (evaluation.performance is not None) is (status is Status.PASSED)


def test_a_trace_names_what_was_evaluated_where() -> None:
    trace = travelled(result(), subject(GPU))
    assert (trace.definition, trace.solution, trace.workload.uuid) == ("d", "s", "w")
    assert trace.evaluation is not None
    assert trace.evaluation.environment.hardware == "NVIDIA H200"


def test_identity_travels_in_the_environment() -> None:
    of = subject(GPU)
    request = Request(run="r", created=1.0, dataset=["d"], devices=["cpu"], note="my words")
    libs = make_trace(of, result(), request, "").evaluation.environment.libs  # type: ignore[union-attr]
    assert libs["torch"] == "2"
    assert libs["driver"] == "570.1"
    assert libs["fitui.run"] == "r"
    assert libs["fitui.evaluation"] == "r.00001"
    assert libs["fitui.solution"] == of.solution.content_hash()
    assert libs["fitui.definition"] == of.definition.content_hash()
    assert libs["fitui.settings"] == settings_hash(request.settings)
    assert libs["fitui.timer"] == "cpu-clock"
    assert libs["fitui.note"] == "my words"


def test_what_was_not_measured_names_no_timer() -> None:
    evaluation = travelled(result(Ending.RAISED)).evaluation
    assert evaluation is not None
    assert "fitui.timer" not in evaluation.environment.libs


def test_performance_is_in_milliseconds_with_the_ratio() -> None:
    found = performance(result())
    assert (found.latency_ms, found.reference_latency_ms) == (0.002, 0.006)
    assert found.speedup_factor == pytest.approx(3.0)


def test_a_latency_of_zero_has_no_speedup() -> None:
    found = result(timing=timing(0))
    assert performance(found).speedup_factor == 0.0
    travelled(found)


@pytest.mark.parametrize("error", ["Infinity", math.inf, "NaN"])
def test_errors_that_are_no_numbers_travel(error: float | str) -> None:
    check = Check(output="y", ok=False, bad=1, max_abs=error, max_rel=error)
    evaluation = travelled(result(Ending.WRONG_VALUES, checks=[check])).evaluation
    assert evaluation is not None
    assert evaluation.correctness is not None
    assert not math.isfinite(float(evaluation.correctness.max_absolute_error))


@pytest.mark.parametrize(
    ("errors", "wanted"), [([], 0.0), ([0.5, 2.0], 2.0), ([1.0, "Infinity"], math.inf)]
)
def test_the_largest_error_counts(errors: list[float | str], wanted: float) -> None:
    assert largest(errors) == wanted


def test_an_error_that_is_not_a_number_is_the_largest() -> None:
    assert math.isnan(largest([5.0, "NaN", "Infinity"]))


def test_compact_figures_go_with_the_correctness() -> None:
    check = Check(output="y", ok=True, elements=4, upstream_ok=False)
    evaluation = travelled(result(checks=[check])).evaluation
    assert evaluation is not None
    assert evaluation.correctness is not None
    extra = evaluation.correctness.extra["fitui"]  # type: ignore[index]
    assert (extra["n"], extra["median_us"], extra["timer"]) == (20, 2.0, "cpu-clock")
    assert extra["reference"]["median_us"] == 6.0
    assert (extra["seed"], extra["upstream_ok"]) == ("ab", False)


def test_failed_checks_are_shown_before_those_that_passed() -> None:
    checks = [Check(output=f"good{n}", ok=True) for n in range(9)]
    checks.append(Check(output="bad", ok=False, bad=1, non_finite=1, worst=[([0, 2], 1.0, "NaN")]))
    evaluation = travelled(result(Ending.WRONG_VALUES, checks=checks)).evaluation
    assert evaluation is not None
    assert evaluation.correctness is not None
    (shown,) = evaluation.correctness.extra["fitui"]["checks"]  # type: ignore[index]
    assert shown["output"] == "bad"
    assert shown["worst"] == [{"index": [0, 2], "expected": 1.0, "got": "NaN"}]


def test_a_long_log_is_cut_and_says_so() -> None:
    evaluation = travelled(result(), log="x" * (LOG_LIMIT + 1)).evaluation
    assert evaluation is not None
    assert evaluation.log == "x" * LOG_LIMIT + "\n... cut here ...\n"
    kept = travelled(result(), log="x" * LOG_LIMIT).evaluation
    assert kept is not None
    assert kept.log == "x" * LOG_LIMIT


def test_a_log_says_why_then_how_then_what_was_printed() -> None:
    found = Result(ending=Ending.RAISED, reason="ValueError: no", detail="Traceback ...\n")
    assert full_log(subject(), found, "hello\n") == (
        "ValueError: no\nTraceback ...\n--- printed by the solution ---\nhello\n"
    )


def test_a_silent_success_has_an_empty_log() -> None:
    assert full_log(subject(), result(), "  \n") == ""


@pytest.mark.parametrize(
    ("device", "language", "noted"),
    [(CPU, Language.TRITON, True), (GPU, Language.TRITON, False), (CPU, Language.PYTHON, False)],
)
def test_tritons_interpreter_is_named_where_it_stood_in_for_a_gpu(
    device: Device, language: Language, noted: bool
) -> None:
    of = subject(device, language)
    assert (INTERPRETER_NOTE in full_log(of, result(), "")) is noted
    evaluation = travelled(result(), of).evaluation
    assert evaluation is not None
    assert ("fitui.triton" in evaluation.environment.libs) is noted


def test_settings_that_differ_have_another_identity() -> None:
    hashes = {
        settings_hash(settings)
        for settings in (Settings(), Settings(atol=0.0), Settings(rtol=0.0), Settings(quick=True))
    }
    assert len(hashes) == 4
    assert settings_hash(Settings()) == settings_hash(Settings(quick=False))


def test_samples_hold_everything_that_was_measured() -> None:
    found = result(timing=timing(kernels=[("k", 5)], flags=["host_sync"]), phases_s={"timing": 1.0})
    record = make_samples(subject(), found)
    assert (record.evaluation, record.timer, record.seed) == ("r.00001", "cpu-clock", "ab")
    assert (record.device_ns, record.reference_ns) == ([2000] * 20, [6000] * 20)
    assert (record.kernels, record.flags) == ([("k", 5)], ["host_sync"])
    assert record.phases_s == {"timing": 1.0}
    json.loads(encode(record))


@pytest.mark.parametrize("ending", Ending)
def test_samples_of_every_ending_can_be_written(ending: Ending) -> None:
    json.loads(encode(make_samples(subject(), Result(ending=ending))))
