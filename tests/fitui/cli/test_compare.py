"""`fitui compare`: from traces that were made apart, and by measuring on the CPU device."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.run.client import list_runs
from engine.run.plan import find_solution
from engine.store import TraceStore
from fitui.cli import main
from tests.engine.run.conftest import DOUBLE, GOOD, write_dataset

MORE = "def run(x, y):\n    for _ in range(60):\n        y.copy_(x * 2)\n"
WRONG = "def run(x, y):\n    y.copy_(x * 3)\n"
SOLUTIONS = {"good": GOOD, "more": MORE, "wrong": WRONG}


class Dataset:
    """A dataset on disk, with traces as if evaluations had been made."""

    def __init__(self, root: Path, lengths: tuple[int, ...]) -> None:
        self.root = write_dataset(root, SOLUTIONS, lengths=lengths)
        with TraceStore.open(root) as store:
            self.versions = {name: find_solution(store, name).content_hash() for name in SOLUTIONS}
        self._lines: list[str] = []

    def trace(
        self,
        solution: str,
        length: int,
        latency_ms: float,
        *,
        hardware: str = "H200",
        timer: str = "cupti",
        status: str = "PASSED",
        version: str = "",
    ) -> None:
        """Append an evaluation, newer than those before."""
        libs = {
            "fitui.solution": version or self.versions[solution],
            "fitui.timer": timer,
            "fitui.evaluation": f"e{len(self._lines)}",
        }
        evaluation: dict[str, Any] = {
            "status": status,
            "environment": {"hardware": hardware, "libs": libs},
            "timestamp": f"2026-11-01T00:{len(self._lines):02d}:00+00:00",
            "log": "",
        }
        if status == "PASSED":
            evaluation["correctness"] = {}
            evaluation["performance"] = {"latency_ms": latency_ms}
        workload = {"uuid": f"w{length}", "axes": {"n": length}}
        workload["inputs"] = {"x": {"type": "random"}}
        line = {
            "definition": "double",
            "workload": workload,
            "solution": solution,
            "evaluation": evaluation,
        }
        self._lines.append(json.dumps(line))
        path = self.root / "traces/tester/toy/double.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in self._lines))


class Console:
    """Runs ``fitui compare`` in this process."""

    def __init__(self, dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
        self._root = dataset.root
        self._capsys = capsys
        self.error = ""

    def text(self, *arguments: str, status: int = 0) -> str:
        assert main(["--dataset", str(self._root), "compare", *arguments]) == status
        printed = self._capsys.readouterr()
        self.error = printed.err
        return printed.out

    def json(self, *arguments: str, status: int = 0) -> tuple[list[Any], Any]:
        """Workloads, and the totals."""
        *rows, last = map(json.loads, self.text(*arguments, "--json", status=status).splitlines())
        return rows, last


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "dataset", (64, 128, 256))


@pytest.fixture
def console(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console(dataset, capsys)


def verdicts(rows: Sequence[Any]) -> list[str]:
    return [row["verdict"] for row in rows]


def test_traces_tell_only_what_is_beyond_the_spread(dataset: Dataset, console: Console) -> None:
    for length, good, more in ((64, 1.0, 1.04), (128, 1.0, 1.3), (256, 2.0, 1.0)):
        dataset.trace("good", length, good)
        dataset.trace("more", length, more)
    rows, last = console.json("good", "more")
    assert verdicts(rows) == ["unclear", "slower", "faster"]
    assert rows[0]["reason"] == "not measured together"
    assert rows[1]["ratio"] == pytest.approx(1.3)
    assert rows[1]["interval"] is None
    assert last["totals"]["weighted"] == pytest.approx(3.34 / 4)
    assert last["totals"]["geomean"] == pytest.approx((1.04 * 1.3 * 0.5) ** (1 / 3))


def test_what_one_solution_varies_by_is_no_difference(dataset: Dataset, console: Console) -> None:
    for latency in (1.0, 1.5, 1.0):
        dataset.trace("good", 64, latency)
    dataset.trace("more", 64, 1.4)
    rows, _ = console.json("good", "more")
    assert verdicts(rows) == ["unclear"]
    dataset.trace("more", 64, 1.6)
    assert verdicts(console.json("good", "more")[0]) == ["slower"]


def test_times_of_different_timers_have_no_ratio(dataset: Dataset, console: Console) -> None:
    dataset.trace("good", 64, 1.0)
    dataset.trace("more", 64, 9.0, timer="events")
    rows, _ = console.json("good", "more")
    assert (rows[0]["verdict"], rows[0]["ratio"]) == ("unclear", None)
    assert rows[0]["reason"] == "different timers: cupti, events"


def test_only_traces_of_the_same_hardware_meet(dataset: Dataset, console: Console) -> None:
    dataset.trace("good", 64, 1.0, hardware="B200")
    dataset.trace("more", 64, 2.0, hardware="H200")
    assert console.text("good", "more", status=2) == ""
    assert "--measure measures both" in console.error
    dataset.trace("good", 64, 1.0, hardware="H200")
    for length in (64, 128):
        dataset.trace("good", length, 3.0, hardware="L4")
        dataset.trace("more", length, 9.0, hardware="L4")
    rows, _ = console.json("good", "more")
    assert [row["hardware"] for row in rows] == ["L4", "L4"]
    rows, _ = console.json("good", "more", "--hardware", "H200")
    assert [row["ratio"] for row in rows] == [2.0]


def test_traces_of_a_former_version_do_not_count(dataset: Dataset, console: Console) -> None:
    dataset.trace("good", 64, 1.0)
    dataset.trace("more", 64, 9.0, version="0123456789abcdef")
    console.text("good", "more", status=2)
    dataset.trace("more", 64, 2.0)
    assert [row["ratio"] for row in console.json("good", "more")[0]] == [2.0]


def test_a_failure_is_told_and_is_the_exit_status(dataset: Dataset, console: Console) -> None:
    dataset.trace("good", 64, 1.0)
    dataset.trace("wrong", 64, 0.0, status="RUNTIME_ERROR")
    out = console.text("good", "wrong", status=1)
    assert "B: RUNTIME_ERROR" in out
    assert "1 failed" in out


def test_the_table_reads_well(dataset: Dataset, console: Console) -> None:
    for length in (64, 128):
        dataset.trace("good", length, 0.002)
        dataset.trace("more", length, 0.003)
    assert console.text("good", "more").splitlines() == [
        "A = good   B = more   on H200, by cupti",
        "",
        "workload  A us  B us    B/A  B is    why",
        "n=64      2.00  3.00  1.500  slower",
        "n=128     2.00  3.00  1.500  slower",
        "",
        "of   workloads  geomean B/A  interval  total B/A  B is",
        "all          2        1.500         -      1.500  2 slower",
    ]


def test_workloads_are_chosen_by_uuid_and_filter(dataset: Dataset, console: Console) -> None:
    for length in (64, 128, 256):
        dataset.trace("good", length, 1.0)
        dataset.trace("more", length, 2.0)
    rows, _ = console.json("good", "more", "-w", "w64", "-w", "w2")
    assert [row["workload"] for row in rows] == ["w64", "w256"]
    rows, _ = console.json("good", "more", "--where", "axis.n>=128")
    assert [row["workload"] for row in rows] == ["w128", "w256"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("good", "mode"), "There is no solution 'mode'; did you mean more?"),
        (("good", "good@ffff"), "There is no solution 'good@ffff'"),
        (("good", "more", "-d", "triple"), "are for double, not triple"),
        (("good", "more", "--where", "axis.n>999"), "double has no workloads that match"),
        (("good", "more", "--quick"), "need --measure"),
        (("good", "other"), "they have no workload in common"),
        (("good", "more", "--measure", "--device", "cuda:9"), "no device cuda:9"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_sentence(
    dataset: Dataset, console: Console, arguments: tuple[str, ...], error: str
) -> None:
    folder = dataset.root
    (folder / "definitions/toy/triple.json").write_text(json.dumps({**DOUBLE, "name": "triple"}))
    other = json.loads((folder / "solutions/good.json").read_text())
    other |= {"name": "other", "definition": "triple"}
    (folder / "solutions/other.json").write_text(json.dumps(other))
    assert console.text(*arguments, status=2) == ""
    (line,) = console.error.splitlines()
    assert error in line


def test_measured_together_the_one_that_does_more_is_slower(
    dataset: Dataset, console: Console
) -> None:
    arguments = ("good", "more", "-w", "w64", "-w", "w128", "--measure", "--device", "cpu")
    rows, last = console.json(*arguments)
    assert verdicts(rows) == ["slower", "slower"]
    assert last["totals"]["verdicts"] == {"slower": 2}
    for row in rows:
        low, high = row["interval"]
        assert 1 < low < row["ratio"] < high
        assert row["processes"] >= 3
    (handle,) = list_runs()
    assert {row["run"] for row in rows} == {handle.run}
    assert not (dataset.root / "traces").exists()


def test_measuring_says_what_failed(console: Console) -> None:
    out = console.text("wrong", "good", "-w", "w64", "--measure", "--device", "cpu", status=1)
    assert "of 64 elements differ" in out
    assert "1 failed" in out
    assert "in turns" in console.error


def test_what_was_not_measured_says_why(dataset: Dataset, console: Console) -> None:
    path = dataset.root / "workloads/toy/double.jsonl"
    workload = {"uuid": "stored", "axes": {"n": 4}}
    workload["inputs"] = {"x": {"type": "safetensors", "path": "blob/no.st", "tensor_key": "x"}}
    path.write_text(json.dumps({"definition": "double", "workload": workload}) + "\n")
    rows, last = console.json("good", "more", "--measure", "--device", "cpu", status=1)
    assert [row["verdict"] for row in rows] == [None]
    assert "no.st" in rows[0]["reason"]
    assert last["totals"]["workloads"] == 0
    assert "n=4: no verdict" in console.error


def test_ctrl_c_cancels_the_run(dataset: Dataset) -> None:
    command = [sys.executable, "-m", "fitui", "--dataset", str(dataset.root), "compare"]
    process = subprocess.Popen(
        [*command, "good", "good", "--measure", "--device", "cpu"],
        cwd=Path(__file__).resolve().parents[3],
        stderr=subprocess.PIPE,
        text=True,
        # Who runs the tests in the background has it ignored, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert "in turns" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "cancelled run" in error
    (handle,) = list_runs()
    deadline = time.monotonic() + 60
    while handle.poll() or handle.live:
        assert time.monotonic() < deadline, handle.progress
        time.sleep(0.05)
    assert handle.state == "cancelled"
