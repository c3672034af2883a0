"""Large loads: by a process of its own, all at once, and with the same result as line by line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.store import TraceStore, bulk, sync, workers
from engine.store.index import Index
from engine.store.processes import BUSY, start_indexer
from engine.store.turn import Turn
from tests.engine.store.store_samples import Dataset, content, solution, trace

PATIENCE = 60.0


def busy_dataset(root: Path) -> Dataset:
    """Copies, broken lines, versions, solutions without document, odd files."""
    made = Dataset.small(root)
    version = "0123456789abcdef"
    for number in range(40):
        by = ("fast", "slow", "unknown", "other")[number % 4]
        made.lines(
            f"traces/a{number % 7}/f{number:02}.jsonl",
            trace(
                by, "w1", latency=0.01 + number / 1000, day=1 + number % 20, run="r", solution=""
            ),
            trace(by, "w2", "TIMEOUT", day=1 + number % 20, solution=version if number % 3 else ""),
            trace(by, "w1", latency=0.5, day=25),
            "{broken",
            trace(by, f"w{number}", day=3, evaluation=f"e{number}", run="r9"),
            end="" if number % 5 == 0 else "\n",
        )
    made.put("solutions/other.json", solution("other", author="eve"))
    made.lines("traces/empty.jsonl")
    (made.root / "traces/pointer.jsonl").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    (made.root / "traces/text.jsonl").write_bytes(
        json.dumps(trace("fast", "w1", day=9, log="grün"), ensure_ascii=False).encode() + b"\r\n"
        b"\xff\xfe\n"
    )
    return made


@pytest.fixture
def busy(tmp_path: Path) -> Dataset:
    return busy_dataset(tmp_path / "busy")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every change counts as a large one."""
    monkeypatch.setattr("engine.store.refresh.INDEXER_BYTES", 1)


