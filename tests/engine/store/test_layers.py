"""Which folders make a dataset, which one is written, and which document counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.places import data_dir
from engine.schema import Trace, decode
from engine.store import TraceStore, bundled_dataset, resolve_layers
from engine.store.mounts import file_system_type
from tests.engine.store.store_samples import Dataset, definition, solution, trace, workload


def test_a_writable_folder_is_its_own_overlay(dataset: Dataset) -> None:
    assert resolve_layers(dataset.root) == [dataset.root]


def test_the_bundled_dataset_gets_an_overlay_even_where_writable() -> None:
    expected = [bundled_dataset(), data_dir() / "overlays" / "flashinfer_trace"]
    assert resolve_layers() == expected
    assert resolve_layers(bundled_dataset()) == expected
    assert not expected[1].exists()


def test_the_environment_names_the_dataset(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIB_DATASET_PATH", str(dataset.root))
    assert resolve_layers() == [dataset.root]
    monkeypatch.setenv("FIB_DATASET_PATH", "/no/such/folder")
    with pytest.raises(FileNotFoundError, match="FIB_DATASET_PATH"):
        resolve_layers()


def test_a_missing_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing does not exist\."):
        TraceStore.open(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        resolve_layers(tmp_path / "file")


def test_an_overlay_may_be_chosen(dataset: Dataset, tmp_path: Path) -> None:
    assert resolve_layers(dataset.root, overlay=tmp_path / "o") == [dataset.root, tmp_path / "o"]
    assert resolve_layers(dataset.root, overlay=dataset.root) == [dataset.root]


def test_a_read_only_dataset_is_read_and_its_overlay_written(dataset: Dataset) -> None:
    dataset.root.chmod(0o555)
    try:
        layers = resolve_layers(dataset.root)
        assert layers[0] == dataset.root
        assert layers[1].name.startswith("data-") and layers[1].is_relative_to(data_dir())
        with TraceStore.open(dataset.root) as store:
            assert store.root == layers[1] and not store.root.exists()
            before = sorted(dataset.root.rglob("*"))
            line = decode(json.dumps(trace("fast", "w2", m=4096, day=9)), Trace)
            path, offset = store.append(line)
            assert path == store.root / "traces/ada/gemm/gemm.jsonl" and offset == 0
            assert store.count("traces") == 6
            assert store.traces(limit=1)[0].layer == 1
            assert sorted(dataset.root.rglob("*")) == before
    finally:
        dataset.root.chmod(0o755)


def test_the_higher_layer_wins(dataset: Dataset, tmp_path: Path) -> None:
    over = Dataset(tmp_path / "over")
    over.put("definitions/x.json", definition(description="mine"))
    over.put("solutions/x.json", solution("fast", body="return"))
    over.lines("workloads/x.jsonl", workload("w1", m=32))
    with TraceStore.open([dataset.root, over.root]) as store:
        assert store.definition("gemm").description == "mine"
        assert store.definitions()[0].layer == 1 and len(store.definitions()) == 1
        assert store.workload("w1").axes == {"M": 32} and len(store.workloads()) == 2
        assert store.problems() == []
        versions = {row.version: row for row in store.solutions("sol=fast")}
        assert len(versions) == 2
        current = store.solutions("sol=fast is:latest")[0]
        assert current.layer == 1 and current.current
        for version in versions:
            assert store.solution("fast", version).content_hash() == version
            assert store.solution("fast", version[:6]).content_hash() == version


def test_results_belong_to_the_version_that_they_name(dataset: Dataset, tmp_path: Path) -> None:
    with TraceStore.open(dataset.root) as store:
        old = store.solution("fast").content_hash()
        dataset.append(
            "traces/ada/gemm/gemm.jsonl", trace("fast", "w2", latency=0.01, day=9, solution=old)
        )
        store.refresh()
        assert (store.definitions()[0].n_passed, store.definitions()[0].n_failed) == (4, 0)
        dataset.put("solutions/ada/gemm/fast.json", solution("fast", body="return"))
        store.refresh()
        # The result of the old version no longer counts; those without a version do.
        assert store.solutions("sol=fast")[0].version != old
        assert (store.definitions()[0].n_passed, store.definitions()[0].n_failed) == (3, 1)
        assert store.count("traces") == 6


def test_copies_of_a_trace_count_once(dataset: Dataset, tmp_path: Path) -> None:
    over = Dataset(tmp_path / "over")
    known = trace("slow", "w1", day=9, run="r1", evaluation="e1")
    dataset.append("traces/bob/gemm/gemm.jsonl", known)
    text = (dataset.root / "traces/bob/gemm/gemm.jsonl").read_text().splitlines()
    reordered = json.dumps(dict(reversed(known.items())))
    over.lines("traces/copy.jsonl", text[0], reordered, trace("slow", "w1", day=9, run="r2"))
    with TraceStore.open([dataset.root, over.root]) as store:
        assert store.count("traces") == 7
        assert store.definitions()[0].n_traces == 7
        (dataset.root / "traces/bob/gemm/gemm.jsonl").unlink()
        store.refresh()
        assert store.count("traces", "sol=slow") == 3


def test_the_same_evaluation_number_in_two_runs_is_two_traces(dataset: Dataset) -> None:
    dataset.append(
        "traces/ada/gemm/gemm.jsonl",
        trace("fast", "w1", day=9, run="r1", evaluation="e1"),
        trace("fast", "w1", day=9, run="r2", evaluation="e1"),
    )
    with TraceStore.open(dataset.root) as store:
        assert store.count("traces", "evaluation=e1") == 2


def test_duplicates_within_a_layer_are_problems(dataset: Dataset) -> None:
    dataset.put("definitions/zz/copy.json", definition(op_type="other"))
    dataset.put("solutions/zz/copy.json", solution("fast", body="return"))
    dataset.put("solutions/zz/equal.json", solution("slow", author="bob"))
    dataset.append("workloads/gemm/gemm.jsonl", workload("w1", m=99))
    with TraceStore.open(dataset.root) as store:
        found = {(Path(row.file).name, row.line): row.message for row in store.problems()}
        assert set(found) == {("copy.json", None), ("gemm.jsonl", 3)}
        assert len(store.problems()) == 3
        assert store.definition("gemm").op_type == "gemm"
        assert store.workload("w1").axes == {"M": 16}
        assert len(store.workloads()) == 2


def test_misplaced_lines_are_problems(dataset: Dataset) -> None:
    dataset.lines("traces/w.jsonl", workload("w7"), {**trace(), "solution": None})
    dataset.lines("workloads/t.jsonl", trace("fast", "w8"), workload("w9"))
    dataset.lines("traces/n.jsonl", {**trace(), "evaluation": None})
    with TraceStore.open(dataset.root) as store:
        assert len(store.problems()) == 4
        assert {row.uuid for row in store.workloads()} == {"w1", "w2", "w9"}
        assert store.count("traces") == 5


def test_nothing_is_inferred_from_a_path(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "data")
    dataset.put("definitions/deep/er/x.json", definition())
    dataset.put("solutions/y.json", solution())
    dataset.lines("workloads/wrong/name.jsonl", workload())
    dataset.lines("traces/eve/moe/other.jsonl", trace())
    dataset.lines("traces/.hidden.jsonl", trace(day=2))
    with TraceStore.open(dataset.root) as store:
        row = store.traces()[0]
        assert (row.author, row.definition) == ("ada", "gemm")
        assert store.count("traces") == 1 and store.definitions()[0].n_workloads == 1


def test_links_to_files_are_followed_and_loops_are_not(dataset: Dataset, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere.jsonl"
    outside.write_text(json.dumps(trace("slow", "w1", day=9)) + "\n")
    (dataset.root / "traces/linked.jsonl").symlink_to(outside)
    (dataset.root / "traces/loop").symlink_to(dataset.root / "traces")
    (dataset.root / "traces/gone.jsonl").symlink_to(tmp_path / "nothing")
    with TraceStore.open(dataset.root) as store:
        assert store.count("traces") == 6 and store.problems() == []


def test_a_file_name_that_is_not_text_is_read(dataset: Dataset) -> None:
    name = bytes(dataset.root) + b"/traces/\xff\xfe.jsonl"
    Path(dataset.root / "traces/ada/gemm/gemm.jsonl").rename(name.decode(errors="surrogateescape"))
    with TraceStore.open(dataset.root) as store:
        assert store.count("traces") == 5
        row = store.traces("author:ada")[0]
        assert Path(row.file).exists() and store.trace(row.id).solution == "fast"


def test_the_mount_with_the_longest_path_tells_the_type(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text(
        f"/dev/a / ext4 rw 0 0\nhost:/x {tmp_path} nfs4 rw 0 0\n"
        f"y {tmp_path}/with\\040space lustre rw 0 0\n"
    )
    assert file_system_type(Path("/"), table) == "ext4"
    assert file_system_type(tmp_path / "some/file", table) == "nfs4"
    assert file_system_type(tmp_path / "with space/file", table) == "lustre"
    assert file_system_type(tmp_path, tmp_path / "no table") == ""
