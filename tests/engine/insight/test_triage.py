"""What fails in a store, by cause: clusters, mutes, what is new, and the filter word ``cause:``."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.insight import triage as module
from engine.insight.causes import cause_of
from engine.insight.clusters import Cluster, sort_clusters
from engine.insight.mutes import read_mutes, toggle_mute
from engine.insight.triage import EVER, Triage, take_apart
from engine.places import cache_dir, state_dir
from engine.store import QueryError, TraceStore, visits
from tests.engine.insight import failure_logs as logs
from tests.engine.store.store_samples import Dataset, definition, solution, trace, workload

SIZES = {"w1": 16, "w2": 1024, "w3": 4096}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three solutions of which two do not compile, for the same cause, and one is wrong."""
    made = Dataset(tmp_path / "dataset")
    made.put("definitions/gemm/gemm.json", definition())
    for name in ("ada", "bob", "wrong"):
        made.put(f"solutions/{name}.json", solution(name))
    made.lines("workloads/gemm/gemm.jsonl", *[workload(w, m=m) for w, m in SIZES.items()])
    made.lines(
        "traces/ada/gemm/gemm.jsonl",
        *[
            trace("ada", w, "COMPILE_ERROR", m=m, day=1, log=logs.NVCC_OURS)
            for w, m in SIZES.items()
        ],
        trace("bob", "w1", "RUNTIME_ERROR", day=2, log=logs.MODULE),
        trace("bob", "w1", "COMPILE_ERROR", day=4, log=logs.NVCC_WRAPPED),
        trace("bob", "w2", "RUNTIME_ERROR", m=1024, day=5, log=logs.ILLEGAL),
        trace("wrong", "w1", day=3),
        trace("wrong", "w2", "INCORRECT_NUMERICAL", m=1024, day=3),
        trace("wrong", "w3", "INCORRECT_NUMERICAL", m=4096, day=3),
    )
    return made


def found(store: TraceStore, text: str = "", base: str = module.LATEST) -> list[Cluster]:
    triage = Triage(store, base)
    assert list(triage.look())[-1] == 0
    return triage.clusters(text)


