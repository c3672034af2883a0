"""What was measured of one evaluation, as a block of lines: each figure with its conditions.

Pure functions that know no widgets. Tolerant of every shape of the figures: they come from files
that others may have written.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping
from typing import Any

from engine.schema import Evaluation
from engine.schema.flags import ALARMS, word_of
from fitui import format as form

Line = list[tuple[str, str]]
"""Pieces of a line: each a text and the name of its style."""

MEANINGS = {
    "faster than the limit": "The device needs longer to move the data or to do the operations. "
    "Look for work that is skipped, cached or put off; if there is none, the count of the work or "
    "the device's calibration is wrong.",
    "below an empty call": "A call of an empty kernel takes longer on this device. Look for "
    "results that are cached, or for work that is left to somebody else.",
    "no device work": "The device did nothing during a timed call. Look for cached results, or "
    "for work that is done on the host.",
    "late work": "The device still worked after a call was over, outside of what was timed. Look "
    "for threads and streams that the call does not wait for.",
    "host_sync": "The call waits for the device itself, so its time contains the host's. Take out "
    "what waits (.item(), .cpu(), synchronize) to see the device's own time.",
    "other streams": "Work ran on other streams than the caller's. The time covers all of it; see "
    "that the caller's stream waits for them.",
    "throttled": "The driver lowered the clocks meanwhile. Run it again, or compare with the other "
    "solution in turns.",
    "low clock": "The clock was lower than when the device was calibrated, so % roofline is too "
    "low. Look at the device's power limit and temperature.",
    "clock unsteady": "Many samples were taken at another clock, and left out. Run it again, or "
    "compare in turns.",
    "contended": "Others used the device at the same time. Run it again when it is free.",
    "contention unknown": "Whether others used the device could not be seen, as in most "
    "containers. Trust small differences only where they were measured in turns.",
    "cpu shared": "Others used the processors at the same time. Run it again on a quiet machine.",
    "cpu clock fell": "The processors became slower meanwhile. Run it again on a cool machine.",
    "unblocked": "The device could not be held back until the whole call was queued, so gaps "
    "between launches count: times of small kernels are too long.",
    "no cupti": "The best timer does not work here; `fitui doctor` says what to do.",
    "no kineto": "PyTorch's profiler cannot stand in for CUPTI here.",
}
"""What each flag means and what to do about it, by its word."""

_BOUNDS = {"memory": "memory", "vector": "vector units"}
_LABEL = 12


def measurement(evaluation: Evaluation, width: int = 80) -> list[Line]:
    """What an evaluation says of its times.

    Args:
        evaluation: Of a trace.
        width: Columns that there are.

    Returns:
        Lines under no heading; none where nothing was timed.
    """
    performance = evaluation.performance
    if performance is None:
        return []
    own = figures_of(evaluation)
    timer = _text(own.get("timer")) or evaluation.environment.libs.get("fitui.timer", "")
    other = own.get("reference")
    reference: Mapping[str, Any] = other if isinstance(other, dict) else {}
    lines = [
        _fact("latency", _median(performance.latency_ms, own, timer), "title"),
        *_spread(own),
        *_roofline(own),
        *_device(own, performance.latency_ms),
        _fact("reference", _median(performance.reference_latency_ms, reference, "")),
        _fact("speedup", _speedup(performance.speedup_factor, own)),
    ]
    for flag in _flags(reference):
        lines.append(_fact("", f"reference: {flag}", "warn"))
    return [*lines, *flag_lines(_flags(own), width)]


def figures_of(evaluation: Evaluation) -> dict[str, Any]:
    """This program's own figures of an evaluation, {} for one of another program."""
    correctness = evaluation.correctness
    extra = (correctness.extra if correctness else None) or {}
    own = extra.get("fitui")
    return own if isinstance(own, dict) else {}


def flag_lines(flags: list[str], width: int = 80) -> list[Line]:
    """Flags, alarms first and with ``!`` before them, each with what it means."""
    lines: list[Line] = []
    for flag in sorted(flags, key=lambda flag: flag not in ALARMS):
        alarm = flag in ALARMS
        sign, style = ("!", "failed") if alarm else ("-", "warn")
        lines.append([(f" {sign} {form.clean(flag)}", style)])
        meaning = MEANINGS.get(word_of(flag), "")
        lines += [[("   " + part, "dim")] for part in textwrap.wrap(meaning, max(20, width - 4))]
    return lines


