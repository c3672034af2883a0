"""By which timer figures are ranked, and what that leaves out."""

from __future__ import annotations

from typing import Any

import pytest

from engine.insight.ranking import geomeans, timer_words
from engine.schema.timers import ranking_timer
from engine.store import TraceRow


def row(solution: str, timer: str, speedup: float | None, status: str = "PASSED") -> TraceRow:
    known: dict[str, Any] = dict.fromkeys(TraceRow.__struct_fields__)
    return TraceRow(
        **{**known, "solution": solution, "timer": timer, "speedup": speedup, "status": status}
    )


def test_most_figures_decide_and_else_the_better_timer() -> None:
    assert ranking_timer({"cupti": 2, "flashinfer": 3}) == "flashinfer"
    assert ranking_timer({"events": 2, "cupti": 2, "flashinfer": 1}) == "cupti"
    assert ranking_timer({"": 5, "cupti": 1}) == ""
    assert ranking_timer({}) == ""


def test_only_speedups_by_that_timer_count() -> None:
    rows = [
        row("a", "cupti", 2.0),
        row("a", "cupti", 8.0),
        row("a", "flashinfer", 100.0),
        row("b", "flashinfer", 50.0),
        row("c", "cupti", 3.0, "RUNTIME_ERROR"),
        row("c", "cupti", None),
        row("d", "cupti", 0.0),
    ]
    assert geomeans(rows, "cupti") == {"a": pytest.approx(4.0)}
    assert geomeans(rows, "flashinfer") == {"a": pytest.approx(100.0), "b": pytest.approx(50.0)}


def test_a_timer_that_is_not_named_has_words() -> None:
    assert timer_words("cupti") == "cupti"
    assert timer_words("") == "an unnamed timer"
