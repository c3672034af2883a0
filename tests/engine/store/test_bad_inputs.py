"""Nothing that lies in a dataset stops it from being read: every row of docs/store.md's table."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.store import TraceStore
from tests.engine.store.bad_inputs import CASES, TRACES, Case, changed
from tests.engine.store.fuzzing import LARGE, limits
from tests.engine.store.store_samples import Dataset, content, solution, trace, workload

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).parent
PATIENCE = 20.0

ELSEWHERE = {
    "log_file instead of log": "test_bad_inputs.py::test_a_log_in_a_file_of_its_own_is_read",
    "20 broken files": "test_bad_inputs.py::test_20_broken_files_are_20_problems",
    "a file that may not be read": "test_bad_inputs.py::test_what_may_not_be_read",
    "a folder that may not be read": "test_bad_inputs.py::test_what_may_not_be_read",
    "a file that was cut, rewritten, exchanged or deleted": "test_changes.py"
    "::test_a_changed_file_is_as_if_read_for_the_first_time",
    "a line that is being written": "test_changes.py"
    "::test_a_torn_last_line_is_no_problem_until_the_file_has_been_quiet",
    "a file changed within one tick of the clock": "test_changes.py"
    "::test_a_change_within_one_tick_of_the_clock_is_found",
    "times in the future": "test_bad_inputs.py::test_times_in_the_future_hide_nothing",
    "a dataset folder that is unmounted or empty": "test_bad_inputs.py"
    "::test_a_root_that_is_gone_or_empty_keeps_its_rows",
    "a file where a folder should be": "test_bad_inputs.py"
    "::test_a_folder_that_became_a_file_keeps_its_rows",
    "a full disk while appending": "test_append.py::test_a_full_disk_leaves_the_file_as_it_was",
    "a folder that nobody may write to": "test_append.py"
    "::test_a_folder_that_cannot_be_made_is_an_append_error",
    "several programs appending to one file": "test_append.py"
    "::test_many_processes_append_without_losing_or_mixing_lines",
    "a cache folder that cannot be used": "test_changes.py"
    "::test_without_a_writable_cache_the_index_is_private",
    "a full disk under the cache": "test_bad_inputs.py::test_a_full_cache_is_an_error_and_goes_on",
    "a damaged, foreign or older index": "test_changes.py"
    "::test_an_unusable_index_is_set_aside_and_built_again",
    "an indexer that is killed": "test_fuzz.py"
    "::test_any_sequence_of_changes_ends_like_a_fresh_index",
    "two programs that make the index at once": "test_fuzz.py"
    "::test_any_sequence_of_changes_ends_like_a_fresh_index",
    "no inotify": "test_watch.py::test_without_inotify_it_polls_and_says_why",
    "a network file system": "test_watch.py::test_a_network_file_system_is_polled",
}
"""Rows of the table that have a test of their own."""


def table_rows() -> set[str]:
    """First column of the table of bad inputs in docs/store.md."""
    text = (ROOT / "docs/store.md").read_text().split("## Bad inputs", 1)[1]
    return {row.strip().replace("`", "") for row in re.findall(r"^\| ([^|]+) \|", text, re.M)} - {
        "what lies there",
        "---",
    }


def test_every_row_of_the_table_has_a_test() -> None:
    assert table_rows() == {*(case.name for case in CASES), *ELSEWHERE}
    for place in ELSEWHERE.values():
        file, _, name = place.partition("::")
        assert f"def {name}" in (HERE / file).read_text()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_shown_and_hides_nothing(
    dataset: Dataset, tmp_path: Path, case: Case
) -> None:
    with TraceStore.open(dataset.root) as before:
        case.put(dataset)
        before.refresh()
        with limits(LARGE), TraceStore.open(dataset.root, cache=tmp_path / "large") as large:
            assert content(before) == content(large)
        with TraceStore.open(dataset.root, cache=tmp_path / "fresh") as store:
            assert content(before) == content(store)
            assert store.count("traces") == case.traces
            found = [problem.message for problem in store.problems()]
            missing = list(found)
            for part in case.problems:
                assert any(part in message for message in missing), (part, found)
                missing.remove(next(message for message in missing if part in message))
            assert missing == []
            for where in case.rows:
                assert len(store.traces(where)) == 1, where
            for row in store.traces():
                document = store.trace(row.id)
                assert document.evaluation is not None
                assert (document.workload.uuid, document.evaluation.status) == (
                    row.workload,
                    row.status,
                )
            for column in ("file", "status", "workload"):
                assert sum(store.facet("traces", column).values()) == case.traces
            assert sum(store.facet("problems", "message").values()) == len(found)
            assert store.notices == [] and store.definitions()[0].name == "gemm"


def test_equal_workloads_without_uuid_have_the_same(dataset: Dataset) -> None:
    line = changed(lambda line: line["workload"].pop("uuid"))
    other = changed(lambda line: line["workload"].pop("uuid"), m=32)
    dataset.append(TRACES, line, {**line, "solution": "slow"}, other)
    dataset.append("workloads/gemm/gemm.jsonl", {**line, "solution": None, "evaluation": None})
    with TraceStore.open(dataset.root) as store:
        names = [row.workload for row in store.traces("line>3", "line")]
        assert names[0] == names[1] != names[2]
        assert store.workload(names[0]).axes == {"M": 16}
        assert {row.solution for row in store.matrix("gemm") if row.workload == names[0]} == {
            "fast",
            "slow",
        }


def test_a_log_in_a_file_of_its_own_is_read(dataset: Dataset) -> None:
    def logged(name: str, day: int) -> dict[str, Any]:
        line = trace("fast", "w1", "RUNTIME_ERROR", day=day)
        del line["evaluation"]["log"]
        line["evaluation"]["log_file"] = name
        return line

    names = ["a.log", "logs/b.log", "missing.log", "../../../../secret", "/etc/hostname"]
    dataset.append(TRACES, *(logged(name, 10 + day) for day, name in enumerate(names)))
    dataset.root.with_name("secret").write_text("secret")
    (dataset.root / TRACES).with_name("a.log").write_bytes(b"out of \xff memory")
    (dataset.root / "logs").mkdir()
    (dataset.root / "logs/b.log").write_text("from the root")
    with TraceStore.open(dataset.root) as store:
        found = []
        for row in store.traces("line>3", "line"):
            evaluation = store.trace(row.id).evaluation
            assert evaluation is not None
            found.append(evaluation.log)
        assert found[:2] == ["out of \ufffd memory", "from the root"]
        assert ["missing" in found[2], "outside" in found[3], "outside" in found[4]] == [True] * 3
        assert store.problems() == []


def test_20_broken_files_are_20_problems(dataset: Dataset) -> None:
    for number in range(5):
        dataset.lines(f"traces/{number}.jsonl", trace(day=10 + number), "{broken", trace(day=20))
        dataset.lines(f"workloads/{number}.jsonl", workload(f"x{number}"), "{broken")
        (dataset.root / f"definitions/{number}.json").write_text("{broken")
        (dataset.root / f"solutions/{number}.json").write_bytes(b"\xff\xfe")
    with TraceStore.open(dataset.root) as store:
        problems = store.problems()
        assert len(problems) == 20 and len({problem.file for problem in problems}) == 20
        assert store.count("workloads") == 7 and store.count("solutions") == 2
        # Five files with a line each of their own, and one that all of them share.
        assert store.count("traces") == 5 + 5 + 1


@pytest.mark.parametrize("how", ["emptied", "unmounted"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_root_that_is_gone_or_empty_keeps_its_rows(
    dataset: Dataset, tmp_path: Path, how: str, layers: int
) -> None:
    over = Dataset(tmp_path / "over")
    over.lines("traces/o.jsonl", trace("slow", "w1", day=20))
    roots = [dataset.root, over.root][:layers]
    cache = tmp_path / "cache"
    dataset.append("workloads/gemm/gemm.jsonl", workload("b", blob="blob/x"))
    (dataset.root / "blob").mkdir()
    (dataset.root / "blob/x").write_text("tensor")
    with TraceStore.open(roots, cache=cache) as store:
        before = content(store)
        away = dataset.root.rename(dataset.root.with_name("away"))
        if how == "emptied":
            dataset.root.mkdir()
            for _ in range(2):
                assert store.refresh() is False
                assert content(store) == before
                assert "still shown" in store.notices[0] and str(dataset.root) in store.notices[0]
            with TraceStore.open(roots, cache=cache) as again:
                assert content(again) == before and "still shown" in again.notices[0]
            dataset.root.rmdir()
        store.refresh()
        assert content(store) == before and "still shown" in store.notices[0]
        away.rename(dataset.root)
        assert store.refresh() is False
        assert store.notices == []
        (dataset.root / TRACES).unlink()
        assert store.refresh() is True and store.count("traces", "author:ada") == 0


def test_a_rebuild_forgets_a_root_that_is_gone(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        shutil.rmtree(dataset.root)
        dataset.root.mkdir()
        store.refresh()
        assert store.count("traces") == 5
        store.rebuild()
        assert store.count("traces") == 0 and store.count("definitions") == 0


def test_an_overlay_that_is_not_there_yet_is_no_notice(dataset: Dataset, tmp_path: Path) -> None:
    over = tmp_path / "over"
    with TraceStore.open([dataset.root, over]) as store:
        assert store.notices == []
        over.mkdir()
        store.refresh()
        assert store.notices == []


def test_a_folder_whose_last_file_is_deleted_is_empty(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        for path in dataset.root.rglob("*.json*"):
            path.unlink()
        store.refresh()
        assert store.count("traces") == 0 and store.notices == []


def test_a_folder_that_became_a_file_keeps_its_rows(dataset: Dataset) -> None:
    with TraceStore.open(dataset.root) as store:
        shutil.rmtree(dataset.root / "traces")
        (dataset.root / "traces").write_text("")
        store.refresh()
        assert store.count("traces") == 5 and "still shown" in store.notices[0]


@pytest.mark.parametrize("ahead", [86_400.0, 1e9])
def test_times_in_the_future_hide_nothing(dataset: Dataset, tmp_path: Path, ahead: float) -> None:
    path, then = dataset.root / TRACES, time.time() + ahead
    os.utime(path, (then, then))
    with TraceStore.open(dataset.root) as store:
        dataset.append(TRACES, trace("fast", "w2", day=9))
        os.utime(path, (then, then))
        store.refresh()
        assert store.count("traces") == 6
        path.write_text(path.read_text().replace("0.02", "0.03"))
        os.utime(path, (then, then))
        store.refresh()
        assert store.count("traces", "lat=0.03") == 1
        with TraceStore.open(dataset.root, cache=tmp_path / "fresh") as fresh:
            assert content(store) == content(fresh)


# -- what takes a process of its own


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's are for one user alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def in_child(work: Callable[[], Any], prepare: Callable[[], object] | None = None) -> Any:
    """What ``work`` returns in a forked process."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests may have left threads
        child = os.fork()
    if child == 0:
        try:
            if prepare is not None:
                prepare()
            answer: Any = work()
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    return json.loads(data)


