"""One evaluation as a text that opens on the reason: verdict, why, figures, evidence.

Tolerant of every shape of ``correctness.extra``: it comes from files that others wrote.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.run.progress import Cell
from engine.schema import Correctness, Status, Trace
from engine.schema.run import Kind
from fitui import format as form
from fitui.measurement import measurement
from fitui.screens.documents import Line, columns, fact, heading, wrapped
from fitui.screens.fields import axes_text, cell_mark, phase_letter, phase_words, status_mark
from fitui.why import why

SPEC = "fitui"
"""Key of this program's own figures in ``correctness.extra``."""


def trace_lines(trace: Trace, width: int) -> list[Line]:
    """What a trace says, but for its log and where it was made."""
    return [*verdict_lines(trace, width), *evidence_lines(trace), *figure_lines(trace, width)]


def verdict_lines(trace: Trace, width: int, told: tuple[str, str] | None = None) -> list[Line]:
    """The verdict, and why in one sentence where it is none to be glad of.

    Args:
        trace: The trace.
        width: Columns to wrap at.
        told: What :func:`fitui.why.why` says, where that is known.
    """
    evaluation = trace.evaluation
    if evaluation is None:
        return [[], [(" This line is a workload: it has no evaluation.", "dim")]]
    status = evaluation.status
    lines: list[Line] = [
        [],
        [
            (f" {status.letter} {status.value}", status_mark(status.value)),
            (f"   {axes_text(trace.workload.axes)}", ""),
        ],
    ]
    if status is not Status.PASSED:
        line, hint = why(evaluation) if told is None else told
        reason = line or _first_reason(status, own_figures(evaluation.correctness))
        lines.append([])
        lines += wrapped(reason, width, "failed")
        if hint:
            lines.append([(f" {hint}", "accent")])
    return lines


def evidence_lines(trace: Trace) -> list[Line]:
    """The worst elements of outputs that are wrong, with what was expected."""
    evaluation = trace.evaluation
    return _checks(own_figures(evaluation.correctness)) if evaluation else []


def own_figures(correctness: Correctness | None) -> dict[str, Any]:
    """This program's own figures of a trace, {} for a trace of another."""
    extra = (correctness.extra if correctness else None) or {}
    found = extra.get(SPEC)
    return found if isinstance(found, dict) else {}


def _first_reason(status: Status, extra: Mapping[str, Any]) -> str:
    bad = [item for item in _dicts(extra.get("checks")) if item.get("bad")]
    if bad:
        return "; ".join(f"{item.get('output')}: {_share_bad(item)}" for item in bad)
    return f"{status.value.lower().replace('_', ' ')}, and the log says nothing"


def _share_bad(item: Mapping[str, Any]) -> str:
    bad, elements = item.get("bad"), item.get("elements")
    if isinstance(bad, int) and isinstance(elements, int) and elements:
        return f"{bad:,} of {elements:,} elements wrong ({100 * bad / elements:.3g} %)"
    return f"{bad} elements wrong"


def figure_lines(trace: Trace, width: int, samples: Sequence[Line] = ()) -> list[Line]:
    """What was measured, and how far the outputs are from the reference's.

    Args:
        trace: The trace.
        width: Columns that there are.
        samples: Lines about the timed calls, to stand below the figures.
    """
    evaluation = trace.evaluation
    lines: list[Line] = []
    if evaluation is None:
        return lines
    performance, correctness = evaluation.performance, evaluation.correctness
    if performance is not None:
        lines += [*heading("measurement"), *measurement(evaluation, width)]
        if samples:
            lines += [*heading("timed calls"), *samples]
    if correctness is not None:
        lines += heading("correctness")
        lines += [
            fact("max abs err", _number(correctness.max_absolute_error)),
            fact("max rel err", _number(correctness.max_relative_error)),
        ]
    return lines


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return f"{value:.6g}"


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _checks(extra: Mapping[str, Any]) -> list[Line]:
    lines: list[Line] = []
    for item in _dicts(extra.get("checks")):
        if not item.get("bad"):
            continue
        lines += heading(f"{item.get('output', 'output')}: {_share_bad(item)}")
        rows = [("index", "expected", "got", "off by")]
        for worst in _dicts(item.get("worst"))[:16]:
            expected, got = worst.get("expected"), worst.get("got")
            rows.append(
                (_index(worst), _number(expected), _number(got), _difference(got, expected))
            )
        if len(rows) > 1:
            table = columns(rows, ("accent", "", "failed", "dim"))
            lines.append([(text, "dim") for text, _style in table[0]])
            lines += table[1:]
    return lines


def _index(worst: Mapping[str, Any]) -> str:
    index = worst.get("index")
    if isinstance(index, list):
        return "[" + ", ".join(str(part) for part in index) + "]"
    return str(index)


def _difference(got: object, expected: object) -> str:
    if isinstance(got, int | float) and isinstance(expected, int | float):
        return f"{got - expected:+.3g}"
    return ""


def environment_lines(trace: Trace) -> list[Line]:
    """Where and how it was made."""
    evaluation = trace.evaluation
    if evaluation is None:
        return []
    libs = evaluation.environment.libs
    lines: list[Line] = [
        *heading("where"),
        fact("hardware", evaluation.environment.hardware),
        fact("when", evaluation.timestamp),
    ]
    own = {key: value for key, value in libs.items() if key.startswith("fitui.")}
    lines += heading("how")
    lines += [fact(key.removeprefix("fitui."), value) for key, value in own.items()]
    if len(own) == 0:
        lines.append(fact("made by", "another program; no identity was kept"))
    lines += heading("libraries")
    lines += [fact(key, value) for key, value in libs.items() if key not in own]
    return lines


def cell_lines(cell: Cell, width: int) -> list[Line]:
    """An evaluation of a run that has left no trace yet."""
    lines: list[Line] = [
        [],
        [
            (f" {phase_letter(cell)} {phase_words(cell)}", cell_mark(cell)),
            (f"   {axes_text(cell.axes)}", ""),
        ],
    ]
    if cell.message:
        failed = cell.status not in (None, Status.PASSED) or cell.phase is Kind.NOT_RUN
        lines.append([])
        lines += wrapped(cell.message, width, "failed" if failed else "")
    lines += heading("so far")
    lines.append(fact("solution", cell.solution))
    lines.append(fact("device", cell.device or "none yet"))
    if cell.n:
        lines.append(fact("samples", str(cell.n)))
    if cell.latency_ms is not None:
        median = f"{form.latency(cell.latency_ms)} us   {form.interval(cell.interval)}"
        lines.append(fact("median", median))
    if cell.speedup is not None:
        lines.append(fact("speedup", form.speedup(cell.speedup)))
    if cell.elapsed_s is not None:
        lines.append(fact("took", form.seconds(cell.elapsed_s)))
    return lines
