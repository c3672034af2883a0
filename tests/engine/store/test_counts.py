"""Counting the values of a column: facets, spans and intervals agree with the rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from engine.store import QueryError, TraceStore
from tests.engine.store.store_samples import Dataset, trace

FILTERS = ("", "status:failed", "solution:fast | lat<0.1ms", "!author:ada")


@pytest.fixture
def store(dataset: Dataset, tmp_path: Path) -> Iterator[TraceStore]:
    chance = random.Random(5)
    items = [
        trace(
            chance.choice(["fast", "slow", "gone"]),
            f"w{chance.randrange(4)}",
            chance.choice(["PASSED", "TIMEOUT"]),
            latency=chance.uniform(0.01, 1.0),
            day=1 + number % 28,
        )
        for number in range(120)
    ]
    # Copies of a trace count once.
    dataset.lines("traces/ada/gemm/gemm.jsonl", *items)
    dataset.lines("traces/bob/gemm/gemm.jsonl", *items[:20])
    with TraceStore.open(dataset.root, cache=tmp_path / "c") as opened:
        yield opened


@pytest.mark.parametrize("where", FILTERS)
@pytest.mark.parametrize(
    ("column", "attribute"),
    [("status", "status"), ("solution", "solution"), ("wl", "workload"), ("author", "author"),
     ("lang", "language"), ("hw", "hardware")],
)  # fmt: skip
def test_facets_agree_with_the_rows(
    store: TraceStore, column: str, attribute: str, where: str
) -> None:
    expected = Counter(getattr(row, attribute) for row in store.traces(where))
    assert store.facet("traces", column, where) == expected


@pytest.mark.parametrize("where", FILTERS)
def test_intervals_agree_with_the_rows(store: TraceStore, where: str) -> None:
    rows = store.traces(where)
    known = [row.latency_ms for row in rows if row.latency_ms is not None]
    span = store.span("traces", "lat", where)
    assert (span.rows, span.known) == (len(rows), len(known))
    assert (span.low, span.high) == (min(known, default=None), max(known, default=None))
    edges = [0.0, 0.05, 0.2, 0.5, 2.0]
    expected = [sum(low <= value < high for value in known) for low, high in pairwise(edges)]
    assert store.bins("traces", "latency", where, edges) == expected


def test_what_is_no_number_has_no_span(store: TraceStore) -> None:
    with pytest.raises(QueryError, match="solution is no number"):
        store.span("traces", "sol")
    with pytest.raises(QueryError, match="no field"):
        store.bins("traces", "nonsense", "", [0.0, 1.0])
    with pytest.raises(LookupError):
        store.span("nothing", "id")
    assert store.span("definitions", "solutions").high is not None