def _median(latency_ms: float, figures: Mapping[str, Any], timer: str) -> str:
    """A median with its interval, its samples and its timer."""
    parts = [f"{form.latency(latency_ms)}{_unit(latency_ms)}"]
    low, high = _number(figures, "low_us"), _number(figures, "high_us")
    if low is not None and high is not None:
        parts.append(f"{_short(low)} to {_short(high)} (95 %)")
    samples, dropped = _number(figures, "n"), _number(figures, "dropped")
    if samples is not None:
        left_out = f", {dropped:g} left out" if dropped else ""
        parts.append(f"n={samples:g}{left_out}")
    parts.append(timer or _text(figures.get("timer")))
    return "   ".join(part for part in parts if part)


def _spread(own: Mapping[str, Any]) -> list[Line]:
    low, high = _number(own, "p5_us"), _number(own, "p95_us")
    if low is None or high is None:
        return []
    return [_fact("calls", f"{_us(low)} to {_us(high)} (5 % to 95 % of them)")]


def _roofline(own: Mapping[str, Any]) -> list[Line]:
    share, limit = _number(own, "roofline"), _number(own, "limit_us")
    if share is None:
        # Of another program's trace nothing is expected.
        return [_fact("% roofline", "unknown for this device, timer or workload")] if own else []
    text = f"{form.roofline(share)} %"
    if limit is not None:
        by = _text(own.get("limit_by"))
        bound = f", bound by {_BOUNDS.get(by, f'{by} operations')}" if by else ""
        text += f"   of {_us(limit)} at best{bound}"
    return [_fact("% roofline", text, "failed" if share > 100 else "")]


def _device(own: Mapping[str, Any], latency_ms: float) -> list[Line]:
    lines = []
    busy, launches = _number(own, "busy_us"), _number(own, "kernels")
    parts = []
    if busy is not None:
        part = f" ({min(busy / latency_ms / 10, 100):.0f} % of it)" if latency_ms > 0 else ""
        parts.append(f"busy for {_us(busy)}{part}")
    if launches is not None:
        noun = "kernel or copy" if launches == 1 else "kernels and copies"
        parts.append(f"{launches:g} {noun}")
    if parts:
        lines.append(_fact("device", "   ".join(parts)))
    host = _number(own, "host_us")
    if host is not None:
        longer = ", longer than the device's" if host / 1e3 > latency_ms else ""
        lines.append(_fact("host", f"{_us(host)} to make a call{longer}"))
    warm = _number(own, "warm_us")
    if warm is not None:
        lines.append(_fact("warm", f"{_us(warm)} with the inputs in the L2 cache"))
    clock = _number(own, "clock_mhz")
    if clock is not None:
        lines.append(_fact("clock", f"{clock:.0f} MHz"))
    return lines


def _speedup(speedup: float, own: Mapping[str, Any]) -> str:
    parts = [form.speedup(speedup)]
    ends = own.get("speedup")
    if isinstance(ends, list) and len(ends) == 2:
        low, high = (_number({"": end}, "") for end in ends)
        if low is not None and high is not None:
            parts.append(f"{form.speedup(low)} to {form.speedup(high)}")
            reference = own.get("reference")
            together = isinstance(reference, dict) and reference.get("together") is True
            parts.append("measured in turns" if together else "not measured in turns")
    return "   ".join(parts)


def _flags(figures: Mapping[str, Any]) -> list[str]:
    flags = figures.get("flags")
    return [flag for flag in flags if isinstance(flag, str)] if isinstance(flags, list) else []


def _fact(label: str, value: str, style: str = "") -> Line:
    return [(f"   {label:<{_LABEL}} ", "dim"), (form.clean(value), style)]


def _number(figures: Mapping[str, Any], key: str) -> float | None:
    value = figures.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _us(microseconds: float) -> str:
    return f"{_short(microseconds)}{_unit(microseconds / 1e3)}"


def _short(microseconds: float) -> str:
    return form.latency(microseconds / 1e3)


def _unit(milliseconds: float) -> str:
    """The unit, where the figure does not bring its own."""
    return " us" if form.latency(milliseconds)[-1:].isdigit() else ""
