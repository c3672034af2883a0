"""What a pull refuses, and what it says when nothing can be had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.pull import Hub, PullError, State, default_folder, pull
from engine.store import bundled_dataset
from tests.engine.pull.small_dataset import (
    ALL,
    GEMM,
    content,
    documents,
    fetch,
    paths,
)
from tests.engine.pull.small_hub import REPO, SmallHub


@pytest.mark.parametrize("path", ["definitions/../../evil.json", "definitions/a/../../../evil"])
def test_a_path_that_leaves_the_folder_is_refused(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes], path: str, tmp_path: Path
) -> None:
    small_hub.publish({**files, path: b"evil"})
    report = fetch(small_hub, folder)
    (failed,) = report.of(State.FAILED)
    assert failed.reason == f"{path!r} leaves the dataset folder, and is not fetched"
    assert path not in small_hub.sent
    assert content(folder) == documents(files)
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("path", ["definitions/gemm/a\nb.json", "definitions/gemm/\ud800.json"])
def test_what_is_no_name_of_a_file_costs_no_other(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes], path: str
) -> None:
    small_hub.publish({**files, path: b"odd"})
    report = fetch(small_hub, folder)
    assert paths(report, State.FAILED) == [path]
    assert content(folder) == documents(files)


def test_a_link_that_leaves_the_folder_is_refused(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.mkdir()
    (folder / "definitions").symlink_to(outside)
    report = fetch(small_hub, folder)
    assert len(report.of(State.FAILED)) == 3
    assert all("through a link" in outcome.reason for outcome in report.of(State.FAILED))
    assert not list(outside.iterdir())
    assert (folder / "workloads/gemm/gemm.jsonl").exists()


def test_a_folder_in_the_place_of_a_file_costs_no_other(
    small_hub: SmallHub, folder: Path, files: dict[str, bytes]
) -> None:
    (folder / GEMM).mkdir(parents=True)
    report = fetch(small_hub, folder)
    assert paths(report, State.FAILED) == [GEMM]
    assert len(content(folder)) == len(documents(files)) - 1


def test_a_folder_takes_one_dataset(small_hub: SmallHub, folder: Path) -> None:
    fetch(small_hub, folder)
    with pytest.raises(PullError, match="was pulled from lab/kernels; take another one"):
        pull(Hub("lab/others", endpoint=small_hub.endpoint), folder, ALL)


def test_the_bundled_dataset_is_not_pulled_into(small_hub: SmallHub) -> None:
    with pytest.raises(PullError, match="comes with the program"):
        fetch(small_hub, bundled_dataset())
    assert small_hub.asked == []


def test_each_dataset_has_a_folder_of_its_own_by_default(tmp_path: Path) -> None:
    data = tmp_path / "fitui-data" / "datasets"
    assert default_folder("lab/kernels") == data / "lab" / "kernels"
    assert default_folder("../kernels").is_relative_to(data)


# When nothing can be had


@pytest.mark.parametrize(
    ("repo", "revision", "message"),
    [
        ("lab/nothing", None, "There is no dataset lab/nothing on http.*, or it is private"),
        (REPO, "v9", "lab/kernels has no revision 'v9'"),
        ("a/b/c", None, "'a/b/c' is no name of a dataset: owner/name is expected"),
    ],
)
def test_what_does_not_exist_is_said_in_a_sentence(
    small_hub: SmallHub, folder: Path, repo: str, revision: str | None, message: str
) -> None:
    with pytest.raises(PullError, match=message):
        pull(Hub(repo, endpoint=small_hub.endpoint), folder, ALL, revision=revision)
    assert not folder.exists()


def test_a_hub_that_is_not_there_is_said_in_a_sentence(small_hub: SmallHub, folder: Path) -> None:
    hub = Hub(REPO, endpoint="http://127.0.0.1:9")
    with pytest.raises(PullError, match=r"^http://127.0.0.1:9 cannot be reached \(.*refused\)$"):
        pull(hub, folder, ALL)


def test_what_is_no_hub_is_said_in_a_sentence(
    small_hub: SmallHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(REPO, endpoint=small_hub.endpoint)
    monkeypatch.setattr("tests.engine.pull.small_hub._Handler.answer_json", _login_page)
    with pytest.raises(PullError, match=r"What http.* answers cannot be read"):
        pull(hub, folder, ALL)


def _login_page(handler: Any, value: object, **headers: str) -> None:
    handler.answer(200, b"<html>Please log in</html>", Content_Type="text/html")


def test_a_private_dataset_needs_its_token(
    small_hub: SmallHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_hub.token = "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(PullError, match="HF_TOKEN does not open it") as caught:
        fetch(small_hub, folder)
    assert "hf_wrong" not in str(caught.value)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch(small_hub, folder, blobs=True).complete
