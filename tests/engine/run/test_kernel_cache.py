"""Copies of Triton's cache: whole kernels only, with paths that are true where they lie."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from engine.run import kernel_cache
from engine.run.kernel_cache import copy_kernels, count_kernels

SUFFIXES = ("cubin", "json", "ttir")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_kernel(folder: Path, name: str = "KEY", *, without: str = "") -> Path:
    kernel = folder / name
    kernel.mkdir(parents=True)
    for suffix in SUFFIXES:
        if suffix != without:
            (kernel / f"twice.{suffix}").write_text(suffix)
    paths = {"twice.json": str(kernel / "twice.json")}
    (kernel / "__grp__twice.json").write_text(json.dumps({"child_paths": paths}))
    return kernel


def test_a_copy_names_its_own_files(tmp_path: Path) -> None:
    write_kernel(tmp_path / "from")
    assert copy_kernels(tmp_path / "from", tmp_path / "to") == 1
    assert count_kernels(tmp_path / "to") == 1
    group = json.loads((tmp_path / "to/KEY/__grp__twice.json").read_text())
    expected = {f"twice.{suffix}": str(tmp_path / f"to/KEY/twice.{suffix}") for suffix in SUFFIXES}
    assert group == {"child_paths": expected}
    assert (tmp_path / "to/KEY/twice.cubin").read_text() == "cubin"


@pytest.mark.parametrize("missing", ["json", "cubin"])
def test_half_kernels_stay_behind(tmp_path: Path, missing: str) -> None:
    write_kernel(tmp_path / "from", without=missing)
    (tmp_path / "from/LATER").mkdir()
    (tmp_path / "from/LATER/twice.cubin").write_text("its metadata is not there yet")
    assert copy_kernels(tmp_path / "from", tmp_path / "to") == 0
    assert names(tmp_path / "to") == []


def test_launchers_are_copied_and_results_of_tuning_are_not(tmp_path: Path) -> None:
    for name in ("cuda_utils.so", "twice.autotune.json"):
        (tmp_path / "from" / name.upper()).mkdir(parents=True)
        (tmp_path / "from" / name.upper() / name).write_text(name)
    assert copy_kernels(tmp_path / "from", tmp_path / "to") == 0
    assert [path.name for path in (tmp_path / "to").rglob("*.*")] == [
        "CUDA_UTILS.SO",
        "cuda_utils.so",
    ]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("nobody's business")
    kernel = write_kernel(tmp_path / "from")
    (kernel / "twice.ttir").unlink()
    (kernel / "twice.ttir").symlink_to(tmp_path / "secret")
    os.mkfifo(kernel / "twice.llir")
    (tmp_path / "from" / "OTHER").symlink_to(kernel)
    assert copy_kernels(tmp_path / "from", tmp_path / "to") == 1
    assert names(tmp_path / "to") == ["KEY"]
    assert names(tmp_path / "to/KEY") == ["__grp__twice.json", "twice.cubin", "twice.json"]


def test_a_kernel_that_is_there_stays(tmp_path: Path) -> None:
    write_kernel(tmp_path / "from")
    write_kernel(tmp_path / "from", "OTHER")
    (tmp_path / "to/KEY").mkdir(parents=True)
    assert copy_kernels(tmp_path / "from", tmp_path / "to") == 1
    assert names(tmp_path / "to/KEY") == []


def test_there_is_an_end_to_what_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write_kernel(tmp_path / "from", f"KEY{number}")
    monkeypatch.setattr(kernel_cache, "_MOST_FILES", 10)
    assert copy_kernels(tmp_path / "from", tmp_path / "to") == 3


def test_nothing_comes_of_nothing(tmp_path: Path) -> None:
    assert copy_kernels(tmp_path / "not there", tmp_path / "to") == 0
    assert count_kernels(tmp_path / "to") == 0
