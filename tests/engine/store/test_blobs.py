"""Tensor files: found, missing, only pointers, or outside the dataset."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store import BlobError, TraceStore, blob_path
from tests.engine.store.store_samples import Dataset, workload

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("0" * 64)
SAMPLE = Path(__file__).parents[4] / "shared" / "real_dataset"


def put_blob(root: Path, name: str = "x.safetensors", text: str = "tensor") -> Path:
    path = root / "blob" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_missing_blob_is_a_problem_until_it_comes(dataset: Dataset) -> None:
    dataset.lines("workloads/b.jsonl", workload("b0"), workload("b1", blob="blob/x.safetensors"))
    with TraceStore.open(dataset.root) as store:
        (problem,) = store.problems()
        assert "blob/x.safetensors is missing" in problem.message
        assert problem.file.endswith("workloads/b.jsonl") and problem.line == 2
        assert problem.field == "workload.inputs.x.path"
        rows = {row.uuid: row.problem for row in store.workloads()}
        assert "missing" in rows["b1"] and rows["b0"] == ""
        put_blob(dataset.root)
        assert store.refresh() is True
        assert store.problems() == []
        assert store.workloads("problem:missing") == []


def test_a_pointer_is_named_with_the_command_that_fetches_it(dataset: Dataset) -> None:
    path = put_blob(dataset.root, "x y.safetensors", POINTER)
    dataset.lines("workloads/b.jsonl", workload("b1", blob="./blob/x y.safetensors"))
    with TraceStore.open(dataset.root) as store:
        message = store.problems()[0].message
        assert 'git lfs pull --include="blob/x y.safetensors"' in message
        path.write_text("tensor" * 500)
        store.refresh()
        assert store.problems() == []


def test_a_document_that_is_a_pointer_is_one_problem(dataset: Dataset) -> None:
    (dataset.root / "traces/p.jsonl").write_text(POINTER)
    (dataset.root / "definitions/p.json").write_text(POINTER)
    with TraceStore.open(dataset.root) as store:
        assert [row.message.count("git lfs pull") for row in store.problems()] == [1, 1]


@pytest.mark.parametrize(
    "path", ["../secret", "blob/../../secret", "/etc/hostname", "blob/link", "blob/up/secret"]
)
def test_a_path_out_of_the_dataset_is_refused(dataset: Dataset, path: str) -> None:
    outside = dataset.root.with_name("secret")
    outside.write_text("x")
    put_blob(dataset.root)
    (dataset.root / "blob/link").symlink_to(outside)
    (dataset.root / "blob/up").symlink_to(outside.parent)
    dataset.lines("workloads/b.jsonl", workload("b1", blob=path))
    with pytest.raises(BlobError, match="leaves the dataset"):
        blob_path([dataset.root], path)
    with TraceStore.open(dataset.root) as store:
        assert "leaves the dataset" in store.problems()[0].message
        assert "leaves the dataset" in store.workloads("wl=b1")[0].problem


def test_the_highest_layer_with_the_file_gives_it(dataset: Dataset, tmp_path: Path) -> None:
    low = put_blob(dataset.root)
    over = tmp_path / "over"
    layers = [dataset.root, over]
    assert blob_path(layers, "blob/x.safetensors") == low
    high = put_blob(over, text=POINTER)
    assert blob_path(layers, "blob/x.safetensors") == low
    high.write_text("tensor")
    assert blob_path(layers, "blob/x.safetensors") == high
    with pytest.raises(BlobError, match="is not a file"):
        blob_path(layers, "blob")


def test_links_inside_and_into_a_snapshots_own_store_are_allowed(tmp_path: Path) -> None:
    root = tmp_path / "repository/snapshots/abc"
    stored = tmp_path / "repository/blobs/123"
    stored.parent.mkdir(parents=True)
    stored.write_text("tensor")
    real = put_blob(root)
    (root / "blob/inside").symlink_to(real)
    (root / "blob/stored").symlink_to(stored)
    assert blob_path([root], "blob/inside").exists()
    assert blob_path([root], "blob/stored").exists()


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample of the public dataset is not here")
def test_the_public_sample_loads_whole_with_its_missing_blobs_named(tmp_path: Path) -> None:
    lines = [
        line
        for path in SAMPLE.glob("workloads/**/*.jsonl")
        for line in path.read_text().splitlines()
        if line.strip()
    ]
    with TraceStore.open(SAMPLE, overlay=tmp_path / "overlay") as store:
        assert store.count("definitions") == len(list(SAMPLE.glob("definitions/**/*.json"))) == 30
        assert store.count("workloads") == len(lines)
        problems = store.problems()
        assert problems and all("missing" in problem.message for problem in problems)
        assert store.count("workloads", "problem:missing") == len(
            {(problem.file, problem.line) for problem in problems}
        )
