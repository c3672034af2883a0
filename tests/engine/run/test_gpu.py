"""The chain on a real GPU. Run by hand on a GPU machine: ``pytest -m gpu``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.run.client import RunHandle, submit
from engine.run.progress import Cell
from engine.schema import Settings, Status

from .conftest import LIMITS, wait_for, write_dataset

pytestmark = pytest.mark.gpu

KERNEL = """\
import triton
import triton.language as tl

@triton.jit
def double(X, Y, n, B: tl.constexpr):
    at = tl.program_id(0) * B + tl.arange(0, B)
    tl.store(Y + at, tl.load(X + at, mask=at < n) * 2, mask=at < n)

"""
ENDLESS = """\
import torch, triton
import triton.language as tl

@triton.jit
def spin(Flag, Y):
    value = tl.load(Flag, volatile=True)
    while value == 0:
        value = tl.load(Flag, volatile=True)
    tl.store(Y, value)

def run(x, y):
    spin[(1,)](torch.zeros(1, device=x.device), y)
"""
SOLUTIONS = {
    "a_one_kernel": KERNEL
    + "def run(x, y):\n    double[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), 1024)\n",
    "b_two_copies": "def run(x, y):\n    y.copy_(x)\n    y.add_(x)\n",
    "c_waits_for_the_device": (
        "import torch\n"
        "def run(x, y):\n"
        "    z = x * 2\n"
        "    torch.cuda.synchronize()\n"
        "    y.copy_(z)\n"
    ),
    "d_never_ends": ENDLESS,
    "e_after_it": "def run(x, y):\n    y.copy_(x * 2)\n",
    "f_illegal_address": KERNEL + "def run(x, y):\n    double[(1 << 20,)](x, y, 1 << 40, 1024)\n",
    "g_after_it": "def run(x, y):\n    y.copy_(x * 2)\n",
    "h_out_of_memory": (
        "import torch\n"
        "def run(x, y):\n"
        "    keep = [torch.empty(1 << 34, device=x.device) for _ in range(100)]\n"
        "    y.copy_(x * 2)\n"
    ),
    "i_other_stream": (
        "import torch\n"
        "side = torch.cuda.Stream()\n"
        "def run(x, y):\n"
        "    side.wait_stream(torch.cuda.current_stream())\n"
        "    with torch.cuda.stream(side):\n"
        "        y.copy_(x * 2)\n"
        "    torch.cuda.current_stream().wait_stream(side)\n"
    ),
    "j_does_not_compile": KERNEL.replace("tl.load(", "tl.no_such_load(")
    + "def run(x, y):\n    double[(1,)](x, y, x.numel(), 1024)\n",
}


CUDA = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>
__global__ void twice(const float* x, float* y, int64_t n) {
  int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] * 2;
}
void Double(tvm::ffi::TensorView x, tvm::ffi::TensorView y) {
  DLDevice device = x.device();
  auto stream =
      static_cast<cudaStream_t>(TVMFFIEnvGetStream(device.device_type, device.device_id));
  twice<<<(x.size(0) + 255) / 256, 256, 0, stream>>>(
      static_cast<const float*>(x.data_ptr()), static_cast<float*>(y.data_ptr()), x.size(0));
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Double);
"""


def run_cuda(root: Path, text: str) -> Cell:
    dataset = write_dataset(
        root / "dataset",
        {"mine": {"main.cu": text}},
        lengths=(1 << 16,),
        language="cuda",
        entry_point="main.cu::run",
    )
    settings = Settings(input_sets=1, max_samples=50, time_budget_s=0.5, build_limit_s=120.0)
    handle = submit([dataset], devices=["cuda:0"], settings=settings)
    wait_for(handle, lambda found: not found.live, 200)
    (cell,) = handle.progress.cells.values()
    return cell


def test_cuda_is_compiled_and_runs(tmp_path: Path) -> None:
    cell = run_cuda(tmp_path, CUDA)
    assert cell.status is Status.PASSED, cell
    assert cell.latency_ms is not None
    assert 0.0005 < cell.latency_ms < 0.05


def test_cuda_that_does_not_compile_says_where(tmp_path: Path) -> None:
    cell = run_cuda(tmp_path, CUDA.replace("* 2;", "* two;"))
    assert cell.status is Status.COMPILE_ERROR
    assert cell.message.startswith("main.cu:6: error: ")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunHandle:
    root = tmp_path_factory.mktemp("gpu")
    dataset = write_dataset(root / "dataset", SOLUTIONS, lengths=(1 << 16,))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CACHE", "DATA"):
            patch.setenv(f"FITUI_{name}", str(root / name.lower()))
        settings = Settings(**{**_fields(LIMITS), "max_samples": 100, "time_budget_s": 0.5})
        settings.first_call_limit_s = 20.0
        handle = submit([dataset], devices=["cuda:0"], settings=settings)
        wait_for(handle, lambda found: not found.live, 300)
    return handle


def _fields(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def cell_of(handle: RunHandle, solution: str) -> Cell:
    return next(cell for cell in handle.progress.cells.values() if cell.solution == solution)


def flags_of(handle: RunHandle, solution: str) -> list[str]:
    evaluation = cell_of(handle, solution).evaluation
    records = map(json.loads, handle.folder.samples_file.read_text().splitlines())
    return next(item for item in records if item["evaluation"] == evaluation).get("flags", [])


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("a_one_kernel", Status.PASSED, ""),
        ("b_two_copies", Status.PASSED, ""),
        ("c_waits_for_the_device", Status.PASSED, ""),
        ("d_never_ends", Status.TIMEOUT, "did not finish"),
        ("e_after_it", Status.PASSED, ""),
        ("f_illegal_address", Status.RUNTIME_ERROR, "illegal memory access"),
        ("g_after_it", Status.PASSED, ""),
        ("h_out_of_memory", Status.RUNTIME_ERROR, "out of memory"),
        ("i_other_stream", Status.PASSED, ""),
        ("j_does_not_compile", Status.COMPILE_ERROR, ""),
    ],
)
def test_each_solution_ends_as_it_should(
    finished: RunHandle, name: str, status: Status, reason: str
) -> None:
    cell = cell_of(finished, name)
    assert cell.status is status, cell
    assert reason in cell.message


def test_device_time_comes_from_activity_records(finished: RunHandle) -> None:
    cell = cell_of(finished, "a_one_kernel")
    assert cell.timer == "cupti"
    assert cell.latency_ms is not None
    assert 0.0005 < cell.latency_ms < 0.05


def test_a_call_that_waits_inside_is_flagged_and_one_that_does_not_is_not(
    finished: RunHandle,
) -> None:
    assert "host_sync" in flags_of(finished, "c_waits_for_the_device")
    assert flags_of(finished, "a_one_kernel") == []


def test_work_on_another_stream_counts(finished: RunHandle) -> None:
    cell = cell_of(finished, "i_other_stream")
    assert cell.latency_ms is not None
    assert cell.latency_ms > 0.001


def test_traces_name_the_gpu(finished: RunHandle) -> None:
    lines = Path(cell_of(finished, "a_one_kernel").trace_file).read_text().splitlines()
    environment = json.loads(lines[0])["evaluation"]["environment"]
    assert "NVIDIA" in environment["hardware"]
    assert "driver" in environment["libs"]