def test_failures_of_one_cause_are_one_cluster(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        compile_error, numerical, device = found(store)
    assert compile_error.line == 'main.cu:31: error: identifier "tma_load" is undefined'
    counts = ("traces", "solutions", "workloads", "definitions")
    assert [getattr(compile_error, name) for name in counts] == [4, 2, 3, 1]
    assert compile_error.status == "COMPILE_ERROR" and compile_error.kind == "compile"
    assert compile_error.last is not None and compile_error.since is not None
    assert compile_error.last - compile_error.since == 3 * 86400
    assert numerical.line == "gemm: wrong by 0.1 to 1 where M >= 1024"
    assert numerical.traces == 2
    assert device.kind == "device"


def test_only_the_latest_counts_unless_asked(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        lines = [row.line for row in found(store)]
        ever = [row.line for row in found(store, base=EVER)]
    assert set(ever) - set(lines) == {"ModuleNotFoundError: No module named 'flash_attn'"}


def test_what_is_repaired_leaves_and_what_is_new_comes(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        triage = Triage(store)
        list(triage.look())
        dataset.append(
            "traces/ada/gemm/gemm.jsonl",
            trace("bob", "w2", m=1024, day=6),
            trace("ada", "w1", "TIMEOUT", day=7, log=logs.TIMEOUT),
        )
        assert store.refresh()
        list(triage.look())
        kinds = {row.kind: row.traces for row in triage.clusters()}
    assert kinds == {"compile": 3, "numerical": 2, "timeout": 1}


def test_a_trace_that_is_gone_is_left_out_until_it_is_seen(dataset: Dataset) -> None:
    file = dataset.root / "traces/ada/gemm/gemm.jsonl"
    with TraceStore.open(dataset.root) as store:
        lines = file.read_text().splitlines()
        file.write_text("\n".join(lines[:3]) + "\n")
        assert [row.traces for row in found(store)] == [3]


def test_causes_are_kept_beside_the_index(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TraceStore.open(dataset.root) as store:
        before = found(store)
    seen: list[str] = []

    def watched(status: str, log: str, correctness: object) -> object:
        seen.append(status)
        return cause_of(status, log)

    monkeypatch.setattr(module, "cause_of", watched)
    for index in cache_dir().glob("index*"):
        index.unlink()
    with TraceStore.open(dataset.root) as store:
        assert found(store) == before
    assert seen == []
    monkeypatch.setattr("engine.insight.cause_cache.rules", lambda: "other rules")
    with TraceStore.open(dataset.root) as store:
        found(store)
    assert len(seen) == 7


@pytest.mark.parametrize("content", [b"no database", None])
def test_a_cache_that_cannot_be_used_is_done_without(
    dataset: Dataset, content: bytes | None
) -> None:
    with TraceStore.open(dataset.root) as store:
        before = found(store)
        file = cache_dir() / "causes.db"
        file.unlink()
        if content is None:
            file.mkdir()
        else:
            file.write_bytes(content)
        assert found(store) == before
        assert found(store) == before


def test_a_filter_of_traces_filters_failures(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        assert [row.traces for row in found(store, "sol:ada")] == [3]
        assert [row.kind for row in found(store, "axis.M>=1024 !status:COMPILE_ERROR")] == [
            "numerical",
            "device",
        ]
        with pytest.raises(QueryError, match="no field"):
            found(store, "nofield:1")


def test_plain_words_are_looked_for_in_causes_too(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        assert [row.kind for row in found(store, "illegal memory")] == ["device"]
        assert [row.kind for row in found(store, "wrong")] == ["numerical"]
        assert found(store, "illegal tma_load") == []


def test_new_is_what_came_since_the_last_visit(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TraceStore.open(dataset.root) as store:
        triage = Triage(store)
        list(triage.look())
        assert [row.new for row in triage.clusters()] == [0, 0, 0]
        third = 1772618400.0 - 60  # a minute before what was made on the fourth day
        monkeypatch.setattr(visits, "read", lambda: visits.Visits(last=third))
        assert [(row.kind, row.new) for row in triage.clusters()] == [
            ("compile", 1),
            ("numerical", 0),
            ("device", 1),
        ]
        assert [row.kind for row in triage.clusters("is:new")] == ["compile", "device"]


def test_muted_clusters_come_last_until_they_are_heard_again(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        first = found(store)[0]
        assert toggle_mute(first.key, first.line)
        assert read_mutes()[first.key].line == first.line
        assert [row.muted for row in found(store)] == [False, False, True]
        assert [row.key for row in found(store, "is:muted")] == [first.key]
        assert not toggle_mute(first.key, first.line)
        assert found(store)[0] == first
    (state_dir() / "muted.json").write_text("{")
    assert read_mutes() == {}


def test_the_traces_of_a_cluster_are_a_filter_word(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        triage = Triage(store)
        store.define(module.WORD, triage.members)
        list(triage.look())
        cluster = triage.clusters()[0]
        rows = store.traces(f"cause:{cluster.key}")
        assert [(row.solution, row.workload) for row in rows] == [
            ("bob", "w1"),
            ("ada", "w3"),
            ("ada", "w2"),
            ("ada", "w1"),
        ]
        assert cluster.example == rows[0].id
        assert sorted(triage.pairs(cluster.key)) == sorted(
            ("gemm", row.solution, row.workload) for row in rows
        )
        assert store.count("traces", f"cause:{cluster.key[:6]} sol:ada") == 3
        assert store.count("traces", f"is:latest status:failed !cause:{cluster.key}") == 3
        assert store.traces("cause:nothing") == []
        with pytest.raises(QueryError, match="no field"):
            store.solutions(f"cause:{cluster.key}")


def test_looking_stops_when_told(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        triage = Triage(store)
        list(triage.look(stop=lambda: True))
        assert len(triage.failures()) == 1
        list(triage.look())
        assert len(triage.failures()) == 7


def test_clusters_are_sorted_by_any_column(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        rows = found(store)
    assert [row.kind for row in sort_clusters(rows, "-last")] == ["device", "compile", "numerical"]
    assert sort_clusters(rows, "status")[0].kind == "compile"
    muted = [replace(row, muted=row.kind == "compile") for row in rows]
    assert [row.kind for row in sort_clusters(muted, "-traces")][-1] == "compile"
    assert sort_clusters(rows, "") == rows
    with pytest.raises(LookupError, match="not sorted by 'nothing'"):
        sort_clusters(rows, "nothing")


@pytest.mark.parametrize(
    ("text", "where", "muted", "ever", "words"),
    [
        ("", "", False, False, ()),
        ("is:muted", "", True, False, ()),
        ("is:ever op:gemm", "        op:gemm", False, True, ()),
        ("Illegal memory", "Illegal memory", False, False, ("illegal", "memory")),
        ("is:muted tma_load", "         tma_load", True, False, ("tma_load",)),
        ("is:new !x", "is:new !x", False, False, ()),
    ],
)
def test_a_filter_is_taken_apart(
    text: str, where: str, muted: bool, ever: bool, words: tuple[str, ...]
) -> None:
    asked = take_apart(text)
    assert (asked.where, asked.muted, asked.ever, asked.words) == (where, muted, ever, words)
