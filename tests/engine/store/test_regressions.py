"""Bugs that the differential fuzz and the table of bad inputs found, one test each."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from engine.schema import Definition, SchemaError, Status, decode, encode
from engine.store import TraceStore
from tests.engine.store.bad_inputs import POINTER, TRACES, changed
from tests.engine.store.fuzz_answers import answers, differences
from tests.engine.store.fuzzing import LARGE, ONE_BY_ONE, limits
from tests.engine.store.store_samples import Dataset, trace, workload


def test_of_two_runs_that_end_at_the_same_time_the_same_is_the_last(
    dataset: Dataset, tmp_path: Path
) -> None:
    """``run:last`` took the one that happened to be indexed last."""
    dataset.lines("traces/b.jsonl", trace("fast", day=20, run="r2", evaluation="1"))
    with TraceStore.open(dataset.root) as store:
        dataset.lines("traces/a.jsonl", trace("slow", day=20, run="r1", evaluation="1"))
        store.refresh()
        with TraceStore.open(dataset.root, cache=tmp_path / "fresh") as fresh:
            assert [row.run for row in store.traces("run:last")] == ["r2"]
            assert [row.run for row in fresh.traces("run:last")] == ["r2"]


def test_a_run_without_times_is_the_last_where_there_is_no_other(dataset: Dataset) -> None:
    line = trace("fast", run="r1", evaluation="1")
    line["evaluation"]["timestamp"] = "yesterday"
    dataset.append(TRACES, line)
    with TraceStore.open(dataset.root) as store:
        assert store.count("traces", "run:last") == 1


@pytest.mark.usefixtures("quiet")
def test_a_large_load_names_files_as_a_small_one_does(dataset: Dataset, tmp_path: Path) -> None:
    """A pointer's problem named the file by its whole path, so its command fetched nothing."""
    (dataset.root / "traces/p.jsonl").write_text(POINTER)
    found = []
    for name, values in (("one", ONE_BY_ONE), ("large", LARGE)):
        with limits(values), TraceStore.open(dataset.root, cache=tmp_path / name) as store:
            found.append(answers(store))
    assert differences(*found) == []
    assert 'include="traces/p.jsonl"' in found[0]["problems"][0]


@pytest.mark.parametrize("values", [ONE_BY_ONE, LARGE], ids=["one", "large"])
def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, float]
) -> None:
    """An error of the disk stayed until the file changed, though nothing in its stamp tells."""
    broken, real = (dataset.root / TRACES).stat().st_ino, os.pread

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        if os.fstat(descriptor).st_ino == broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor, length, offset)

    with limits(values), monkeypatch.context() as patched:
        patched.setattr(os, "pread", pread)
        with TraceStore.open(dataset.root, cache=tmp_path / "c") as store:
            assert store.count("traces") == 2
            assert [row.message for row in store.problems()] == [
                "cannot be read: Input/output error"
            ]
            store.refresh()
            assert store.refresh() is False
            patched.undo()
            assert store.refresh() is True
            assert store.count("traces") == 5 and store.problems() == []


def test_a_dataset_in_a_folder_whose_name_is_not_utf8_is_read(tmp_path: Path) -> None:
    """The sentence about a missing tensor file names the folder, which SQLite refused."""
    dataset = Dataset.small(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")))
    dataset.lines("workloads/b.jsonl", workload("b", blob="blob/x"))
    with TraceStore.open(dataset.root) as store:
        assert "blob/x is missing" in store.problems()[0].message
        assert store.count("traces") == 5


def test_a_problem_beside_half_a_surrogate_pair_has_its_line() -> None:
    """Looking for the line of a problem failed on keys that msgspec refuses."""
    with pytest.raises(SchemaError) as caught:
        decode(b'{"name": "x",\n "inputs": {"\\ud800": 5}}', Definition)
    assert caught.value.problem.line == 2


def test_half_a_surrogate_pair_in_the_place_of_a_problem_is_kept_out(dataset: Dataset) -> None:
    dataset.append(TRACES, changed(lambda line: line["workload"].update(axes={"\ud800": -1})))
    with TraceStore.open(dataset.root) as store:
        assert store.problems()[0].field == "workload.axes.?"


@pytest.mark.parametrize("how", ["other line", "folder", "cut"])
def test_a_row_whose_file_has_changed_shows_no_other_document(dataset: Dataset, how: str) -> None:
    """Another line of the same solution and workload in the same place was shown for it."""
    path = dataset.root / TRACES
    with TraceStore.open(dataset.root) as store:
        row = store.traces("author:ada line=1")[0]
        text = path.read_text()
        if how == "other line":
            path.write_text(text.replace("2026-03-01", "2026-03-28"))
        elif how == "cut":
            path.write_text(text[:20])
        else:
            path.unlink()
            path.mkdir()
        with pytest.raises(KeyError):
            store.trace(row.id)


def test_a_tensor_file_is_looked_for_while_the_overlay_is_not_there(
    dataset: Dataset, tmp_path: Path
) -> None:
    dataset.lines("workloads/b.jsonl", workload("b", blob="blob/x"))
    with TraceStore.open([dataset.root, tmp_path / "over"]) as store:
        assert "blob/x is missing" in store.problems()[0].message


def test_a_file_name_that_is_not_utf8_has_a_place_in_facets(dataset: Dataset) -> None:
    path = dataset.root / TRACES
    path.rename(os.fsdecode(os.fsencode(dataset.root) + b"/traces/\xff.jsonl"))
    with TraceStore.open(dataset.root) as store:
        assert store.facet("traces", "file") == {
            "traces/\ufffd.jsonl": 3,
            "traces/bob/gemm/gemm.jsonl": 2,
        }


def test_a_status_of_another_program_has_a_letter_and_is_written_as_it_was(
    dataset: Dataset,
) -> None:
    dataset.append(TRACES, trace("fast", "w1", "SKIPPED", day=9))
    with TraceStore.open(dataset.root) as store:
        document = store.trace(store.traces("status:SKIPPED")[0].id)
        assert document.evaluation is not None
        status = document.evaluation.status
        assert isinstance(status, Status) and status == "SKIPPED" and status.letter == "?"
        assert status not in list(Status) and b'"SKIPPED"' in encode(document)
