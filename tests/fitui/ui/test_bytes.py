"""Bytes that go to the terminal, counted through a pty: the same on every machine.

The same measuring as ``python -m benchmarks.ui``, on a dataset of three thousand traces.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import ui_measure
from benchmarks.ui import prepare, screens
from benchmarks.ui_measure import Bench, Line
from benchmarks.ui_terminal import SIZES, open_fitui
from tests.fitui.ui.failing_files import write_failing
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace

KINDS = {
    "triage",
    "traces",
    "definitions",
    "definition",
    "matrix",
    "trace",
    "solution",
    "history",
    "compare",
    "runs",
    "devices",
    "problems",
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A dataset with more rows than any terminal has lines."""
    return prepare(tmp_path_factory.mktemp("bytes"), 3000)


def broken(measure: Callable[[], list[Line]]) -> tuple[list[Line], list[Line]]:
    """What was measured, and what is over its budget.

    It has to be so twice: where the machine is busy, two keys come to one frame.
    """
    found = measure()
    over = {line.what for line in found if not line.kept}
    again = measure() if over else []
    return found, [line for line in again if not line.kept and line.what in over]


@pytest.mark.parametrize("size", SIZES, ids=ui_measure.name_of)
def test_every_screen_keeps_its_budgets(bench: Bench, size: tuple[int, int]) -> None:
    views = screens(bench)
    assert {view.split()[0] for view in views} == KINDS
    found, over = broken(lambda: ui_measure.quiet_bytes(bench, views, size))
    assert over == []
    measured = {line.what for line in found}
    for view in views:
        assert f"idle 5 s: {view}" in measured
    # Every kind of figure was there to be kept.
    for what in ("step", "step that scrolls", "Enter", "Esc, back to"):
        assert f"{what}: traces" in measured
    assert f"step: matrix {bench.definition}" in measured


@pytest.mark.parametrize("size", SIZES, ids=ui_measure.name_of)
def test_news_cost_what_is_to_be_seen_of_them(bench: Bench, size: tuple[int, int]) -> None:
    _found, over = broken(lambda: ui_measure.live(bench, size))
    assert over == []


def test_a_terminal_that_never_answers_is_asked_three_times(root: Path, tmp_path: Path) -> None:
    write_failing(root)
    with open_fitui(root, "matrix double_h8", places=tmp_path, answers=False) as terminal:
        terminal.until(ui_measure.is_painted)
        terminal.read(1.0)
        file = root / "traces/me/pointwise/double_h8.jsonl"
        for number in range(1, 6):
            news = trace("fast", WORKLOADS[0], "PASSED")
            news["evaluation"]["performance"]["latency_ms"] = float(number)
            news["evaluation"]["timestamp"] = f"2026-11-22T1{number}:00:00+00:00"
            lines(file, [news])
            terminal.shows(f"P  {number}000", limit=5.0)
        assert terminal.probes == 3


def test_focus_and_resizing(root: Path, tmp_path: Path) -> None:
    with open_fitui(root, "traces", places=tmp_path) as terminal:
        terminal.until(ui_measure.is_painted)
        terminal.read(1.0)
        assert terminal.press(b"\x1b[O\x1b[I").data == b""
        before = terminal.look().text
        terminal.resize((100, 30))
        terminal.until(lambda screen: ui_measure.is_painted(screen) and screen.cursor is not None)
        terminal.resize((80, 24))
        terminal.until(lambda screen: screen.text == before)
