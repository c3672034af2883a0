"""The block of lines about what was measured: complete, in 80 columns, whatever the figures are."""

from __future__ import annotations

from typing import Any

import pytest

from engine.measure import cuda
from engine.run import judge_times, nvml, occupancy, timing
from engine.schema import Correctness, Environment, Evaluation, Performance, Status
from fitui.measurement import MEANINGS, flag_lines, measurement

OWN: dict[str, Any] = {
    "timer": "cupti",
    "n": 40,
    "low_us": 12.21,
    "high_us": 12.4,
    "p5_us": 12.0,
    "p95_us": 13.1,
    "dropped": 3,
    "busy_us": 11.9,
    "kernels": 3,
    "host_us": 25.4,
    "warm_us": 9.8,
    "clock_mhz": 1980,
    "limit_us": 8.77,
    "limit_by": "memory",
    "roofline": 71.3,
    "speedup": [12.3, 12.8],
    "reference": {
        "timer": "cupti",
        "n": 20,
        "low_us": 152.0,
        "high_us": 156.0,
        "together": True,
    },
}


def evaluation(own: Any = None, latency_ms: float = 0.0123) -> Evaluation:
    return Evaluation(
        status=Status.PASSED,
        environment=Environment(hardware="h", libs={"fitui.timer": "kineto"}),
        timestamp="t",
        correctness=Correctness(extra=None if own is None else {"fitui": own}),
        performance=Performance(
            latency_ms=latency_ms, reference_latency_ms=0.154, speedup_factor=12.5
        ),
    )


def texts(own: Any = None, width: int = 80, **changed: Any) -> list[str]:
    lines = measurement(evaluation(own, **changed), width)
    return ["".join(text for text, _style in line).rstrip() for line in lines]


def test_each_figure_has_its_conditions_beside_it() -> None:
    assert texts(OWN) == [
        "   latency      12.3 us   12.2 to 12.4 (95 %)   n=40, 3 left out   cupti",
        "   calls        12.0 us to 13.1 us (5 % to 95 % of them)",
        "   % roofline   71.3 %   of 8.77 us at best, bound by memory",
        "   device       busy for 11.9 us (97 % of it)   3 kernels and copies",
        "   host         25.4 us to make a call, longer than the device's",
        "   warm         9.80 us with the inputs in the L2 cache",
        "   clock        1980 MHz",
        "   reference    154 us   152 to 156 (95 %)   n=20   cupti",
        "   speedup      12.5x   12.3x to 12.8x   measured in turns",
    ]


def test_a_trace_of_another_program_shows_what_it_has() -> None:
    plain = ["   latency      12.3 us   kineto", "   reference    154 us", "   speedup      12.5x"]
    assert texts() == texts([]) == texts("x") == plain


def test_what_was_not_timed_has_no_block() -> None:
    failed = evaluation()
    failed.performance = None
    assert measurement(failed) == []


def test_an_unknown_limit_is_said_to_be_unknown() -> None:
    lines = texts({"n": 5, "timer": "cpu-clock"})
    assert "   % roofline   unknown for this device, timer or workload" in lines


def test_separate_measurements_say_so() -> None:
    alone = {"timer": "cupti", "n": 20}
    assert texts(OWN | {"reference": alone})[-1].endswith("12.8x   not measured in turns")


def test_above_the_limit_is_marked_without_colour_and_with_it() -> None:
    own = OWN | {"roofline": 131.7, "flags": ["host_sync", "faster than the limit"]}
    lines = texts(own)
    assert "   % roofline   132 %   of 8.77 us at best, bound by memory" in lines
    assert lines.index(" ! faster than the limit") < lines.index(" - host_sync")
    styles = {line[0][0].strip(): line[0][1] for line in measurement(evaluation(own))}
    assert styles["! faster than the limit"] == "failed" and styles["- host_sync"] == "warn"


def test_flags_of_the_reference_are_told_apart() -> None:
    own = OWN | {"reference": {"flags": ["host_sync"]}}
    assert texts(own)[-1] == "                reference: host_sync"


def test_each_flag_says_what_it_means_and_what_to_do() -> None:
    for flag in [*MEANINGS, "low clock: 1200 of 1980 MHz", "throttled: power cap"]:
        first, *meaning = flag_lines([flag])
        assert first[0][0][3:] == flag
        assert meaning, flag
    assert len(flag_lines(["something new"])) == 1


@pytest.mark.parametrize(
    "flag",
    [
        *(cuda.HOST_SYNC, cuda.LATE, cuda.NOTHING, cuda.STREAMS),
        *(judge_times.FASTER, judge_times.BELOW, judge_times.LOW_CLOCK),
        *(timing.UNSTEADY, occupancy.UNKNOWN),
    ],
)
def test_no_flag_of_the_engine_goes_unexplained(flag: str) -> None:
    assert flag in MEANINGS


def test_a_reason_for_lower_clocks_is_explained() -> None:
    assert len(flag_lines([f"throttled: {next(iter(nvml._THROTTLES.values()))}"])) > 1


@pytest.mark.parametrize("width", [60, 80, 120])
def test_explanations_fit(width: int) -> None:
    for line in flag_lines(list(MEANINGS), width):
        assert sum(len(text) for text, _style in line) < width


def test_the_block_fits_80_columns() -> None:
    assert all(len(line) < 80 for line in texts(OWN | {"flags": list(MEANINGS)}))


@pytest.mark.parametrize(
    "odd", ["x", None, True, [], {}, [1, 2], -1, 10**400, float("nan"), "\x1b"]
)
def test_odd_figures_never_break_it(odd: Any) -> None:
    for key in OWN:
        lines = texts(OWN | {key: odd})
        assert lines[0].startswith("   latency      12.3 us")
        assert not any("\x1b" in line for line in lines)
    assert texts({**OWN, "flags": odd})
    assert texts(OWN, latency_ms=0.0)[0].startswith("   latency      0.00 us")
