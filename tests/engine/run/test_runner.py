"""A run as its user sees it: it outlives its starter, can be cancelled, and says how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.run.client import RunHandle, cancel, list_runs, open_run, resume, submit
from engine.run.reap import descendants
from engine.schema import Kind, Settings, Status

from .conftest import GOOD, LIMITS, run_to_end, wait_for, write_dataset

SLOW = "import time\ndef run(x, y):\n    time.sleep(0.3)\n    y.copy_(x * 2)\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset", {"good": GOOD, "slow": SLOW}, lengths=(8, 16, 32))


def test_a_run_outlives_the_process_that_started_it(dataset: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from engine.run.client import submit\n"
        "print(submit([Path(sys.argv[1])], devices=['cpu'], quick=True).run)\n"
    )
    started = subprocess.run(
        [sys.executable, "-c", code, str(dataset)], capture_output=True, text=True, check=True
    )
    handle = open_run(started.stdout.strip())
    wait_for(handle, lambda found: not found.live, 60)
    assert handle.state == "finished"
    assert handle.progress.counts == {"PASSED": 6}


def test_every_passed_evaluation_has_its_figures(dataset: Path) -> None:
    handle = run_to_end(dataset, solutions=["good"])
    for cell in handle.progress.cells.values():
        assert cell.status is Status.PASSED
        assert cell.timer == "cpu-clock"
        assert cell.n >= LIMITS.min_samples
        assert cell.latency_ms is not None
        assert cell.reference_latency_ms is not None
        assert cell.speedup == pytest.approx(cell.reference_latency_ms / cell.latency_ms)


def test_samples_and_seed_are_kept_beside_the_run(dataset: Path) -> None:
    handle = run_to_end(dataset, solutions=["good"], workloads=["w8"])
    (record,) = map(json.loads, handle.folder.samples_file.read_text().splitlines())
    (cell,) = handle.progress.cells.values()
    assert record["evaluation"] == cell.evaluation
    assert len(record["device_ns"]) == cell.n
    assert len(record["seed"]) == 32


def test_a_trace_knows_its_run_and_versions(dataset: Path) -> None:
    handle = run_to_end(dataset, solutions=["good"], workloads=["w8"], note="first try")
    (line,) = (dataset / "traces/tester/toy/double.jsonl").read_text().splitlines()
    libs = json.loads(line)["evaluation"]["environment"]["libs"]
    assert libs["fitui.run"] == handle.run
    assert libs["fitui.note"] == "first try"
    assert libs["fitui.sandbox"] == "process"
    for key in ("fitui.solution", "fitui.definition", "fitui.settings"):
        assert len(libs[key]) == 16
    assert "torch" in libs


def test_a_cancelled_run_stops_and_keeps_what_it_has(dataset: Path) -> None:
    handle_settings = Settings(input_sets=1, min_samples=50, time_budget_s=60.0)

    handle = submit([dataset], devices=["cpu"], settings=handle_settings)
    wait_for(handle, lambda found: "slow" in _at_work(found), 60)
    cancel(handle)
    wait_for(handle, lambda found: not found.live, 10)
    assert handle.state == "cancelled"
    assert handle.progress.counts["PASSED"] == 3
    assert all(cell.status is None for cell in handle.progress.cells.values() if not cell.ended)


def _at_work(handle: RunHandle) -> set[str]:
    cells = handle.progress.cells.values()
    return {cell.solution for cell in cells if cell.phase is Kind.TIMING}


def test_a_killed_runner_takes_its_children_along_and_another_goes_on(dataset: Path) -> None:
    pairs = [("good", "w8"), ("slow", "w8"), ("good", "w16")]
    handle = submit([dataset], devices=["cpu"], settings=LIMITS, pairs=pairs)
    wait_for(handle, lambda found: "slow" in _at_work(found), 60)
    pid = handle.runner_pid
    below = descendants(pid)
    assert below
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(_lives(one) for one in below):
        time.sleep(0.05)
    assert not [one for one in below if _lives(one)]
    wait_for(handle, lambda found: not found.live, 60)
    assert handle.state == "finished"
    assert handle.progress.counts == {"PASSED": 3}
    assert sorted(evaluations_in(dataset)) == sorted(handle.progress.cells)


def test_without_a_keeper_too_the_run_shows_as_stopped_and_can_go_on(dataset: Path) -> None:
    pairs = [("good", "w8"), ("slow", "w8")]
    handle = submit([dataset], devices=["cpu"], settings=LIMITS, pairs=pairs)
    wait_for(handle, lambda found: "slow" in _at_work(found), 60)
    runner = handle.runner_pid
    keeper = int(Path(f"/proc/{runner}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    os.kill(runner, signal.SIGKILL)
    wait_for(handle, lambda found: found.state == "stopped", 20)
    resume(handle)
    wait_for(handle, lambda found: found.state == "finished", 60)
    assert sorted(evaluations_in(dataset)) == sorted(handle.progress.cells)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def evaluations_in(dataset: Path) -> list[str]:
    """Ids of the evaluations that left a trace."""
    text = "".join(path.read_text() for path in dataset.glob("traces/**/*.jsonl"))
    found = [json.loads(line)["evaluation"] for line in text.splitlines()]
    return [one["environment"]["libs"]["fitui.evaluation"] for one in found]


def test_a_request_for_a_missing_device_fails_with_the_reason(dataset: Path) -> None:

    handle = submit([dataset], devices=["cuda:7"], quick=True)
    wait_for(handle, lambda found: not found.live, 60)
    assert handle.state == "failed"
    assert "cuda:7" in handle.progress.message


def test_a_failing_reference_is_no_verdict_on_the_solution(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "dataset", {"good": GOOD})
    path = root / "definitions/toy/double.json"
    definition = json.loads(path.read_text())
    definition["reference"] = "def run(x):\n    raise RuntimeError('broken yardstick')\n"
    path.write_text(json.dumps(definition))
    handle = run_to_end(root)
    (cell,) = handle.progress.cells.values()
    assert cell.phase is Kind.NOT_RUN
    assert "broken yardstick" in cell.message
    assert not (root / "traces").exists()


def test_after_two_timeouts_a_solution_is_not_tried_again(tmp_path: Path) -> None:
    hang = "def run(x, y):\n    while True:\n        pass\n"
    root = write_dataset(tmp_path / "dataset", {"hang": hang}, lengths=(1, 2, 3, 4))
    settings = Settings(first_call_limit_s=0.3, input_sets=1)
    handle = run_to_end(root, settings=settings)
    phases = [(cell.phase, cell.status) for cell in handle.progress.cells.values()]
    assert phases == [(Kind.DONE, Status.TIMEOUT)] * 2 + [(Kind.NOT_RUN, None)] * 2


def test_what_would_take_too_long_on_the_cpu_is_listed_as_not_run(tmp_path: Path) -> None:
    slow = "import time\ndef run(x, y):\n    time.sleep(x.numel() * 1e-2)\n    y.copy_(x * 2)\n"
    root = write_dataset(tmp_path / "dataset", {"slow": slow}, lengths=(10, 1000))
    settings = Settings(
        input_sets=1, min_samples=5, max_samples=5, time_budget_s=0.1, cpu_estimate_limit_s=5.0
    )
    handle = run_to_end(root, settings=settings)
    small, large = handle.progress.cells.values()
    assert small.status is Status.PASSED
    assert large.phase is Kind.NOT_RUN
    assert large.message.startswith("not run on cpu: it would take about")


def test_what_needs_a_gpu_is_listed_as_not_run(tmp_path: Path) -> None:
    root = write_dataset(
        tmp_path / "dataset", {"tile": {"main.py": "x = 1\n"}}, language="tilelang"
    )
    (cell,) = run_to_end(root).progress.cells.values()
    assert cell.phase is Kind.NOT_RUN
    assert "a TileLang solution needs a GPU" in cell.message


def test_a_missing_blob_is_no_verdict(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "dataset", {"good": GOOD})
    workload = {"uuid": "stored", "axes": {"n": 4}}
    workload["inputs"] = {"x": {"type": "safetensors", "path": "blob/no.st", "tensor_key": "x"}}
    path = root / "workloads/toy/double.jsonl"
    path.write_text(json.dumps({"definition": "double", "workload": workload}) + "\n")
    (cell,) = run_to_end(root).progress.cells.values()
    assert cell.phase is Kind.NOT_RUN
    assert "blob/no.st" in cell.message


def test_value_returning_solutions_are_called_with_the_inputs_alone(tmp_path: Path) -> None:
    root = write_dataset(
        tmp_path / "dataset",
        {"value": "def run(x):\n    return x * 2\n"},
        destination_passing_style=False,
    )
    (cell,) = run_to_end(root).progress.cells.values()
    assert cell.status is Status.PASSED


def test_a_solution_is_isolated_from_the_users_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    spy = (
        "import os\n"
        "def run(x, y):\n"
        "    y.copy_(x * 2)\n"
        "    print('env', sorted(os.environ))\n"
        "    print('real env', b'hush' in open('/proc/self/environ', 'rb').read())\n"
        "    print('home', os.path.expanduser('~'))\n"
        "    print('descriptors', len(os.listdir('/proc/self/fd')))\n"
    )
    root = write_dataset(tmp_path / "dataset", {"spy": spy})
    handle = run_to_end(root)
    (cell,) = handle.progress.cells.values()
    assert cell.status is Status.PASSED
    log = (handle.folder.path / cell.log).read_text()
    assert "SECRET_TOKEN" not in log
    assert "real env False" in log
    assert f"home {Path.home()}\n" not in log


def test_runs_are_listed_newest_first(dataset: Path) -> None:
    first = run_to_end(dataset, solutions=["good"], workloads=["w8"])
    second = run_to_end(dataset, solutions=["good"], workloads=["w8"])
    assert [handle.run for handle in list_runs()] == sorted([first.run, second.run], reverse=True)


def test_spawned_interpreters_do_the_same_as_forks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FITUI_START_METHOD", "spawn")
    root = write_dataset(tmp_path / "dataset", {"good": GOOD})
    (cell,) = run_to_end(root).progress.cells.values()
    assert cell.status is Status.PASSED, cell
