"""How verdicts and phases read in every table, and the columns of runs and bad files.

The columns of what comes from the store are in ``store_fields``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.run.progress import Cell
from engine.schema import Problem, Status
from engine.schema.flags import is_alarm
from engine.schema.run import Kind
from fitui import clock
from fitui import format as form
from fitui.format import clean, flags_text
from fitui.run_view import RunView
from fitui.screens.rows import Field

PHASES = {
    Kind.QUEUED: ("q", "queued"),
    Kind.WAITING: ("w", "waiting"),
    Kind.BUILDING: ("b", "building"),
    Kind.FIRST_CALL: ("f", "first call"),
    Kind.CHECKING: ("k", "checking"),
    Kind.TIMING: ("t", "timing"),
    Kind.VERIFYING: ("v", "verifying"),
    Kind.NOT_RUN: ("-", "not run"),
    Kind.COMPARED: ("=", "compared"),
}
"""Letter and words of each phase of an evaluation; letters of verdicts are capitals."""

LETTERS = {status.value: status.letter for status in Status}


def status_mark(status: str) -> str:
    """Style of a verdict."""
    return "passed" if status == Status.PASSED.value else "failed"


def status_words(status: str) -> str:
    """A verdict in small letters."""
    return status.lower().replace("_", " ")


def share(passed: int, failed: int) -> str:
    """Passed of tried."""
    return f"{passed}/{passed + failed}" if passed + failed else ""


def axes_text(axes: dict[str, int]) -> str:
    """All axes of a workload."""
    return " ".join(f"{form.short_axis(name)}={value}" for name, value in axes.items())


def flags_mark(flags: Sequence[str]) -> str:
    """Style of a measurement's flags."""
    if is_alarm(flags):
        return "failed"
    return "warn" if flags else ""


def phase_letter(cell: Cell) -> str:
    """One letter: the verdict's, or the phase's."""
    return cell.status.letter if cell.status else PHASES.get(cell.phase, ("?", ""))[0]


_SHORT = {
    Status.INCORRECT_NUMERICAL: "wrong values",
    Status.INCORRECT_SHAPE: "wrong shape",
    Status.INCORRECT_DTYPE: "wrong dtype",
}


def phase_words(cell: Cell) -> str:
    """The verdict or the phase in two words at most, and whether it is an earlier verdict."""
    if cell.status:
        words = _SHORT.get(cell.status, status_words(cell.status.value))
        return f"{words}, before" if cell.phase is Kind.SKIPPED else words
    return PHASES.get(cell.phase, ("", cell.phase.value))[1]


def cell_mark(cell: Cell) -> str:
    """Style of an evaluation of a run."""
    if cell.phase is Kind.SKIPPED and cell.status is Status.PASSED:
        return "dim"
    if is_alarm(cell.flags):
        return "failed"
    if cell.status:
        return status_mark(cell.status.value)
    return "dim" if cell.phase in (Kind.QUEUED, Kind.NOT_RUN) else "live"


def _phase(cell: Cell) -> str:
    return phase_words(cell) + ("!" if is_alarm(cell.flags) else "")


CELL_FIELDS = (
    Field("S", 1, phase_letter, sort="status", mark=cell_mark),
    Field("SOLUTION", 24, lambda c: clean(c.solution), 12, sort="solution", middle=True),
    Field("WORKLOAD", 9, lambda c: clean(axes_text(c.axes)), grow=7),
    Field("PHASE", 13, _phase, mark=cell_mark),
    Field("N", 4, lambda c: str(c.n) if c.n else "", right=True),
    Field("MED us", 7, lambda c: form.latency(c.latency_ms), right=True, sort="latency"),
    Field("CI", 6, lambda c: form.interval(c.interval), right=True),
    Field("SPEED", 6, lambda c: form.speedup(c.speedup), right=True, sort="speedup"),
    Field(
        "% ROOF",
        6,
        lambda c: form.roofline(c.roofline, alarm=is_alarm(c.flags)),
        right=True,
        mark=lambda c: flags_mark(c.flags),
    ),
    Field("TOOK", 6, lambda c: form.seconds(c.elapsed_s), right=True),
    Field("DEVICE", 6, lambda c: clean(c.device)),
    Field("MESSAGE", 20, lambda c: clean(c.message) or flags_text(c.flags), grow=80),
)


def _r(row: Any) -> RunView:
    assert isinstance(row, RunView)
    return row


STATES = {
    "queued": ("q", "dim"),
    "running": ("r", "live"),
    "paused": ("p", "warn"),
    "stopped": ("s", "failed"),
    "finished": ("f", "passed"),
    "cancelled": ("c", "dim"),
    "failed": ("x", "failed"),
}
"""Letter and style of each state of a run."""


def _run_mark(row: Any) -> str:
    view = _r(row)
    if view.state == "finished" and view.failed:
        return "failed"
    return STATES[view.survey.standing][1]


def _left(row: Any) -> str:
    left = _r(row).survey.left_s
    return "" if left is None else form.rough(left)


RUN_FIELDS = (
    Field("RUN", 20, lambda r: _r(r).run, sort="run"),
    Field("S", 1, lambda r: STATES[_r(r).survey.standing][0], mark=_run_mark),
    Field("STATE", 9, lambda r: _r(r).survey.standing, mark=_run_mark),
    Field("DONE", 7, lambda r: f"{_r(r).ended}/{len(_r(r).cells)}", right=True),
    Field("FAIL", 4, lambda r: str(_r(r).failed or ""), right=True, mark=lambda _r: "failed"),
    Field("PRI", 3, lambda r: str(_r(r).priority or ""), right=True),
    Field("LEFT", 6, _left, right=True),
    Field("AGE", 4, lambda r: form.age(_r(r).request.created, clock.now()), right=True),
    Field("WHAT", 17, lambda r: clean(_r(r).subject), grow=40),
    Field("WAITS FOR", 14, lambda r: clean(_r(r).survey.waits_for), grow=30),
    Field("DEVICE", 8, lambda r: clean(form.devices(_r(r).request.devices)), grow=12),
    Field("MODE", 5, lambda r: "quick" if _r(r).request.settings.quick else "full"),
    Field("TOOK", 6, lambda r: form.seconds(run_seconds(_r(r))), right=True),
)


def run_seconds(view: RunView) -> float | None:
    """How long a run took, once it has ended."""
    if view.started is None or view.finished is None:
        return None
    return view.finished - view.started


def _p(row: Any) -> Problem:
    assert isinstance(row, Problem)
    return row


PROBLEM_FIELDS = (
    Field("FILE", 30, lambda p: clean(_shortened(_p(p).file)), grow=30),
    Field("LINE", 5, lambda p: str(_p(p).line or ""), right=True),
    Field("FIELD", 12, lambda p: clean(_p(p).field), grow=16),
    Field("PROBLEM", 28, lambda p: clean(_p(p).message), grow=100),
)


def _shortened(path: str) -> str:
    return "…" + path[-29:] if len(path) > 30 else path
