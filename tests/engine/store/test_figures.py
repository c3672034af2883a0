"""The measuring figures in the index: percent of the limit, flags and alarms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from engine.schema import Trace, decode
from engine.store import TraceStore
from engine.store.decoder import Numbers
from engine.store.slim import COLUMNS, Rows
from tests.engine.store.fuzzing import LARGE, ONE_BY_ONE, limits
from tests.engine.store.store_samples import Dataset, Json, solution, trace

FASTER = "faster than the limit"
LOW = "low clock: 1200 of 1980 MHz"


def figures(roofline: Any = None, *flags: str) -> Json:
    found: Json = {"n": 40, "timer": "cupti", "checks": [{"output": "y", "bad": 0}]}
    if roofline is not None:
        found["roofline"] = roofline
    return found | ({"flags": list(flags)} if flags else {})


@pytest.fixture(params=[ONE_BY_ONE, LARGE], ids=["one by one", "large"])
def store(request: pytest.FixtureRequest, dataset: Dataset, tmp_path: Path) -> Iterator[TraceStore]:
    """fast: 20 % and 80 % of the limit; slow: 120 % with alarms, and unknown."""
    dataset.lines(
        "traces/ada/gemm/gemm.jsonl",
        trace("fast", "w1", day=1, figures=figures(10, "late work")),
        trace("fast", "w1", day=2, figures=figures(20, "host_sync", LOW)),
        trace("fast", "w2", m=4096, day=3, figures=figures(80)),
    )
    dataset.lines(
        "traces/bob/gemm/gemm.jsonl",
        trace("slow", "w1", latency=0.1, day=4, figures=figures(120.5, "host_sync", FASTER)),
        trace("slow", "w2", latency=0.1, m=4096, day=5),
    )
    with limits(request.param), TraceStore.open(dataset.root, cache=tmp_path / "c") as opened:
        yield opened


def test_rows_have_the_figures(store: TraceStore) -> None:
    found = [(row.roofline, row.flags) for row in store.traces("", "time")]
    assert found == [
        (10.0, ["late work"]),
        (20.0, ["host_sync", "low clock"]),
        (80.0, []),
        (120.5, [FASTER, "host_sync"]),
        (None, []),
    ]
    cells = {(row.solution, row.workload): (row.roofline, row.flags) for row in store.cells()}
    assert cells["fast", "w1"] == (20.0, ["host_sync", "low clock"])
    assert cells["slow", "w2"] == (None, [])


@pytest.mark.parametrize(
    ("where", "rooflines"),
    [
        ("roofline>=50", [80.0, 120.5]),
        ("roofline<20", [10.0]),
        ("flag:host_sync", [20.0, 120.5]),
        ("flag=host_sync", [20.0, 120.5]),
        ("flag:host", [20.0, 120.5]),
        ("flag=host", []),
        ("flag:host*", [20.0, 120.5]),
        ('flag:"faster than the limit"', [120.5]),
        ("flag:HOST_SYNC !is:alarm", [20.0]),
        ("!flag:* roofline>0", [80.0]),
        ("is:alarm", [10.0, 120.5]),
        ("is:alarm is:latest", [120.5]),
        ("flag:low | flag:late", [10.0, 20.0]),
    ],
)
def test_traces_are_found_by_them(store: TraceStore, where: str, rooflines: list[float]) -> None:
    assert [row.roofline for row in store.traces(where, "time")] == rooflines
    assert store.count("traces", where) == len(rooflines)


def test_traces_are_sorted_by_them_those_without_come_last(store: TraceStore) -> None:
    ascending = [row.roofline for row in store.traces("", "roofline")]
    assert ascending == [10.0, 20.0, 80.0, 120.5, None]
    descending = [row.roofline for row in store.traces("", "-roofline")]
    assert descending == [120.5, 80.0, 20.0, 10.0, None]


def test_a_solution_has_the_mean_of_its_latest_evaluations(store: TraceStore) -> None:
    fast, slow = store.solutions("", "name")
    assert fast.roofline == pytest.approx(sqrt(20 * 80)) and fast.n_alarms == 0
    assert slow.roofline == pytest.approx(120.5) and slow.n_alarms == 1
    assert [row.name for row in store.solutions("is:alarm")] == ["slow"]
    assert [row.name for row in store.solutions("roofline<100")] == ["fast"]
    assert [row.name for row in store.solutions("", "-roofline")] == ["slow", "fast"]


def test_a_definition_has_that_of_its_best_solution(store: TraceStore) -> None:
    (row,) = store.definitions()
    assert row.best_solution == "fast" and row.best_roofline == pytest.approx(40.0)
    assert row.n_alarms == 1
    assert store.count("definitions", "is:alarm") == store.count("definitions", "roofline>39") == 1
    assert [row.name for row in store.definitions("", "-roofline")] == ["gemm"]


def test_cells_are_found_by_them(store: TraceStore) -> None:
    assert [row.solution for row in store.cells("is:alarm")] == ["slow"]
    assert [row.workload for row in store.cells("roofline>0", "-roofline")] == ["w1", "w2", "w1"]
    assert store.count("cells", "flag:host_sync") == 2


def test_facets_count_sets_of_flags(store: TraceStore) -> None:
    assert store.facet("traces", "flags") == {
        "[]": 2,
        '["faster than the limit","host_sync"]': 1,
        '["host_sync","low clock"]': 1,
        '["late work"]': 1,
    }


def test_every_text_of_a_large_load_is_the_right_one(dataset: Dataset) -> None:
    """Notes and commits of large loads had the numbers of other texts."""
    marks = {"run": "r", "evaluation": "e", "solution": "v", "timer": "t", "note": "n"}
    figured = {"figures": figures(50, "f"), "commit": "c", "hardware": "h"}
    for name in ("ada", "bob"):
        dataset.lines(
            f"traces/{name}/gemm/gemm.jsonl",
            trace(name, "w", "INCORRECT_NUMERICAL", definition="d", m=3, **marks, **figured),
        )
    with limits(LARGE), TraceStore.open(dataset.root) as store:
        (row, _) = store.traces("", "solution")
        facets = {name: list(store.facet("traces", name)) for name in ("note", "commit", "flags")}
    named = (row.definition, row.solution, row.workload, row.axes)
    assert named == ("d", "ada", "w", {"M": 3})
    assert (row.status, row.hardware, row.run) == ("INCORRECT_NUMERICAL", "h", "r")
    assert (row.version, row.timer, row.flags) == ("v", "t", ["f"])
    assert facets == {"note": ["n"], "commit": ["c"], "flags": ['["f"]']}


def test_a_new_evaluation_takes_an_alarm_away(dataset: Dataset) -> None:
    file = "traces/bob/gemm/gemm.jsonl"
    with TraceStore.open(dataset.root) as store:
        dataset.append(file, trace("slow", "w1", day=8, figures=figures(150, FASTER)))
        store.refresh()
        (slow,) = store.solutions("name:slow")
        assert (slow.roofline, slow.n_alarms) == (pytest.approx(150), 1)
        dataset.append(file, trace("slow", "w1", day=9, figures=figures(50)))
        store.refresh()
        (slow,) = store.solutions("name:slow")
        assert (slow.roofline, slow.n_alarms) == (pytest.approx(50), 0)


def test_alarms_of_a_version_that_does_not_count_are_not_counted(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        (fast,) = store.solutions("name:fast")
        former = {"figures": figures(150, FASTER), "solution": fast.version}
        dataset.append("traces/ada/gemm/gemm.jsonl", trace("fast", "w1", day=20, **former))
        store.refresh()
        assert store.definitions()[0].n_alarms == 1
        dataset.put("solutions/ada/gemm/fast.json", solution(body="return"))
        store.refresh()
        assert store.definitions()[0].n_alarms == 0


@pytest.mark.parametrize(
    ("own", "roofline", "flags"),
    [
        ({"roofline": 71, "flags": ["b", "a", "a"]}, 71.0, '["a","b"]'),
        ({"roofline": 0.0}, 0.0, None),
        ({"roofline": 1e308}, 1e308, None),
        ({"roofline": None, "flags": []}, None, None),
        ({"roofline": "71", "flags": ["a"]}, None, '["a"]'),
        ({"roofline": True}, None, None),
        ({"roofline": -5}, None, None),
        ({"roofline": 10**400}, None, None),
        ({"roofline": float("nan"), "flags": ["a"]}, None, '["a"]'),
        ({"roofline": [1], "flags": "a"}, None, None),
        ({"roofline": 5, "flags": ["a", 1]}, 5.0, None),
        ({"roofline": 5, "flags": ["", ""]}, 5.0, None),
        ({"roofline": 5, "flags": ["\ud800"]}, 5.0, '["\\ud800"]'),
        ([], None, None),
        ("fitui", None, None),
        (None, None, None),
    ],
)
def test_odd_figures_are_passed_over_in_the_fast_way_as_in_the_full_one(
    own: Any, roofline: float | None, flags: str | None
) -> None:
    line = trace("fast")
    line["evaluation"]["correctness"]["extra"] = {"fitui": own, "other": {"roofline": 1}}
    data = json.dumps(line).encode()
    numbers = Numbers()
    rows = Rows(numbers)
    full = rows.full(1, 1, 0, data, decode(data, Trace))
    fast = rows.plain(1, 1, 0, memoryview(data), len(data))
    assert fast is None or fast == full
    texts = {number: name for name, number in numbers._known.items()}
    found = dict(zip(COLUMNS, full, strict=True))
    assert found["roofline"] == roofline
    assert texts.get(found["flags"]) == (flags and ("flags", flags))


@pytest.mark.parametrize("extra", [None, {}, {"fitui": figures(50, "a")}, {"else": [1]}])
def test_plain_figures_are_read_the_fast_way(extra: Any) -> None:
    line = trace("fast")
    line["evaluation"]["correctness"]["extra"] = extra
    data = json.dumps(line).encode()
    rows = Rows(Numbers())
    fast = rows.plain(1, 1, 0, memoryview(data), len(data))
    assert fast is not None and fast == rows.full(1, 1, 0, data, decode(data, Trace))


def test_a_number_that_only_the_full_decoding_refuses_is_left_to_it() -> None:
    line = json.dumps(trace("fast", figures={"x": 0})).replace('"x": 0', f'"x": {"7" * 5000}')
    assert Rows(Numbers()).plain(1, 1, 0, memoryview(line.encode()), len(line)) is None
