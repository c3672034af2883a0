"""Deliberate disturbances of a timing are flagged. By hand on a GPU: ``pytest -m gpu``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.measure.calibration import read_calibration
from engine.run.client import RunHandle, submit
from engine.schema import Settings, Status

from .conftest import wait_for, write_dataset

pytestmark = pytest.mark.gpu

HONEST = "def run(x, y):\n    y.copy_(x * 2)\n"
SOLUTIONS = {
    "a_honest": HONEST,
    "b_waits_inside": (
        "import torch\ndef run(x, y):\n    y.copy_(x * 2)\n    torch.cuda.synchronize()\n"
    ),
    "c_second_stream": (
        "import torch\n"
        "side = torch.cuda.Stream()\n"
        "def run(x, y):\n"
        "    side.wait_stream(torch.cuda.current_stream())\n"
        "    with torch.cuda.stream(side):\n"
        "        y.copy_(x * 2)\n"
        "    torch.cuda.current_stream().wait_stream(side)\n"
    ),
    "d_works_on_after_it": (
        "import threading, time, torch\n"
        "called = threading.Semaphore(0)\n"
        "more = torch.zeros(1 << 20, device='cuda')\n"
        "def work():\n"
        "    while True:\n"
        "        called.acquire()\n"
        "        time.sleep(0.0005)\n"
        "        more.add_(1)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "def run(x, y):\n"
        "    y.copy_(x * 2)\n"
        "    called.release()\n"
    ),
}
SETTINGS = Settings(input_sets=2, min_samples=20, max_samples=60, time_budget_s=0.3)
REMEMBERS = (
    "known = {}\n"
    "def run(x):\n"
    "    if x.shape not in known:\n"
    "        known[x.shape] = x * 0\n"
    "    return known[x.shape]\n"
)


def finish(root: Path, dataset: Path, settings: Settings = SETTINGS) -> RunHandle:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CACHE", "DATA"):
            patch.setenv(f"FITUI_{name}", str(root / name.lower()))
        handle = submit([dataset], devices=["cuda:0"], settings=settings)
        wait_for(handle, lambda found: not found.live, 120)
    assert {cell.status for cell in handle.progress.cells.values()} == {Status.PASSED}, [
        (cell.solution, cell.message) for cell in handle.progress.cells.values()
    ]
    return handle


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunHandle:
    root = tmp_path_factory.mktemp("timing")
    return finish(root, write_dataset(root / "dataset", SOLUTIONS, lengths=(1 << 20,)))


def record(handle: RunHandle, solution: str) -> dict[str, Any]:
    cell = next(one for one in handle.progress.cells.values() if one.solution == solution)
    records = map(json.loads, handle.folder.samples_file.read_text().splitlines())
    return next(item for item in records if item["evaluation"] == cell.evaluation)


def figures(handle: RunHandle, solution: str) -> dict[str, Any]:
    cell = next(one for one in handle.progress.cells.values() if one.solution == solution)
    trace = json.loads(Path(cell.trace_file).read_text().splitlines()[0])
    found: dict[str, Any] = trace["evaluation"]["correctness"]["extra"]["fitui"]
    return found


def test_an_honest_solution_carries_no_flag(finished: RunHandle) -> None:
    assert record(finished, "a_honest").get("flags", []) == []


@pytest.mark.parametrize(
    ("solution", "flag"),
    [
        ("b_waits_inside", "host_sync"),
        ("c_second_stream", "other streams"),
        ("d_works_on_after_it", "late work"),
    ],
)
def test_a_disturbance_is_flagged(finished: RunHandle, solution: str, flag: str) -> None:
    assert flag in record(finished, solution)["flags"]


def test_every_call_has_all_figures(finished: RunHandle) -> None:
    found = record(finished, "a_honest")
    assert found["timer"] == "cupti"
    number = len(found["device_ns"])
    assert [len(found[name]) for name in ("host_ns", "busy_ns", "clock_mhz")] == [number] * 3
    assert all(300 < clock < 4000 for clock in found["clock_mhz"])
    assert all(
        0 < busy <= span for busy, span in zip(found["busy_ns"], found["device_ns"], strict=True)
    )
    summary = figures(finished, "a_honest")
    assert summary["kernels"] == 2
    assert summary["reference"]["together"] is True
    assert 0 < summary["warm_us"] <= 1.1 * summary["median_us"]
    assert summary["speedup"][0] <= summary["speedup"][1]


def test_the_device_is_calibrated_once_and_the_roofline_follows(finished: RunHandle) -> None:
    (path,) = (finished.folder.path.parents[1] / "calibration").glob("*.json")
    known = read_calibration(path)
    assert known is not None
    assert 0.3 < known.empty_call_us < 5
    assert 100 < known.ceilings.read_gb_s < 20_000
    assert known.ceilings.tflops["bf16"] > known.ceilings.tflops["fp32"] > 1
    assert 0 < figures(finished, "a_honest")["roofline"] < 100


def test_a_result_that_was_kept_is_no_work_at_all(tmp_path: Path) -> None:
    dataset = write_dataset(
        tmp_path / "dataset", {"remembers": REMEMBERS}, destination_passing_style=False
    )
    file = dataset / "definitions/toy/double.json"
    definition = json.loads(file.read_text())
    definition["reference"] = "def run(x):\n    return x * 0\n"
    file.write_text(json.dumps(definition))
    handle = finish(tmp_path, dataset)
    assert {"no device work", "below an empty call"} <= set(record(handle, "remembers")["flags"])


def test_without_cupti_python_the_profiler_of_pytorch_sees_the_same(tmp_path: Path) -> None:
    settings = Settings(
        input_sets=1, min_samples=20, max_samples=40, time_budget_s=0.3, timer="kineto"
    )
    dataset = write_dataset(tmp_path / "dataset", {"a_honest": HONEST}, lengths=(1 << 20,))
    handle = finish(tmp_path, dataset, settings)
    found = figures(handle, "a_honest")
    assert (found["timer"], found["kernels"]) == ("kineto", 2)
    assert 1 < found["median_us"] < 100
    assert "late work" not in found.get("flags", [])
