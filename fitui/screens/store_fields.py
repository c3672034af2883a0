"""The columns of what comes from the store: definitions, solutions, workloads, traces."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from engine.schema.flags import is_alarm
from engine.store import DefinitionRow, SolutionRow
from fitui import clock
from fitui import format as form
from fitui.format import clean, flags_text
from fitui.reading import Form, Reading
from fitui.screens.fields import LETTERS, axes_text, flags_mark, share, status_mark
from fitui.screens.rows import Field

Get = Callable[[Any], Any]

_LATENCY = Reading("latency", Form.NUMBER, form.latency, "us", 1000.0)
_REFERENCE = Reading("ref", Form.NUMBER, form.latency, "us", 1000.0)
_SPEEDUP = Reading("speedup", Form.NUMBER, form.speedup)
_ROOFLINE = Reading("roofline", Form.NUMBER, form.roofline)


def _text(
    title: str,
    width: int,
    sort: str,
    attribute: str = "",
    *,
    grow: int = 0,
    name: str = "",
    field: str = "",
    extra: bool = False,
    middle: bool = False,
) -> Field:
    """A column of a text, by the row's attribute of the same name unless that is given."""
    get: Get = attrgetter(attribute or sort)
    return Field(
        title,
        width,
        lambda row: clean(get(row)),
        grow,
        sort=sort,
        name=name,
        reads=Reading(field) if field else None,
        value=get,
        extra=extra,
        middle=middle,
    )


def _whole(
    title: str, width: int, sort: str, attribute: str = "", *, name: str = "", extra: bool = False
) -> Field:
    """A column of a number of things."""
    get: Get = attrgetter(attribute or f"n_{sort}")
    return Field(
        title,
        width,
        lambda row: str(get(row)),
        right=True,
        sort=sort,
        name=name,
        reads=Reading(name or sort, Form.WHOLE),
        value=get,
        extra=extra,
    )


def _figure(
    title: str, width: int, reading: Reading, attribute: str, *, extra: bool = False
) -> Field:
    """A column of a measured number."""
    get: Get = attrgetter(attribute)
    return Field(
        title,
        width,
        lambda row: reading.show(get(row)),
        right=True,
        sort=reading.field,
        reads=reading,
        value=get,
        extra=extra,
    )


def _moment(title: str, sort: str, attribute: str) -> Field:
    """A column of an age."""
    get: Get = attrgetter(attribute)
    return Field(
        title,
        4,
        lambda row: form.age(get(row), clock.now()),
        right=True,
        sort=sort,
        name="age",
        reads=Reading("age", Form.AGE),
        value=get,
    )


def _file(folder: str) -> Field:
    """The column of the file, from the folder on that holds this kind of thing."""

    def get(row: Any) -> str:
        path = str(row.file)
        return path[path.rfind(f"/{folder}/") + 1 :]

    return Field(
        "FILE",
        20,
        lambda row: clean(get(row)),
        grow=60,
        sort="file",
        value=get,
        extra=True,
        middle=True,
    )


def _words(title: str, width: int, attribute: str, *, grow: int, extra: bool = False) -> Field:
    """A column of several words."""
    get: Get = attrgetter(attribute)
    return Field(
        title,
        width,
        lambda row: clean(" ".join(get(row))),
        grow,
        name=title.lower(),
        reads=Reading(attribute, Form.WORDS),
        value=get,
        extra=extra,
    )


def _axes(title: str, width: int, grow: int) -> Field:
    """The column that tells workloads apart."""
    return Field(
        title,
        width,
        lambda row: clean(axes_text(row.axes)),
        grow,
        reads=Reading("axes", Form.AXES),
        value=attrgetter("axes"),
    )


def _score_mark(row: DefinitionRow | SolutionRow) -> str:
    if row.n_failed:
        return "failed"
    return "passed" if row.n_passed else ""


def _passed() -> Field:
    """How many pairs passed, of those that were tried."""
    return Field(
        "PASSED",
        7,
        lambda row: share(row.n_passed, row.n_failed),
        right=True,
        sort="failed",
        mark=_score_mark,
        name="passed",
        reads=Reading("failed", Form.SHARE),
        value=lambda row: (row.n_passed, row.n_failed),
    )


