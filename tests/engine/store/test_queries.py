"""Lists: what a filter keeps, in what order, in which pages."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.store import QueryError, TraceStore
from tests.engine.store.store_samples import Dataset, definition, solution, trace, workload


@pytest.fixture
def store(dataset: Dataset) -> Iterator[TraceStore]:
    with TraceStore.open(dataset.root) as opened:
        yield opened


def test_a_definition_row_counts_the_latest_evaluation_of_each_pair(store: TraceStore) -> None:
    row = store.definitions()[0]
    assert (row.n_workloads, row.n_solutions, row.n_traces) == (2, 2, 5)
    assert (row.n_passed, row.n_failed) == (3, 1)
    assert row.var_axes == ["M"] and row.tags == ["model:small"]


def test_the_best_solution_is_one_without_failures(store: TraceStore) -> None:
    row = store.definitions()[0]
    assert row.best_solution == "slow"
    assert row.best_speedup == pytest.approx((1.0 * 0.5) ** 0.5)


def test_figures_of_several_timers_are_never_put_together(dataset: Dataset) -> None:
    for name in ("host", "both"):
        dataset.put(f"solutions/{name}.json", solution(name))
    dataset.append(
        "traces/ada/gemm/timers.jsonl",
        *(trace("slow", name, day=20, latency=0.02, timer="cupti") for name in ("w1", "w2")),
        *(trace("host", name, day=20, latency=0.001, timer="flashinfer") for name in ("w1", "w2")),
        trace("both", "w1", day=20, latency=0.04, timer="cupti"),
        trace("both", "w2", day=20, latency=0.001, timer="flashinfer"),
    )
    with TraceStore.open(dataset.root) as store:
        row = store.definitions()[0]
        # Three cells each: the better of the two timers.
        assert (row.best_solution, row.best_timer) == ("slow", "cupti")
        assert row.best_speedup == pytest.approx(2.0)
        means = {item.name: item.geomean_speedup for item in store.solutions()}
        assert means["both"] == pytest.approx(1.0)
        assert means["host"] is None
        dataset.append(
            "traces/ada/gemm/timers.jsonl",
            trace("both", "w1", day=21, latency=0.001, timer="flashinfer"),
        )
        store.refresh()
        row = store.definitions()[0]
        assert (row.best_solution, row.best_timer) == ("both", "flashinfer")
        assert row.best_speedup == pytest.approx(40.0)
        assert {item.name for item in store.solutions("speedup>1")} == {"both", "host"}


def test_a_solution_row_has_its_own_results(store: TraceStore) -> None:
    fast = store.solutions("sol=fast")[0]
    assert (fast.n_workloads, fast.n_passed, fast.n_failed) == (2, 1, 1)
    assert fast.geomean_speedup == pytest.approx(2.0)
    assert fast.version == store.solution("fast").content_hash()


def test_traces_are_newest_first_and_know_author_and_language(store: TraceStore) -> None:
    rows = store.traces()
    assert [row.time for row in rows] == sorted((row.time or 0 for row in rows), reverse=True)
    assert (rows[0].author, rows[0].language, rows[0].axes) == ("bob", "triton", {"M": 4096})


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", 5),
        ("status:failed", 1),
        ("!status:failed", 4),
        ("-status:failed", 4),
        ("status=PASSED", 4),
        ("status:runtime", 1),
        ("sol:fa*", 3),
        ("sol:f", 3),
        ("sol=f", 0),
        ("def:GEM? author:bob", 2),
        ("author:ada | author:bob", 5),
        ("author:ada lat<15us", 1),
        ("(author:ada lat<=0.01) | hw:b200", 2),
        ("lat>=10000ns lat<=1e-2ms", 1),
        ("speedup>=1 speedup<3", 2),
        ("axis.M>=1024", 2),
        ("axis.M=16", 3),
        ("axis.none>0", 0),
        ("is:latest", 4),
        ("lang:triton op:gemm tag:model*", 5),
        ("wl:w2", 2),
        ("RUNTIME_err", 1),
        ("bob", 2),
        ('"NVIDIA H200"', 0),
        ('hw="NVIDIA H200"', 4),
        ("!lat<15us", 4),
        ("abs>0.1 rel<=0.5", 4),
        ("age<1s", 0),
        ("run:last", 0),
        ("ref:0.04", 4),
    ],
)
def test_filters_keep_what_they_say(store: TraceStore, where: str, expected: int) -> None:
    assert len(store.traces(where)) == expected
    assert store.count("traces", where) == expected


def test_ages_count_from_now(dataset: Dataset) -> None:
    recent = trace("fast", "w1", latency=0.03)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 3600))
    recent["evaluation"]["timestamp"] = moment
    dataset.append("traces/ada/gemm/gemm.jsonl", recent)
    with TraceStore.open(dataset.root) as store:
        assert store.count("traces", "age<2h") == 1
        assert store.count("traces", "age>2h") == 5
        assert store.traces(sort="age")[0].latency_ms == 0.03
        assert store.traces(sort="-age")[-1].latency_ms == 0.03


def test_the_last_run_is_that_of_the_newest_trace_with_one(dataset: Dataset) -> None:
    dataset.append(
        "traces/ada/gemm/gemm.jsonl",
        trace("fast", "w1", day=6, run="r1", evaluation="e1", timer="cupti"),
        trace("fast", "w1", day=7, run="r2", evaluation="e1"),
        trace("fast", "w2", day=7, m=4096, run="r2", evaluation="e2"),
    )
    with TraceStore.open(dataset.root) as store:
        assert {row.run for row in store.traces("run:last")} == {"r2"}
        assert store.count("traces", "run=r1 timer=cupti") == 1


@pytest.mark.parametrize(
    ("where", "underlined"),
    [
        ("status:none", "status:none"),
        ("def:a foo:1", "foo"),
        ("(def:a", "("),
        ("def:a)", ")"),
        ("a | ", " "),
        ('def:a "open', '"open'),
        ("lat<3x", "3x"),
        ("lat:fast", "fast"),
        ("age<3", "3"),
        ("speedup<2ms", "2ms"),
        ("def>a", "def>a"),
        ("lat < 3", "<"),
        ("def: x", "def:"),
        ("is:odd", "is:odd"),
        ("a ! b", "!"),
        ("axis>3", "axis>3"),
    ],
)
def test_an_error_says_which_part_to_underline(
    store: TraceStore, where: str, underlined: str
) -> None:
    with pytest.raises(QueryError) as caught:
        store.traces(where)
    assert where[caught.value.start : caught.value.end] == underlined


def test_an_unknown_sort_field_is_an_error_with_its_place(store: TraceStore) -> None:
    with pytest.raises(QueryError) as caught:
        store.traces(sort="definition,-speed")
    assert "definition,-speed"[caught.value.start : caught.value.end] == "-speed"
    assert "speedup" in caught.value.message


def test_rows_without_a_value_come_last_either_way(store: TraceStore) -> None:
    assert store.traces(sort="latency")[-1].latency_ms is None
    assert store.traces(sort="-latency")[-1].latency_ms is None
    assert store.traces(sort="axis.M,-lat")[0].axes == {"M": 16}


@pytest.mark.parametrize("sort", ["", "status", "-latency,solution", "definition,-time", "axis.M"])
def test_pages_together_are_the_whole_list(tmp_path: Path, sort: str) -> None:
    dataset = Dataset(tmp_path / "data")
    dataset.put("definitions/gemm.json", definition())
    dataset.put("solutions/fast.json", solution())
    chosen = random.Random(7)
    items = [
        trace(
            "fast",
            f"w{chosen.randrange(9)}",
            chosen.choice(["PASSED", "TIMEOUT"]),
            chosen.choice([0.01, 0.02]),
            chosen.randrange(1, 5),
            log=str(number),
        )
        for number in range(103)
    ]
    dataset.lines("traces/all.jsonl", *items)
    with TraceStore.open(dataset.root) as store:
        whole = store.traces(sort=sort)
        pages = [store.traces(sort=sort, limit=10, offset=start) for start in range(0, 110, 10)]
        assert [row.id for page in pages for row in page] == [row.id for row in whole]
        assert len({row.id for row in whole}) == 103 == store.count("traces")


def test_the_matrix_has_one_row_a_pair_and_history_has_them_all(store: TraceStore) -> None:
    cells = {(row.solution, row.workload): row.latency_ms for row in store.matrix("gemm")}
    assert cells == {
        ("fast", "w1"): 0.02,
        ("fast", "w2"): None,
        ("slow", "w1"): 0.04,
        ("slow", "w2"): 0.08,
    }
    assert [row.latency_ms for row in store.history("fast", "w1")] == [0.02, 0.01]
    assert len(store.history("fast", "w1", 1)) == 1


def test_facets_count_each_value(store: TraceStore) -> None:
    assert store.facet("traces", "status") == {"PASSED": 4, "RUNTIME_ERROR": 1}
    assert store.facet("traces", "author", "lat>0") == {"ada": 2, "bob": 2}
    assert store.facet("solutions", "language") == {"triton": 2}


def test_documents_are_read_in_full(store: TraceStore) -> None:
    failed = store.traces("status:failed")[0]
    evaluation = store.trace(failed.id).evaluation
    assert evaluation is not None and evaluation.log == "out of memory"
    assert store.definition("gemm").const_axes == {"K": 64}
    assert store.workload("w2").axes == {"M": 4096}
    assert store.workload("w2", "gemm").axes == {"M": 4096}


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.definition("x"),
        lambda store: store.solution("x"),
        lambda store: store.solution("fast", "ffff"),
        lambda store: store.workload("x"),
        lambda store: store.workload("w1", "x"),
        lambda store: store.trace(10**9),
    ],
)
def test_what_does_not_exist_is_a_key_error_with_a_sentence(store: TraceStore, call: Any) -> None:
    with pytest.raises(KeyError) as caught:
        call(store)
    assert str(caught.value).endswith(".") and " " in str(caught.value)


def test_every_list_takes_a_filter_and_a_sort(store: TraceStore) -> None:
    assert [row.name for row in store.definitions("op:gemm speedup<1", "-speedup")] == ["gemm"]
    assert [row.name for row in store.solutions("author:bob | lang:cuda", "-speedup")] == ["slow"]
    assert [row.uuid for row in store.workloads("axis.M<100", "-axis.M")] == ["w1"]
    assert store.workloads()[0].inputs == "1 random"
    with pytest.raises(LookupError):
        store.count("nothing")


def test_names_with_quotes_brackets_and_percent_are_found_exactly(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    names = ['a"b', "a[1]*", "50%_x", "it's", "ünï"]
    for number, name in enumerate(names):
        dataset.put(f"definitions/{number}.json", definition(name))
        dataset.lines(f"workloads/{number}.jsonl", workload(f"w{number}", name))
    with TraceStore.open(dataset.root) as store:
        for name in names:
            quoted = name.replace('"', '\\"')
            assert [row.name for row in store.definitions(f'name="{quoted}"')] == [name]
            assert store.workloads(f'def="{quoted}"')[0].definition == name
        assert [row.name for row in store.definitions("name:a[*")] == ["a[1]*"]
