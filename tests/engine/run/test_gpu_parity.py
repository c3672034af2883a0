"""Solutions by our timer and by flashinfer-bench's way. By hand on a GPU: ``pytest -m gpu``."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from engine.measure.flashinfer_timer import VARIES
from engine.run.client import RunHandle, submit
from engine.schema import Settings, Status

from .conftest import wait_for, write_dataset

pytestmark = pytest.mark.gpu

SOLUTIONS = {
    "a_one_kernel": "import torch\ndef run(x, y):\n    torch.mul(x, 2, out=y)\n",
    # As many small kernels as an RMSNorm written in PyTorch.
    "b_nine_kernels": (
        "def run(x, y):\n"
        "    z = x.double()\n"
        "    for _ in range(3):\n"
        "        z = (z + 1) - 1\n"
        "    y.copy_(z * 2)\n"
    ),
    "c_varies": (
        "calls = 0\n"
        "def run(x, y):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    y.copy_(x * 2) if calls % 2 else y.copy_(x + x)\n"
    ),
}


def timer_name() -> str:
    """What flashinfer's procedure is called here."""
    try:
        recent = int(metadata.version("cupti-python").split(".")[0]) >= 13
    except metadata.PackageNotFoundError:
        recent = False
    return "flashinfer" if recent else "flashinfer-events"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunHandle]:
    root = tmp_path_factory.mktemp("parity")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CACHE", "DATA"):
            patch.setenv(f"FITUI_{name}", str(root / name.lower()))
        for timer in ("flashinfer", "auto"):
            dataset = write_dataset(root / timer, SOLUTIONS, lengths=(4096,))
            settings = Settings(timer=timer, time_budget_s=0.3)
            found[timer] = submit([dataset], devices=["cuda:0"], settings=settings)
            wait_for(found[timer], lambda handle: not handle.live, 180)
    return found


def trace(handle: RunHandle, solution: str) -> dict[str, Any]:
    cell = next(one for one in handle.progress.cells.values() if one.solution == solution)
    assert cell.status is Status.PASSED, cell.message
    lines = map(json.loads, Path(cell.trace_file).read_text().splitlines())
    found: dict[str, Any] = next(item for item in lines if item["solution"] == solution)
    return found["evaluation"]  # type: ignore[no-any-return]


def samples(handle: RunHandle, solution: str) -> dict[str, Any]:
    cell = next(one for one in handle.progress.cells.values() if one.solution == solution)
    records = map(json.loads, handle.folder.samples_file.read_text().splitlines())
    return next(item for item in records if item["evaluation"] == cell.evaluation)


def latency_us(handle: RunHandle, solution: str) -> float:
    found: float = trace(handle, solution)["performance"]["latency_ms"]
    return found * 1e3


def test_gaps_between_kernels_count_in_flashinfers_way_only(runs: dict[str, RunHandle]) -> None:
    ours, theirs = (latency_us(runs[name], "b_nine_kernels") for name in ("auto", "flashinfer"))
    assert theirs > 1.5 * ours
    # One kernel has no gaps; by events its launch counts.
    if timer_name() == "flashinfer":
        one = [latency_us(runs[name], "a_one_kernel") for name in ("auto", "flashinfer")]
        assert one[1] == pytest.approx(one[0], rel=0.5)


def test_a_trace_names_its_timer_and_its_settings(runs: dict[str, RunHandle]) -> None:
    libs = {name: trace(run, "a_one_kernel")["environment"]["libs"] for name, run in runs.items()}
    assert libs["flashinfer"]["fitui.timer"] == timer_name()
    assert not libs["auto"]["fitui.timer"].startswith("flashinfer")
    assert libs["auto"]["fitui.settings"] != libs["flashinfer"]["fitui.settings"]


@pytest.mark.parametrize("solution", ["a_one_kernel", "b_nine_kernels"])
def test_the_headline_is_the_mean_of_three_medians(
    runs: dict[str, RunHandle], solution: str
) -> None:
    run = runs["flashinfer"]
    times = samples(run, solution)["device_ns"]
    assert len(times) == 150
    medians = [median(times[at : at + 50]) for at in (0, 50, 100)]
    assert latency_us(run, solution) == pytest.approx(fmean(medians) / 1e3)
    figures = trace(run, solution)["correctness"]["extra"]["fitui"]
    assert (figures["n"], figures["reference"]["n"]) == (150, 150)
    assert figures["reference"]["timer"] == figures["timer"] == timer_name()
    assert "together" not in figures["reference"] and "warm_us" not in figures
    assert "roofline" not in figures, "the device was calibrated by another timer"


def test_the_reference_is_timed_once(runs: dict[str, RunHandle]) -> None:
    first, second = (
        samples(runs["flashinfer"], name)["reference_ns"] for name in ("a_one_kernel", "c_varies")
    )
    assert first == second


def test_what_flashinfer_bench_refuses_is_flagged(runs: dict[str, RunHandle]) -> None:
    if timer_name() != "flashinfer":
        pytest.skip("without CUPTI nobody sees the kernels")
    assert VARIES in samples(runs["flashinfer"], "c_varies")["flags"]
    assert VARIES not in samples(runs["flashinfer"], "b_nine_kernels").get("flags", [])


def test_one_trial_gives_what_flashinfers_own_code_gives() -> None:
    theirs = pytest.importorskip("flashinfer.testing")
    import torch

    from engine.measure.flashinfer_timer import FlashinferTimer

    x = torch.randn(1 << 16, device="cuda")

    def call(x: torch.Tensor) -> torch.Tensor:
        for _ in range(8):
            x = x * 2
        return x

    mine = median(one.device_ns for one in FlashinferTimer().trial(lambda: call(x))) / 1e6
    own = median(
        theirs.bench_gpu_time_with_cupti(
            fn=call, dry_run_iters=10, repeat_iters=50, input_args=(x,), cold_l2_cache=True
        )
    )
    assert mine == pytest.approx(own, rel=0.2)
