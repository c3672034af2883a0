"""Builders that need a GPU: CUDA through the torch binding, and TileLang."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.run.client import RunHandle, submit
from engine.run.progress import Cell
from engine.schema import Settings, Status

from .conftest import wait_for, write_dataset

pytestmark = pytest.mark.gpu

SETTINGS = Settings(input_sets=1, max_samples=50, time_budget_s=0.2, build_limit_s=250.0)

EXTENSION = """\
#include <torch/extension.h>
#include <c10/cuda/CUDAStream.h>

__global__ void twice(const float* x, float* y, int64_t n) {
  int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] * 2;
}

void run(torch::Tensor x, torch::Tensor y) {
  int64_t n = x.numel();
  twice<<<(n + 255) / 256, 256, 0, c10::cuda::getCurrentCUDAStream()>>>(
      x.data_ptr<float>(), y.data_ptr<float>(), n);
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) { module.def("run", &run); }
"""
TILE = """\
import tilelang
import tilelang.language as T

BLOCK = 256


@tilelang.jit
def make(n):
    @T.prim_func
    def main(x: T.Tensor((n,), "float32"), y: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, BLOCK), threads=BLOCK) as place:
            for i in T.Parallel(BLOCK):
                y[place * BLOCK + i] = x[place * BLOCK + i] * 2

    return main


kernels = {}


def run(x, y):
    n = x.numel()
    if n not in kernels:
        kernels[n] = make(n)
    kernels[n](x, y)
"""


def cells(root: Path, sources: dict[str, str], file: str, **spec: str) -> dict[str, Cell]:
    dataset = write_dataset(
        root / "dataset",
        {name: {file: text} for name, text in sources.items()},
        lengths=(1 << 16,),
        entry_point=f"{file}::run",
        **spec,
    )
    handle: RunHandle = submit([dataset], devices=["cuda:0"], settings=SETTINGS)
    wait_for(handle, lambda found: not found.live, 300)
    return {cell.solution: cell for cell in handle.progress.cells.values()}


def test_cuda_through_the_torch_binding(tmp_path: Path) -> None:
    sources = {"good": EXTENSION, "wrong": EXTENSION.replace("* 2;", "* two;")}
    found = cells(tmp_path, sources, "main.cu", language="cuda", binding="torch")
    assert found["good"].status is Status.PASSED, found["good"]
    assert found["wrong"].status is Status.COMPILE_ERROR, found["wrong"]
    assert found["wrong"].message.startswith("main.cu:6: error: ")


@pytest.mark.skipif(find_spec("tilelang") is None, reason="tilelang is not installed")
def test_tilelang(tmp_path: Path) -> None:
    sources = {"good": TILE, "wrong": TILE.replace("tilelang.language", "tilelang.no_such")}
    found = cells(tmp_path, sources, "main.py", language="tilelang")
    assert found["good"].status is Status.PASSED, found["good"]
    assert found["wrong"].status is Status.COMPILE_ERROR, found["wrong"]
    assert "no_such" in found["wrong"].message
