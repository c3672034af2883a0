"""`fitui bench` on the bundled dataset, from a checkout that is read-only, as a user runs it."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def fitui(*arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fitui", *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return own_folders(tmp_path_factory.mktemp("bench"))


def own_folders(root: Path) -> dict[str, str]:
    """Variables that name folders below ``root``: nobody else's runs are waited for there."""
    names = ("STATE", "DATA", "CACHE", "LOCKS")
    found = {f"FITUI_{name}": root / name.lower() for name in names}
    found["FITUI_LOCKS"].mkdir(parents=True)
    return {name: str(path) for name, path in found.items()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program in which nothing may be written."""
    target = tmp_path_factory.mktemp("checkout")
    for name in ("engine", "fitui", "flashinfer_trace"):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    return target


@pytest.fixture(scope="module")
def bench(
    checkout: Path, folders: dict[str, str]
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    arguments = ["bench", "-d", "rmsnorm_h4096", "--device", "cpu", "--quick", "--json"]
    done = fitui(
        *arguments,
        cwd=checkout,
        **folders,
        PYTHONPATH=str(checkout),
        PYTHONDONTWRITEBYTECODE="1",
    )
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def test_some_evaluations_fail_and_the_exit_status_says_so(bench: Any) -> None:
    done, _ = bench
    assert done.returncode == 1, done.stderr


def test_all_seven_statuses_occur_each_with_a_log_that_says_why(bench: Any) -> None:
    _, evaluations = bench
    seen = {item["status"] for item in evaluations if item["status"]}
    assert len(seen) == 7
    for item in evaluations:
        if item["status"] not in (None, "PASSED"):
            assert item["message"]
            assert item["message"] in Path(item["log"]).read_text()


def test_the_traces_lie_in_the_overlay(bench: Any, folders: dict[str, str]) -> None:
    _, evaluations = bench
    overlay = Path(folders["FITUI_DATA"]) / "overlays/flashinfer_trace"
    for author in ("baseline", "fitui", "examples"):
        path = overlay / f"traces/{author}/rmsnorm/rmsnorm_h4096.jsonl"
        lines = path.read_text().splitlines()
        mine = [item for item in evaluations if item["trace_file"] == str(path)]
        assert len(lines) == len(mine) > 0


def test_the_checkout_is_as_it_was(bench: Any, checkout: Path) -> None:
    copied = checkout / "flashinfer_trace"
    bundled = Path(__file__).parents[3] / "flashinfer_trace"
    files = [file for file in copied.rglob("*") if file.is_file()]
    assert files
    originals = [bundled / file.relative_to(copied) for file in files]
    assert all(filecmp.cmp(*pair) for pair in zip(files, originals, strict=True))
    assert not list(checkout.rglob("__pycache__"))


def test_the_command_line_reads_back_what_was_run(bench: Any, folders: dict[str, str]) -> None:
    _, evaluations = bench
    verdicts = [item for item in evaluations if item["status"]]
    where = f"run:{evaluations[0]['run']}"
    listed = fitui("ls", "traces", "--where", where, "--json", **folders)
    assert len(listed.stdout.splitlines()) == len(verdicts)
    runs = [json.loads(line) for line in fitui("runs", "--json", **folders).stdout.splitlines()]
    assert [run["state"] for run in runs] == ["finished"]
    again = fitui("attach", runs[0]["run"], "--json", **folders)
    assert [json.loads(line)["status"] for line in again.stdout.splitlines()] == [
        item["status"] for item in evaluations
    ]
    ended = fitui("cancel", runs[0]["run"], **folders)
    assert "already ended" in ended.stdout


def test_names_that_mean_nothing_are_refused_with_a_hint(folders: dict[str, str]) -> None:
    done = fitui("bench", "-d", "rmsnorm_h409", "--device", "cpu", **folders)
    assert done.returncode == 2
    assert "did you mean rmsnorm_h4096" in done.stderr


def test_an_unknown_device_is_refused_before_anything_runs(folders: dict[str, str]) -> None:
    done = fitui("bench", "-d", "rmsnorm_h4096", "--device", "cuda:9", **folders)
    assert done.returncode == 2
    assert "no device cuda:9" in done.stderr


def test_doctor_reports_every_part(folders: dict[str, str]) -> None:
    done = fitui("doctor", "--json", **folders)
    found = {item["what"]: item for item in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, done.stdout
    assert {"python", "torch", "timer", "isolation", "state", "dataset", "watcher"} <= set(found)


def test_a_file_is_packed_and_run_and_its_versions_are_kept(tmp_path: Path) -> None:
    mine = own_folders(tmp_path / "mine")
    source = tmp_path / "mine.py"
    source.write_text(
        "import torch\n"
        "def run(hidden_states, weight):\n"
        "    x = hidden_states.float()\n"
        "    x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5)\n"
        "    return (x * weight.float()).to(hidden_states.dtype)\n"
    )
    bench_it = ("bench", str(source), "-d", "rmsnorm_h4096", "--device", "cpu", "--quick", "--json")
    first = fitui(*bench_it, "-m", "a first try", **mine)
    assert first.returncode == 0, first.stderr
    assert "destination_passing_style=false" in first.stderr
    (row,) = (
        json.loads(line)
        for line in fitui(
            "ls", "solutions", "--where", "name=mine", "--json", **mine
        ).stdout.splitlines()
    )
    source.write_text(source.read_text() + "# changed\n")
    second = fitui("pack", str(source), "-d", "rmsnorm_h4096", **mine)
    assert "new version of mine@" in second.stderr
    stale = fitui("ls", "traces", "--where", "is:stale", "--json", **mine).stdout.splitlines()
    assert len(stale) == 4
    out = fitui("unpack", f"mine@{row['version'][:8]}", str(tmp_path / "old"), **mine)
    assert out.returncode == 0, out.stderr
    assert "# changed" not in (tmp_path / "old/mine.py").read_text()
