"""Files that grow, break, shrink and go away: the index always equals one built afresh."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.store import TraceStore
from tests.engine.store.store_samples import Dataset, content, definition, solution, trace, workload

TRACES = "traces/ada/gemm/gemm.jsonl"


def assert_as_new(store: TraceStore, tmp_path: Path) -> None:
    """The store answers like one whose index did not exist before."""
    store.refresh()
    with TraceStore.open(list(store.layers), cache=tmp_path / f"c{random.random()}") as fresh:
        assert content(store) == content(fresh)


def test_an_unchanged_dataset_leaves_the_generation_alone(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        before = store.generation
        assert store.refresh() is False
        assert store.generation == before


@pytest.mark.usefixtures("quiet")
def test_only_appended_bytes_are_decoded(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with TraceStore.open(dataset.root) as store:
        decoded: list[int] = []
        from engine.store.slim import Row, Rows

        real = Rows.plain

        def counting(rows: Rows, file: int, line: int, *rest: Any) -> Row | None:
            decoded.append(line)
            return real(rows, file, line, *rest)

        monkeypatch.setattr(Rows, "plain", counting)
        kept = [row.id for row in store.traces("author:ada")]
        dataset.append(TRACES, trace("fast", "w2", day=9, m=4096))
        assert store.refresh() is True
        assert decoded == [4]
        assert set(kept) < {row.id for row in store.traces("author:ada")}
        assert_as_new(store, tmp_path)


def test_a_bad_line_is_a_problem_with_its_place_and_hides_nothing(dataset: Dataset) -> None:
    broken = trace("fast", "w1")
    broken["evaluation"]["status"] = "ODD"
    dataset.append(TRACES, "{oops", "", broken, "<<<<<<< HEAD", trace("fast", "w1", day=8))
    with TraceStore.open(dataset.root) as store:
        assert store.count("traces") == 7
        problems = store.problems()
        assert [problem.line for problem in problems] == [4, 6, 7]
        assert problems[1].field == "evaluation.status"
        assert {problem.file for problem in problems} == {str(dataset.root / TRACES)}
        assert "conflict marker" in store.problems("line=7")[0].message
        assert store.count("traces", "status=ODD") == 1


def test_bad_documents_are_problems_and_the_others_load(dataset: Dataset) -> None:
    dataset.put("definitions/bad.json", definition("bad", reference="nothing"))
    (dataset.root / "solutions/worse.json").write_bytes(b"\xff\xfe")
    (dataset.root / "solutions/empty.json").write_bytes(b"")
    with TraceStore.open(dataset.root) as store:
        assert len(store.problems()) == 3
        assert store.problems("field:reference")[0].file.endswith("definitions/bad.json")
        assert len(store.definitions()) == 1 and len(store.solutions()) == 2


def test_a_torn_last_line_is_no_problem_until_the_file_has_been_quiet(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = json.dumps(trace("fast", "w2", m=4096, day=9))
    dataset.append(TRACES, line[:80], end="")
    with TraceStore.open(dataset.root) as store:
        assert store.problems() == [] and store.count("traces") == 5
        monkeypatch.setattr("engine.store.reading.QUIET_SECONDS", 0.0)
        assert store.refresh() is True
        assert "breaks off" in store.problems()[0].message
        dataset.append(TRACES, line[80:])
        store.refresh()
        assert store.problems() == [] and store.count("traces") == 6


@pytest.mark.usefixtures("quiet")
def test_a_last_line_without_newline_counts_when_it_parses(
    dataset: Dataset, tmp_path: Path
) -> None:
    dataset.append(TRACES, trace("fast", "w2", m=4096, day=9), end="")
    with TraceStore.open(dataset.root) as store:
        assert store.count("traces") == 6 and store.problems() == []
        dataset.append(TRACES, "", trace("fast", "w2", m=4096, day=10))
        assert_as_new(store, tmp_path)
        assert store.count("traces") == 7


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("change", ["rewritten", "truncated", "deleted", "replaced", "emptied"])
def test_a_changed_file_is_as_if_read_for_the_first_time(
    dataset: Dataset, tmp_path: Path, change: str
) -> None:
    path = dataset.root / TRACES
    with TraceStore.open(dataset.root) as store:
        text = path.read_text()
        if change == "rewritten":
            path.write_text(text.replace("0.02", "0.03"))
        elif change == "truncated":
            os.truncate(path, len(text.split("\n")[0]) + 1)
        elif change == "deleted":
            path.unlink()
        elif change == "replaced":
            other = path.with_suffix(".new")
            other.write_text(json.dumps(trace("slow", "w1", day=20)) + "\n")
            other.rename(path)
        else:
            path.write_text("")
        assert store.refresh() is True
        assert_as_new(store, tmp_path)


def test_an_edit_before_an_append_is_not_mistaken_for_an_append(
    dataset: Dataset, tmp_path: Path
) -> None:
    path = dataset.root / TRACES
    with TraceStore.open(dataset.root) as store:
        path.write_text(path.read_text().replace("0.02", "0.05"))
        dataset.append(TRACES, trace("fast", "w2", day=9, m=4096))
        assert_as_new(store, tmp_path)
        assert store.count("traces", "lat=0.05") == 1


def test_a_change_within_one_tick_of_the_clock_is_found(dataset: Dataset) -> None:
    path = dataset.root / TRACES
    with TraceStore.open(dataset.root) as store:
        stamp = path.stat()
        path.write_text(path.read_text().replace("0.02", "0.03"))
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        # As if the file's times had not moved at all.
        index = store._index.connection
        now = path.stat()
        index.execute("UPDATE file SET ctime = ? WHERE kind = 'traces'", (now.st_ctime_ns,))
        store.refresh()
        assert store.count("traces", "lat=0.03") == 1


@pytest.mark.usefixtures("quiet")
def test_any_order_of_changes_ends_like_a_fresh_index(tmp_path: Path) -> None:
    chosen = random.Random(20261122)
    dataset = Dataset.small(tmp_path / "data")
    names = ["fast", "slow", "other"]
    with TraceStore.open(dataset.root) as one, TraceStore.open(dataset.root) as two:
        for step in range(80):
            path = f"traces/{chosen.choice('abc')}/t.jsonl"
            item = trace(
                chosen.choice(names),
                chosen.choice(["w1", "w2"]),
                chosen.choice(["PASSED", "TIMEOUT"]),
                chosen.choice([0.01, 0.02, 0.03]),
                chosen.randrange(1, 28),
                definition=chosen.choice(["gemm", "gemm", "odd"]),
                solution=chosen.choice(["", "v1"]),
            )
            (dataset.root / path).parent.mkdir(exist_ok=True)
            match chosen.randrange(9):
                case 0 | 1 | 2:
                    dataset.append(path, item)
                case 3:
                    dataset.append(path, json.dumps(item)[:100], end="")
                case 4:
                    (dataset.root / path).unlink(missing_ok=True)
                case 5:
                    dataset.lines(path, item, "{bad", item)
                case 6:
                    body = chosen.choice(["pass", "return"])
                    file = chosen.choice(["x", "y"])
                    dataset.put(f"solutions/{file}.json", solution("other", body=body))
                case 7:
                    dataset.lines("workloads/w.jsonl", workload("w1", m=step), workload("w9"))
                case 8:
                    (dataset.root / "solutions/x.json").unlink(missing_ok=True)
            chosen.choice([one, two]).refresh()
        assert_as_new(one, tmp_path)
        assert_as_new(two, tmp_path)


def test_two_stores_share_one_index_and_tell_each_other(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as one, TraceStore.open(dataset.root) as two:
        before = two.generation
        dataset.append(TRACES, trace("fast", "w2", m=4096, day=9))
        assert one.refresh() is True
        assert two.generation != before
        assert two.count("traces") == 6
        assert two.refresh() is False


def test_threads_may_ask_while_another_refreshes(dataset: Dataset) -> None:
    wrong: list[BaseException] = []
    with TraceStore.open(dataset.root) as store:

        def ask() -> None:
            try:
                for _ in range(50):
                    assert store.count("traces") >= 5
                    store.definitions()
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(20):
            dataset.append(TRACES, trace("fast", "w1", day=9, log=str(number)))
            store.refresh()
        for thread in threads:
            thread.join()
        assert wrong == [] and store.count("traces") == 25


def cache_files(folder: Path) -> list[Path]:
    return list(folder.glob("*.db"))


@pytest.mark.parametrize("damage", ["garbage", "foreign", "short", "version"])
def test_an_unusable_index_is_set_aside_and_built_again(
    dataset: Dataset, tmp_path: Path, damage: str
) -> None:
    cache = tmp_path / "cache"
    TraceStore.open(dataset.root, cache=cache).close()
    (path,) = cache_files(cache)
    if damage == "garbage":
        path.write_bytes(b"no database" * 1000)
    elif damage == "short":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        if damage == "foreign":
            path.unlink()
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE IF NOT EXISTS other(x)")
        connection.execute("PRAGMA user_version = 999")
        connection.commit()
        connection.close()
    with TraceStore.open(dataset.root, cache=cache) as store:
        assert store.count("traces") == 5
        assert "set aside" in " ".join(store.notices)
    with TraceStore.open(dataset.root, cache=cache) as store:
        assert store.notices == []


def test_an_index_damaged_while_it_is_open_is_built_again(dataset: Dataset, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with TraceStore.open(dataset.root, cache=cache) as store:
        store._index.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (path,) = cache_files(cache)
        size = path.stat().st_size
        with path.open("r+b") as stream:
            stream.seek(100)
            stream.write(b"\xff" * (size - 100))
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(store.count("traces")))
        thread.start()
        thread.join()
        assert found == [5]
        assert "set aside" in " ".join(store.notices)


def test_without_a_writable_cache_the_index_is_private(dataset: Dataset, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with TraceStore.open(dataset.root, cache=blocked / "cache") as store:
        private = store._index.path
        assert store.count("traces") == 5
        assert str(blocked) in store.notices[0]
        assert private.exists()
    assert not private.exists()


def test_a_dataset_folder_that_goes_away_keeps_what_was_known(dataset: Dataset) -> None:
    with TraceStore.open([dataset.root, dataset.root.with_name("over")]) as store:
        away = dataset.root.rename(dataset.root.with_name("away"))
        store.refresh()
        assert store.count("traces") == 5
        assert "cannot be read" in store.notices[0]
        away.rename(dataset.root)
        assert store.refresh() is False
        assert store.notices == []