def _roofline(attribute: str) -> Field:
    """How near the limit a definition or a solution is."""
    get: Get = attrgetter(attribute)
    return Field(
        "% ROOF",
        6,
        lambda row: form.roofline(get(row), alarm=row.n_alarms > 0),
        right=True,
        sort="roofline",
        mark=lambda row: "failed" if row.n_alarms else "",
        reads=_ROOFLINE,
        value=get,
    )


DEFINITION_FIELDS = (
    _text("DEFINITION", 26, "name", grow=30, name="definition", middle=True),
    _text("OP", 9, "op", "op_type", grow=10),
    _whole("WL", 4, "workloads"),
    _whole("SOL", 4, "solutions"),
    _passed(),
    _figure("BEST", 6, _SPEEDUP, "best_speedup"),
    _roofline("best_roofline"),
    _moment("RUN", "last_run", "last_run"),
    _text("BEST SOLUTION", 14, "best", "best_solution", grow=24, middle=True),
    _words("AXES", 12, "var_axes", grow=20),
    _text("TIMER", 8, "timer", "best_timer", grow=4, extra=True),
    _whole("TRACES", 7, "traces", extra=True),
    _words("TAGS", 12, "tags", grow=30, extra=True),
    _text("DESCRIPTION", 20, "description", grow=60, extra=True),
    _file("definitions"),
)

SOLUTION_FIELDS = (
    _text("SOLUTION", 26, "name", grow=34, name="solution", middle=True),
    _text("AUTHOR", 9, "author", grow=8),
    _text("LANG", 8, "lang", "language"),
    _passed(),
    _whole("OF", 4, "workloads"),
    _figure("GEOM", 6, _SPEEDUP, "geomean_speedup"),
    _roofline("roofline"),
    _moment("RUN", "last_run", "last_run"),
    _text("DESCRIPTION", 20, "description", grow=60),
    _text("VERSION", 8, "version", grow=56, extra=True),
    _file("solutions"),
)

WORKLOAD_FIELDS = (
    _axes("AXES", 30, 30),
    _text("INPUTS", 24, "inputs", grow=20),
    _text("UUID", 12, "uuid", grow=24),
    Field(
        "PROBLEM",
        10,
        lambda row: clean(row.problem),
        grow=60,
        sort="problem",
        mark=lambda _row: "failed",
        value=attrgetter("problem"),
    ),
    _file("workloads"),
    _whole("LINE", 5, "line", "line", extra=True),
)

TRACE_FIELDS = (
    Field(
        "S",
        1,
        lambda row: LETTERS.get(row.status, "?"),
        sort="status",
        mark=lambda row: status_mark(row.status),
        value=attrgetter("status"),
    ),
    _text("SOLUTION", 26, "solution", grow=24, middle=True),
    _axes("WORKLOAD", 14, 20),
    _figure("LAT us", 7, _LATENCY, "latency_ms"),
    _figure("REF us", 7, _REFERENCE, "reference_latency_ms", extra=True),
    _figure("SPEED", 6, _SPEEDUP, "speedup"),
    Field(
        "% ROOF",
        6,
        lambda row: form.roofline(row.roofline, alarm=is_alarm(row.flags)),
        right=True,
        sort="roofline",
        mark=lambda row: flags_mark(row.flags),
        reads=_ROOFLINE,
        value=attrgetter("roofline"),
    ),
    _figure("ABS ERR", 7, Reading("abs", Form.NUMBER, form.error), "max_absolute_error"),
    _figure(
        "REL ERR", 7, Reading("rel", Form.NUMBER, form.error), "max_relative_error", extra=True
    ),
    _moment("AGE", "time", "time"),
    Field(
        "FLAGS",
        26,
        lambda row: flags_text(row.flags),
        grow=40,
        sort="flags",
        mark=lambda row: flags_mark(row.flags),
        reads=Reading("flags", Form.WORDS),
        value=attrgetter("flags"),
    ),
    _text("DEVICE", 10, "hardware", grow=14),
    _text("DEFINITION", 20, "definition", grow=20, middle=True),
    _text("TIMER", 8, "timer", grow=4),
    _text("AUTHOR", 9, "author", grow=8, extra=True),
    _text("LANG", 8, "lang", "language", extra=True),
    _text("RUN", 20, "run", grow=4, extra=True),
    _text("VERSION", 8, "version", grow=56, extra=True),
    _text("UUID", 12, "workload", name="uuid", grow=24, field="workload", extra=True),
    _file("traces"),
    _whole("ID", 7, "id", "id", extra=True),
)
