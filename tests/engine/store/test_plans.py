"""How the questions that are asked most are answered: by an index, not by looking at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.store import TraceStore
from tests.engine.store.store_samples import Dataset

BIG = 'def="gemm" status=PASSED'


@pytest.fixture
def store(dataset: Dataset, tmp_path: Path) -> Iterator[TraceStore]:
    with TraceStore.open(dataset.root, cache=tmp_path / "cache") as opened:
        yield opened


def plans(store: TraceStore, ask: Callable[[TraceStore], object]) -> str:
    """How SQLite goes about everything that a question makes it do."""
    connection = store._index.connection
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    ask(store)
    connection.set_trace_callback(None)
    lines = []
    for statement in asked:
        if statement.lstrip().upper().startswith("SELECT"):
            try:
                rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            except sqlite3.OperationalError:
                continue
            lines += [row[3] for row in rows]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda store: store.traces(BIG, "latency", 50), "SEARCH t USING INDEX trace_latency"),
        (lambda store: store.traces(BIG, "-latency", 50), "SEARCH t USING INDEX trace_latency"),
        (lambda store: store.traces('def="gemm"', "-time", 50), "SEARCH t USING INDEX trace_age"),
        (lambda store: store.traces("", "latency", 50), "SCAN t USING INDEX trace_all_latency"),
        (lambda store: store.traces("", "-speedup", 50), "SCAN t USING INDEX trace_all_speedup"),
        (lambda store: store.traces("", "-roofline", 50), "SCAN t USING INDEX trace_all_roofline"),
        (lambda store: store.traces("roofline>50", "roofline", 9), "INDEX trace_all_roofline"),
        (lambda store: store.count("traces", "is:alarm"), "SEARCH t USING INDEX trace_flags"),
        (lambda store: store.count("traces", "flag:late"), "SEARCH t USING INDEX trace_flags"),
        (lambda store: store.traces("", "", 50), "SCAN t USING INDEX trace_all_age"),
        (lambda store: store.matrix("gemm"), "trace_latest (definition=?)"),
        (lambda store: store.history("fast", "w1"), "trace_group (solution=?"),
        (lambda store: store.latest(), "USING INDEX trace_latest"),
        (lambda store: store.summary("gemm"), "USING INDEX trace_latency"),
        (lambda store: store.facet("traces", "status"), "SCAN t"),
        (lambda store: store.solutions(), "SEARCH r USING PRIMARY KEY"),
    ],
)
def test_a_hot_query_goes_by_its_index(
    store: TraceStore, ask: Callable[[TraceStore], object], expected: str
) -> None:
    assert expected in plans(store, ask)


@pytest.mark.parametrize("sort", ["latency", "-latency", "-time", "time"])
def test_a_page_of_a_definition_is_not_sorted(store: TraceStore, sort: str) -> None:
    assert "TEMP B-TREE" not in plans(store, lambda store: store.traces(BIG, sort, 50))


@pytest.mark.parametrize("sort", ["latency", "-speedup", "-time", "speedup", "-roofline"])
def test_a_page_of_everything_is_not_sorted(store: TraceStore, sort: str) -> None:
    assert "TEMP B-TREE" not in plans(store, lambda store: store.traces("", sort, 50))


@pytest.mark.parametrize("where", ["", 'def="gemm"', "status:failed", 'sol="fast" status=PASSED'])
def test_counts_do_not_look_at_traces(store: TraceStore, where: str) -> None:
    asked: list[str] = []
    store._index.connection.set_trace_callback(asked.append)
    count = store.count("traces", where)
    assert sum(store.facet("traces", "status", where).values()) == count
    assert not any("FROM trace" in statement for statement in asked)
    assert count == len(store.traces(where))
