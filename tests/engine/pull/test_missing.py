"""Tensor files that a run finds missing: fetched on demand, or named with the command for them."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.pull import Hub, MissingBlobs, Selection, pull
from engine.schema import Workload
from engine.store import TraceStore
from tests.engine.pull.small_dataset import ONE, TWO
from tests.engine.pull.small_hub import REPO, SmallHub


@pytest.fixture
def folder(small_hub: SmallHub, tmp_path: Path) -> Path:
    """A pulled dataset without tensor files."""
    folder = tmp_path / "my data"
    pull(Hub(REPO, endpoint=small_hub.endpoint), folder, Selection())
    small_hub.forget()
    return folder


def workload(folder: Path, uuid: str) -> Workload:
    with TraceStore.open(folder) as store:
        return store.workload(uuid)


def test_a_missing_blob_is_fetched(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    missing = MissingBlobs([folder], endpoint=small_hub.endpoint)
    assert missing.fetch(workload(folder, "gemm-1"), "gemm") == ""
    assert (folder / ONE).read_bytes() == files[ONE]
    assert small_hub.sent == [ONE]
    assert not list(folder.glob(".*"))


def test_what_is_there_or_not_needed_asks_no_hub(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    (folder / ONE).parent.mkdir(parents=True)
    (folder / ONE).write_bytes(files[ONE])
    missing = MissingBlobs([folder], endpoint=small_hub.endpoint)
    assert missing.fetch(workload(folder, "gemm-1"), "gemm") == ""
    assert missing.fetch(workload(folder, "gemm-3"), "gemm") == ""
    assert small_hub.asked == []


def test_it_comes_from_the_commit_that_was_pulled(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    small_hub.publish({**files, ONE: b"newer"})
    missing = MissingBlobs([folder], endpoint=small_hub.endpoint)
    assert missing.fetch(workload(folder, "gemm-1"), "gemm") == ""
    assert (folder / ONE).read_bytes() == files[ONE]


def test_an_overlay_does_not_hide_the_pulled_dataset(
    small_hub: SmallHub, folder: Path, tmp_path: Path
) -> None:
    missing = MissingBlobs([folder, tmp_path / "overlay"], endpoint=small_hub.endpoint)
    assert missing.fetch(workload(folder, "gemm-1"), "gemm") == ""
    assert (folder / ONE).exists()


def test_threads_that_need_the_same_blob_fetch_it_once(small_hub: SmallHub, folder: Path) -> None:
    missing = MissingBlobs([folder], endpoint=small_hub.endpoint)
    wanted = [workload(folder, uuid) for uuid in ("gemm-1", "gemm-2") * 4]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(missing.fetch, wanted, ["gemm"] * 8)) == [""] * 8
    assert sorted(small_hub.sent) == [ONE, TWO]


def test_a_dataset_that_was_not_pulled_is_left_alone(
    small_hub: SmallHub, folder: Path, tmp_path: Path
) -> None:
    needs = workload(folder, "gemm-1")
    folder.rename(tmp_path / "other")
    missing = MissingBlobs([tmp_path / "other"], endpoint=small_hub.endpoint)
    assert missing.fetch(needs, "gemm") == f"blob file {ONE} is missing from {tmp_path / 'other'}"
    assert small_hub.asked == []


def test_without_a_hub_the_command_is_named_and_it_is_asked_once(
    small_hub: SmallHub, folder: Path
) -> None:
    needs = workload(folder, "gemm-1")
    small_hub.refuse[ONE] = 403
    missing = MissingBlobs([folder], endpoint=small_hub.endpoint)
    text = missing.fetch(needs, "gemm")
    assert text.startswith(
        f"blob file {ONE} is missing from {folder}; "
        f"`fitui pull --to '{folder}' --repo {REPO} -d gemm -w gemm-1` fetches it ("
    )
    assert "403 Forbidden" in text
    small_hub.forget()
    assert "403 Forbidden" in missing.fetch(needs, "gemm")
    assert "-w gemm-2" in missing.fetch(workload(folder, "gemm-2"), "gemm")
    assert small_hub.asked == []


def test_a_blob_that_is_not_published_is_said_so(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    del files[ONE]
    commit = small_hub.publish(files)
    pull(Hub(REPO, endpoint=small_hub.endpoint), folder, Selection())
    missing = MissingBlobs([folder], endpoint=small_hub.endpoint)
    text = missing.fetch(workload(folder, "gemm-1"), "gemm")
    assert text.endswith(f"it is not published in {REPO} at {commit[:10]}")
    assert missing.fetch(workload(folder, "gemm-2"), "gemm") == "", (
        "the hub is still asked for others"
    )


def test_without_the_extra_its_installation_is_named(
    small_hub: SmallHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    text = MissingBlobs([folder]).fetch(workload(folder, "gemm-1"), "gemm")
    assert "-w gemm-1` fetches it (huggingface_hub is needed" in text
    assert "pip install 'fitui[hub]'" in text


def test_a_path_that_leaves_the_dataset_is_never_asked_for(
    small_hub: SmallHub, folder: Path
) -> None:
    needs = workload(folder, "gemm-1")
    for source in needs.inputs.values():
        source.path = "../secret"  # type: ignore[union-attr]
    text = MissingBlobs([folder], endpoint=small_hub.endpoint).fetch(needs, "gemm")
    assert text == "blob path '../secret' leaves the dataset folder, and is not opened"
    assert small_hub.asked == []
