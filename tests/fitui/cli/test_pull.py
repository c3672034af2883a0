"""`fitui pull` as a person and as a program see it: a process of its own, a hub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.engine.pull.conftest import files, small_hub
from tests.engine.pull.small_dataset import GEMM, TWO
from tests.engine.pull.small_hub import REPO, SmallHub

ROOT = Path(__file__).parents[3]

__all__ = ["files", "small_hub"]
"""Fixtures of the engine's tests that these use as well."""


def command(hub: SmallHub | str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    endpoint = hub if isinstance(hub, str) else hub.endpoint
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"}
    return [sys.executable, "-m", "fitui", *arguments], environment


def fitui(hub: SmallHub | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    line, environment = command(hub, *arguments)
    return subprocess.run(
        line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def pull(small_hub: SmallHub, tmp_path: Path) -> list[str]:
    return ["pull", "--repo", REPO, "--to", str(tmp_path / "data")]


def test_what_was_pulled_is_listed(small_hub: SmallHub, pull: list[str]) -> None:
    done = fitui(small_hub, *pull)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("fetched 14 files (")
    assert "2 tensor files not fetched (103 kB): --blobs, or -w UUID" in done.stdout
    assert f"{REPO} at {small_hub.branches['main'][:10]} in {pull[-1]}" in done.stdout

    rows = printed(fitui(small_hub, "ls", "definitions", "--dataset", pull[-1], "--json"))
    assert sorted(row["name"] for row in rows) == ["gemm", "rms_a", "rms_b"]
    assert fitui(small_hub, *pull).stdout.startswith("fetched 0 files (0 B); 14 here already")


def test_the_data_folder_takes_what_is_not_sent_elsewhere(
    small_hub: SmallHub, tmp_path: Path
) -> None:
    (report,) = printed(fitui(small_hub, "pull", "--repo", REPO, "--json"))
    assert report["folder"] == str(tmp_path / "fitui-data" / "datasets" / REPO)
    (report,) = printed(
        fitui(small_hub, "pull", "--repo", REPO, "--dataset", str(tmp_path / "d"), "--json")
    )
    assert report["folder"] == str(tmp_path / "d")


def test_a_choice_as_a_program_sees_it(
    small_hub: SmallHub, pull: list[str], files: dict[str, bytes]
) -> None:
    choice = ["--op", "gemm", "-d", "g*", "--author", "ada", "-w", "gemm-2", "--json"]
    (report,) = printed(fitui(small_hub, *pull, *choice))
    assert report["complete"]
    assert {"path": TWO, "bytes": len(files[TWO])} in report["fetched"]
    assert len(report["fetched"]) == 7
    (report,) = printed(fitui(small_hub, *pull, "--blobs", "--dry-run", "--json"))
    assert report["dry_run"]
    assert len(report["fetched"]) == 9


def test_changed_files_are_named(small_hub: SmallHub, pull: list[str]) -> None:
    fitui(small_hub, *pull)
    (Path(pull[-1]) / GEMM).write_bytes(b"mine")
    done = fitui(small_hub, *pull)
    assert done.returncode == 0
    assert f"1 file kept, changed here; --force replaces:\n  {GEMM}\n" in done.stdout
    assert "fetched 1 file " in fitui(small_hub, *pull, "--force").stdout


def test_a_killed_pull_leaves_whole_files_and_goes_on(
    small_hub: SmallHub, pull: list[str], files: dict[str, bytes]
) -> None:
    several, go_on = threading.Event(), threading.Event()

    def hold(path: str) -> None:
        # The last of them never come through; by then others have been put in place.
        if len(small_hub.sent) >= 10:
            several.set()
            go_on.wait(30)

    small_hub.before = hold
    line, environment = command(small_hub, *pull)
    with subprocess.Popen(line, env=environment, cwd=ROOT) as process:
        assert several.wait(30)
        process.kill()
    go_on.set()
    folder = Path(pull[-1])
    there = [path for path in files if (folder / path).exists()]
    assert 0 < len(there) < 14
    assert all((folder / path).read_bytes() == files[path] for path in there)

    small_hub.forget()
    small_hub.before = lambda path: None
    done = fitui(small_hub, *pull)
    assert f"{len(there)} here already" in done.stdout
    assert not set(small_hub.sent) & set(there)
    assert not list(folder.glob(".*")), "what was under way is cleared up"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--repo", "lab/nothing"], "There is no dataset lab/nothing on "),
        (["-d", "gem"], "There is no definition 'gem' in what is published; did you mean gemm?"),
        (["--revision", "v9"], "lab/kernels has no revision 'v9'"),
    ],
)
def test_a_failure_is_one_line(
    small_hub: SmallHub, pull: list[str], arguments: list[str], message: str
) -> None:
    done = fitui(small_hub, *pull, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fitui: {message}")
    assert done.stderr.count("\n") == 1


def test_a_hub_that_is_not_there_is_one_line(pull: list[str]) -> None:
    done = fitui("http://127.0.0.1:9", *pull)
    assert done.returncode == 2
    assert done.stderr.startswith("fitui: http://127.0.0.1:9 cannot be reached (")
    assert done.stderr.count("\n") == 1


def test_a_pull_that_stops_says_how_to_go_on(small_hub: SmallHub, pull: list[str]) -> None:
    small_hub.refuse[GEMM] = 403
    done = fitui(small_hub, *pull)
    assert done.returncode == 2
    assert f"answers 403 Forbidden for {GEMM}" in done.stderr
    assert done.stderr.endswith("left, the same command goes on\n")
    assert done.stderr.count("\n") == 1


def test_without_the_extra_its_installation_is_named(
    small_hub: SmallHub, pull: list[str], tmp_path: Path
) -> None:
    (tmp_path / "huggingface_hub.py").write_text("raise ImportError('No module')\n")
    line, environment = command(small_hub, *pull)
    done = subprocess.run(
        line,
        env={**environment, "PYTHONPATH": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "pip install 'fitui[hub]'" in done.stderr
    assert done.stderr.count("\n") == 1