def become_nobody() -> None:
    """Give up the superuser's rights, which include reading everything."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def test_what_may_not_be_read(open_folder: Path) -> None:
    dataset = Dataset.small(open_folder / "data")
    (open_folder / "data").chmod(0o755)
    dataset.put("solutions/closed.json", solution("closed"))
    hidden = dataset.lines("traces/closed/x.jsonl", trace("fast", "w1", day=9))
    locked = dataset.root / "traces/bob/gemm/gemm.jsonl"

    def look() -> list[Any]:
        with TraceStore.open(dataset.root, overlay=dataset.root, cache=open_folder / "c") as store:
            problems = [f"{Path(row.file).name}: {row.message}" for row in store.problems()]
            return [store.count("traces"), store.count("solutions"), problems, store.notices]

    try:
        assert in_child(look, become_nobody) == [6, 3, [], []]
        locked.chmod(0)
        (dataset.root / "solutions/closed.json").chmod(0)
        hidden.parent.chmod(0)
        traces, solutions, problems, notices = in_child(look, become_nobody)
        assert (traces, solutions) == (4, 2)
        reason = "cannot be read: Permission denied"
        assert problems == [f"closed.json: {reason}", f"gemm.jsonl: {reason}"]
        assert str(hidden.parent) in notices[0] and "still shown" in notices[0]
    finally:
        for path in (locked, dataset.root / "solutions/closed.json", hidden.parent):
            path.chmod(0o755)
    assert in_child(look, become_nobody) == [6, 3, [], []]


def test_a_full_cache_is_an_error_and_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    def work() -> list[Any]:
        with TraceStore.open(dataset.root, cache=tmp_path / "cache") as store:
            dataset.lines("traces/m.jsonl", *(trace(day=1, log=f"{n}") for n in range(3000)))
            limit = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limit[1]))
            message = ""
            try:
                store.refresh()
            except OSError as error:
                message = str(error)
            during = store.count("traces")
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            store.refresh()
            return [message, during, store.count("traces")]

    message, during, after = in_child(work)
    assert "index" in message and during == 5 and after == 3005
