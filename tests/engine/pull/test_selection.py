"""What a pull chooses: whole, by operator, definition or author, and tensor files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.pull import PullError, Selection, State
from engine.store import TraceStore
from tests.engine.pull.small_dataset import (
    GEMM,
    ONE,
    TWO,
    content,
    documents,
    fetch,
    paths,
    put,
)
from tests.engine.pull.small_hub import SmallHub, pointer


def test_the_whole_dataset_is_its_documents_and_papers(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    report = fetch(small_hub, folder)
    assert report.complete
    assert report.commit == small_hub.branches["main"]
    assert content(folder) == documents(files)
    assert {file.path for file in report.blobs_left} == {ONE, TWO}


def test_what_is_there_already_is_not_fetched_again(small_hub: SmallHub, folder: Path) -> None:
    first = fetch(small_hub, folder)
    small_hub.forget()
    again = fetch(small_hub, folder)
    assert small_hub.sent == []
    assert paths(again, State.PRESENT) == paths(first, State.FETCHED)


def test_a_copy_that_came_another_way_is_not_fetched_again(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    put(folder, files)
    assert fetch(small_hub, folder, blobs=True).complete
    assert small_hub.sent == []
    small_hub.publish({**files, GEMM: files[GEMM] + b"\n"})
    assert paths(fetch(small_hub, folder), State.FETCHED) == [GEMM], "nobody has changed it"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (
            Selection(op_types=["gemm"]),
            """definitions/gemm/gemm.json workloads/gemm/gemm.jsonl traces/ada/gemm/gemm.jsonl
            traces/bob/gemm/gemm.jsonl solutions/ada/gemm/gemm/ada_gemm.json
            solutions/bob/gemm/gemm/bob_gemm.json""",
        ),
        (
            Selection(definitions=["rms_*"]),
            """definitions/norm/rms_a.json definitions/norm/rms_b.json workloads/norm/rms_a.jsonl
            workloads/norm/rms_b.jsonl solutions/bob/norm/rms_a/bob_rms_a.json
            traces/bob/norm/rms_a.jsonl""",
        ),
        (
            Selection(authors=["ada"]),
            """definitions/gemm/gemm.json workloads/gemm/gemm.jsonl traces/ada/gemm/gemm.jsonl
            solutions/ada/gemm/gemm/ada_gemm.json""",
        ),
        (
            Selection(op_types=["norm"], authors=["bob", "ada"]),
            """definitions/norm/rms_a.json workloads/norm/rms_a.jsonl traces/bob/norm/rms_a.jsonl
            solutions/bob/norm/rms_a/bob_rms_a.json""",
        ),
    ],
)
def test_a_selection_brings_what_belongs_together(
    small_hub: SmallHub, folder: Path, selection: Selection, expected: str
) -> None:
    assert fetch(small_hub, folder, selection).complete
    assert set(content(folder)) == {*expected.split(), "README.md", "LICENSE"}


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(op_types=["gem"]), "no operator 'gem' .* did you mean gemm?"),
        (Selection(definitions=["rms_c"]), "no definition 'rms_c' .* did you mean rms_"),
        (Selection(authors=["zoe*"]), "no author 'zoe\\*' in what is published$"),
        (Selection(op_types=["norm"], authors=["ada"]), "Nothing is published that is of this"),
    ],
)
def test_a_selection_of_nothing_says_so_and_fetches_nothing(
    small_hub: SmallHub, folder: Path, selection: Selection, message: str
) -> None:
    with pytest.raises(PullError, match=message):
        fetch(small_hub, folder, selection)
    assert not folder.exists()


def test_documents_outside_the_layout_come_with_the_whole_only(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    small_hub.publish({**files, "traces/old/flat.jsonl": b""})
    part = fetch(small_hub, folder, Selection(op_types=["gemm"]))
    assert part.misplaced == 1
    assert "traces/old/flat.jsonl" in paths(fetch(small_hub, folder), State.FETCHED)


def test_the_store_reads_what_was_pulled(small_hub: SmallHub, folder: Path) -> None:
    fetch(small_hub, folder, blobs=True)
    with TraceStore.open(folder) as store:
        assert [row.name for row in store.definitions(sort="name")] == ["gemm", "rms_a", "rms_b"]
        assert (store.count("solutions"), store.count("traces")) == (3, 3)
        assert store.count("problems") == 0


# Tensor files


def test_blobs_are_those_that_workloads_need(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    assert fetch(small_hub, folder, blobs=True).complete
    blobs = {path: data for path, data in files.items() if path in (ONE, TWO)}
    assert content(folder) == documents(files) | blobs


def test_blobs_of_a_selection_are_those_of_its_workloads(small_hub: SmallHub, folder: Path) -> None:
    fetch(small_hub, folder, Selection(op_types=["norm"]), blobs=True)
    assert not (folder / "blob").exists()


def test_blobs_of_one_workload(small_hub: SmallHub, folder: Path) -> None:
    report = fetch(small_hub, folder, workloads=["gemm-1"])
    assert report.complete
    assert (folder / ONE).exists()
    assert not (folder / TWO).exists()
    assert fetch(small_hub, folder, workloads=["gemm-3"]).complete, "it needs no tensor file"


def test_a_workload_that_is_not_there_is_a_problem(small_hub: SmallHub, folder: Path) -> None:
    report = fetch(small_hub, folder, workloads=["gemm-1", "f00"])
    assert report.problems == ["No workload that was chosen has the uuid 'f00'"]
    assert not report.complete
    assert (folder / ONE).exists()


def test_a_blob_that_is_not_published_is_a_problem(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    del files[TWO]
    small_hub.publish(files)
    assert fetch(small_hub, folder).complete, "nobody asked for it"
    report = fetch(small_hub, folder, blobs=True)
    assert report.problems == [f"Workload gemm-2 needs {TWO}, which is not published"]
    assert (folder / ONE).exists()


def test_a_pointer_stands_for_a_file_that_is_missing(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    (folder / ONE).parent.mkdir(parents=True)
    (folder / ONE).write_bytes(pointer(files[ONE]))
    fetch(small_hub, folder, blobs=True)
    assert (folder / ONE).read_bytes() == files[ONE]