def tables(store: TraceStore) -> dict[str, list[object]]:
    """What was worked out of the traces, by names instead of numbers."""
    run = store._index.connection.execute
    name = "(SELECT text FROM name WHERE id = {})"
    group = f"{name.format('definition')}, {name.format('solution')}"
    columns = {
        "cell": f"{group}, {name.format('workload')}, {name.format('version')}, n_traces, "
        f"{name.format('timer')}, passed, ln, time",
        "score": f"{group}, {name.format('version')}, current, n_traces, n_passed, n_failed, "
        "last_run",
        "mean": f"{group}, {name.format('version')}, {name.format('timer')}, n_passed, geomean, "
        "roofline",
        "ranking": f"{name.format('definition')}, {name.format('timer')}",
        "tally": f"{group}, {name.format('status')}, n",
        "file": "path, size, done, crc, lines",
    }
    return {
        table: sorted(run(f"SELECT {shown} FROM {table}").fetchall(), key=repr)
        for table, shown in columns.items()
    }


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("how", ["here", "beside", "without sums"])
def test_a_load_at_once_equals_one_file_by_file(
    busy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(sync, "BULK_FILES", 10**9)
    with TraceStore.open(busy.root, cache=tmp_path / "one") as store:
        expected, worked_out = content(store), tables(store)
    monkeypatch.setattr(sync, "BULK_FILES", 1)
    if how == "beside":
        monkeypatch.setattr(workers, "WORTH_WORKERS", 0)
    if how == "without sums":
        monkeypatch.setattr(bulk, "CELLS_KEPT", 3)
    with TraceStore.open(busy.root, cache=tmp_path / "other") as store:
        assert content(store) == expected
        if how != "beside":  # another process has its own clock for what is quiet
            assert tables(store) == worked_out
        else:
            assert {**tables(store), "file": []} == {**worked_out, "file": []}
        assert store.refresh() is False or how == "beside"


@pytest.mark.usefixtures("large")
def test_a_large_change_is_left_to_an_indexer_and_waited_for(busy: Dataset, tmp_path: Path) -> None:
    with TraceStore.open(busy.root, cache=tmp_path / "cache") as store:
        assert store.count("traces") > 100 and store.status == "up to date"
        busy.append("traces/a1/f01.jsonl", trace("fast", "w1", day=26))
        before = store.generation
        assert store.refresh() is True
        assert store.generation != before
        assert store.count("traces", "sol=fast age>0s") == len(store.traces("sol=fast"))


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.usefixtures("large")
def test_without_waiting_it_opens_at_once_and_the_rows_come(busy: Dataset, tmp_path: Path) -> None:
    with TraceStore.open(busy.root, cache=tmp_path / "cache", wait=False) as store:
        assert store.indexing
        assert store.status == "up to date" or store.status.startswith("indexing ")
        before = store.generation

        def settled() -> bool:
            store.refresh()
            return not store.indexing or store.count("traces") > 100

        assert until(settled)
        assert store.generation != before
        assert until(lambda: store.refresh() is False and store.count("traces") > 100)


def test_a_turn_is_for_one_and_tells_the_others_how_far_it_is(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "x.db")
    assert turn.percent() is None
    with turn.take() as mine:
        assert mine is not None and turn.percent() == 0
        turn.tell(mine, 0.414)
        assert turn.percent() == 41
        with Turn(tmp_path / "x.db").take(0.0) as other:
            assert other is None
    assert turn.percent() is None


def test_a_store_that_does_not_wait_shows_what_is_there_while_another_writes(
    dataset: Dataset, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    TraceStore.open(dataset.root, cache=cache).close()
    dataset.append("traces/ada/gemm/gemm.jsonl", trace("fast", "w2", m=4096, day=9))
    with TraceStore.open(dataset.root, cache=cache, wait=False) as store:
        turn = Turn(store._index.path)
        dataset.append("traces/ada/gemm/gemm.jsonl", trace("fast", "w2", m=4096, day=10))
        with turn.take() as mine:
            assert mine is not None
            turn.tell(mine, 0.5)
            assert store.refresh() is False
            assert store.indexing and store.status == "indexing 50 %"
            assert store.count("traces") == 6
        assert store.refresh() is True
        assert store.count("traces") == 7 and store.status == "up to date"


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_an_indexer_that_is_killed_loses_nothing(
    busy: Dataset, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    cache = tmp_path / "cache"
    for moment in (0.2, 0.3, 0.4, 0.5):
        started.append(start_indexer([busy.root], cache))
        time.sleep(moment)
        os.kill(started[-1].pid, signal.SIGKILL)
        started[-1].wait()
    with (
        TraceStore.open(busy.root, cache=cache) as store,
        TraceStore.open(busy.root, cache=tmp_path / "fresh") as fresh,
    ):
        assert content(store) == content(fresh)
        assert store._index.connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_two_indexers_at_once_do_no_harm(
    busy: Dataset, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    cache = tmp_path / "cache"
    started += [start_indexer([busy.root], cache) for _ in range(3)]
    codes = [process.wait(PATIENCE) for process in started]
    assert 0 in codes and set(codes) <= {0, BUSY}
    with (
        TraceStore.open(busy.root, cache=cache) as store,
        TraceStore.open(busy.root, cache=tmp_path / "fresh") as fresh,
    ):
        assert content(store) == content(fresh)


@pytest.mark.usefixtures("large")
def test_an_indexer_that_fails_is_made_up_for(
    busy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.processes.INDEXER", "engine.store.no_such_module")
    with TraceStore.open(busy.root, cache=tmp_path / "cache") as store:
        assert store.count("traces") > 100
    with TraceStore.open(busy.root, cache=tmp_path / "other", wait=False) as store:
        assert until(lambda: store.refresh() or store.count("traces") > 100)


def test_a_load_that_breaks_off_leaves_an_index_as_before(
    busy: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise EOFError("on purpose")

    monkeypatch.setattr(bulk, "decode_files", broken)
    with pytest.raises(EOFError):
        TraceStore.open(busy.root, cache=tmp_path / "cache")
    index = Index([busy.root], tmp_path / "cache")
    assert index.connection.execute("SELECT count(*) FROM trace").fetchone() == (0,)
    names = {row[0] for row in index.connection.execute("SELECT name FROM sqlite_master")}
    assert {"trace_group", "trace_latency", "trace_all_age"} <= names
    index.close()
