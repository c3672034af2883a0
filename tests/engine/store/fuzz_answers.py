"""What a store answers, to be compared with another store's answers and with itself."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from math import isclose
from pathlib import Path
from typing import Any

import msgspec

from engine.insight.ranking import geomeans
from engine.schema.timers import ranking_timer
from engine.store import DefinitionRow, TraceStore

Answers = dict[str, list[str]]

_FACETS = {
    "traces": "status hardware author language op_type definition solution workload layer version "
    "run timer note commit flags",
    "solutions": "author language definition version layer op_type",
    "workloads": "definition problem op_type",
    "definitions": "op_type layer",
}
_FILTERS = {
    "traces": [
        "status:failed",
        "lat<0.02ms",
        "author:ada",
        "op:gemm !tag:model",
        "axis.M>=32",
        "is:latest status:PASSED",
        "run:last",
        "(sol:s1 | sol:s2) -hw:B200",
        "layer=1 lang:triton",
        '"RUNTIME"',
        "roofline>=45.5",
        "flag:host_sync",
        "flag=host_sync !is:alarm",
        "is:alarm is:latest",
        "!flag:*",
        "note:a | commit:0a*",
    ],
    "solutions": [
        "is:latest",
        "author:bob",
        "passed>0",
        "definition:d0 | layer=1",
        "roofline>50",
        "is:alarm",
    ],
    "definitions": ["traces>3", "best:s1", "op:moe", "roofline>50", "is:alarm", "timer:cupti"],
    "workloads": ["axis.M>16", "problem:missing"],
    "cells": [
        "status:none",
        "status:PASSED sol:s1",
        "def:d0",
        "roofline>50",
        "flag:late",
        "is:alarm",
    ],
    "problems": ["field:evaluation", "line>2", "message:JSON"],
}


def answers(store: TraceStore) -> Answers:
    """Everything a store answers, without numbers of rows, in an order that has no ties."""
    lists: dict[str, list[Any]] = {
        "definitions": list(store.definitions()),
        "solutions": list(store.solutions()),
        "workloads": list(store.workloads()),
        "traces": list(store.traces()),
        "problems": list(store.problems()),
        "latest": list(store.traces("is:latest")),
        "newest": list(store.latest()),
        "cells": list(store.cells()),
    }
    found = {name: _plain(rows) for name, rows in lists.items()}
    names = sorted({row.definition for row in lists["traces"]})
    found["matrix"] = [line for name in names for line in _plain(store.matrix(name))]
    found["summary"] = [f"{name} {row}" for name in names for row in _plain(store.summary(name))]
    pairs = sorted({(row.solution, row.workload) for row in lists["traces"]})[:8]
    found["history"] = [line for pair in pairs for line in _plain(store.history(*pair))]
    found["facets"] = [
        f"{kind} {column} {sorted(store.facet(kind, column).items())}"
        for kind, columns in _FACETS.items()
        for column in columns.split()
    ]
    found["counts"] = [
        f"{kind} {where}: {store.count(kind, where)}"
        for kind, filters in _FILTERS.items()
        for where in ["", *filters]
    ]
    found["sorted"] = [
        f"{field} {[getattr(row, field) for row in store.traces(sort=sort)]}"
        for sort, field in [
            ("-latency", "latency_ms"),
            ("speedup", "speedup"),
            ("time", "time"),
            ("-roofline", "roofline"),
            ("definition,-status", "definition"),
        ]
    ]
    return found


def _plain(rows: Iterable[Any]) -> list[str]:
    result = []
    for row in rows:
        fields = msgspec.structs.asdict(row)
        for number in ("id", "trace"):  # of a row
            fields.pop(number, None)
        result.append(repr(sorted(fields.items())))
    return sorted(result)


def differences(expected: Answers, found: Answers) -> list[str]:
    """One line per row that only one of two stores has."""
    result = []
    for name in found:
        wanted, got = Counter(expected.get(name, [])), Counter(found[name])
        result += [f"{name}: missing {row}" for row in wanted - got]
        result += [f"{name}: too much {row}" for row in got - wanted]
    return result


def contradictions(store: TraceStore) -> list[str]:
    """Where the answers of one store do not agree with each other or with the files."""
    rows = store.traces()
    wrong = []
    for column in ("status", "definition", "solution", "workload", "hardware"):
        counted = Counter(getattr(row, column) for row in rows)
        if dict(counted) != store.facet("traces", column):
            wrong.append(f"the facet of {column} is not that of the rows")
    for kind, filters in _FILTERS.items():
        for where in ["", *filters]:
            if store.count(kind, where) != len(getattr(store, kind)(where)):
                wrong.append(f"the count of {kind} {where!r} is not that of the rows")
    for where in _FILTERS["traces"]:
        for column in ("status", "solution", "hardware"):
            counted = Counter(getattr(row, column) for row in store.traces(where))
            if dict(counted) != store.facet("traces", column, where):
                wrong.append(f"the facet of {column} for {where!r} is not that of the rows")
    lists: list[tuple[Callable[..., list[Any]], str]] = [
        (store.traces, ""),
        (store.traces, "status"),
        (store.traces, "-hardware"),
        (store.traces, "flags"),
        (store.cells, "status"),
        (store.cells, "-language"),
        (store.cells, "-roofline"),
        (store.problems, "message"),
        (store.problems, "-field"),
    ]
    for ask, sort in lists:
        whole = ask("", sort)
        pages = [row for start in range(0, len(whole), 7) for row in ask("", sort, 7, start)]
        if pages != whole:
            wrong.append(f"pages side by side are not the list: {ask.__name__} by {sort!r}")
    latest = {row.id for row in store.traces("is:latest")}
    matrix = [row for name in {row.definition for row in rows} for row in store.matrix(name)]
    if not {row.trace for row in store.cells() if row.trace} <= latest:
        wrong.append("a cell shows a trace that is not the latest")
    if {row.id for row in matrix} != latest:
        wrong.append("the matrices together are not the latest traces")
    newest = sorted(
        (row.definition, row.solution, row.workload, row.status, row.latency_ms or 0)
        for row in store.latest()
    )
    if newest != sorted(
        (row.definition, row.solution, row.workload, row.status, row.latency_ms or 0)
        for row in matrix
    ):
        wrong.append("the latest of each cell are not the latest traces")
    pairs = [(row.definition, row.solution, row.workload) for row in matrix]
    if len(pairs) != len(set(pairs)):
        wrong.append("a cell of a matrix has two traces")
    by_definition = Counter(row.definition for row in rows)
    for known in store.definitions():
        if known.n_traces != by_definition[known.name]:
            wrong.append(f"{known.name} has {by_definition[known.name]} traces: {known.n_traces}")
        wrong += _mixed(store, known)
    for row in rows[:5]:
        document = store.trace(row.id)
        assert document.evaluation is not None
        told = (document.solution, document.evaluation.status, document.evaluation.timestamp)
        if told != (row.solution, row.status, row.timestamp):
            wrong.append(f"the document of a row is another one: {row}")
    return wrong


def _mixed(store: TraceStore, known: DefinitionRow) -> list[str]:
    """Where means are not those of one timer."""
    found = store.matrix(known.name)
    timers = Counter(row.timer for row in found if row.status == "PASSED")
    timer = ranking_timer(timers)
    means = geomeans(found, timer)
    wrong = []
    for row in store.solutions(f"definition={known.name} is:latest"):
        mean = means.get(row.name)
        if not isclose(row.geomean_speedup or 0, mean or 0, rel_tol=1e-6):
            wrong.append(f"{row.name} is {mean} by {timer!r}: {row.geomean_speedup}")
    best = means.get(known.best_solution)
    if means and (known.best_timer, bool(best)) != (timer, True):
        wrong.append(f"{known.name} is ranked by {timer!r}: {known.best_timer!r}")
    if not isclose(known.best_speedup or 0, best or 0, rel_tol=1e-6):
        wrong.append(f"the best of {known.name} is {best}: {known.best_speedup}")
    return wrong


def damage(cache: Path) -> list[str]:
    """What SQLite finds wrong with the indexes of a cache folder."""
    wrong = []
    for path in cache.glob("*.db"):
        connection = sqlite3.connect(path)
        try:
            for (message,) in connection.execute("PRAGMA integrity_check"):
                if message != "ok":
                    wrong.append(f"{path.name}: {message}")
        finally:
            connection.close()
    return wrong
