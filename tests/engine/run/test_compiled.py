"""Solutions in C++ run on the CPU device, through either binding; CUDA asks for a GPU."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.schema import Kind, Status

from .conftest import LIMITS, run_to_end, write_dataset

FFI = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
void Double(tvm::ffi::TensorView x, tvm::ffi::TensorView y) {
  const float* from = static_cast<const float*>(x.data_ptr());
  float* to = static_cast<float*>(y.data_ptr());
  for (int64_t i = 0; i < x.size(0); ++i) to[i] = from[i] * 2;
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Double);
"""
TORCH = """\
#include <torch/extension.h>
torch::Tensor run(torch::Tensor x) { return x * 2; }
PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) { m.def("run", &run); }
"""


def compiled(root: Path, text: str, entry: str = "main.cc::run", **spec: object) -> Path:
    return write_dataset(
        root / "dataset",
        {"mine": {"main.cc": text}},
        **{"language": "cpp", "entry_point": entry, **spec},
    )


def test_tvm_ffi_runs_in_destination_passing_style(tmp_path: Path) -> None:
    (cell,) = run_to_end(compiled(tmp_path, FFI)).progress.cells.values()
    assert cell.status is Status.PASSED, cell


@pytest.mark.slow
def test_a_torch_extension_returns_its_output(tmp_path: Path) -> None:
    root = compiled(tmp_path, TORCH, binding="torch", destination_passing_style=False)
    settings = msgspec.structs.replace(LIMITS, build_limit_s=280.0)
    (cell,) = run_to_end(root, settings=settings, seconds=300).progress.cells.values()
    assert cell.status is Status.PASSED, cell


def test_a_compiler_error_is_the_verdict_with_its_log(tmp_path: Path) -> None:
    handle = run_to_end(compiled(tmp_path, FFI.replace("* 2", "* two")))
    (cell,) = handle.progress.cells.values()
    assert cell.status is Status.COMPILE_ERROR
    assert cell.message.startswith("main.cc:6: error: ")
    assert "two" in (handle.folder.path / cell.log).read_text()


def test_a_function_that_is_not_exported_is_a_compile_error(tmp_path: Path) -> None:
    (cell,) = run_to_end(compiled(tmp_path, FFI, "main.cc::other")).progress.cells.values()
    assert cell.status is Status.COMPILE_ERROR
    assert "exports no function 'other'" in cell.message


def test_a_crash_in_compiled_code_ends_itself_alone(tmp_path: Path) -> None:
    crash = FFI.replace("float* to =", "float* to = nullptr; float* unused =")
    (cell,) = run_to_end(compiled(tmp_path, crash)).progress.cells.values()
    assert cell.status is Status.RUNTIME_ERROR
    assert "SIGSEGV" in cell.message


def test_cuda_is_not_run_on_the_cpu_device(tmp_path: Path) -> None:
    root = write_dataset(
        tmp_path / "dataset",
        {"mine": {"main.cu": "int x;\n"}},
        language="cuda",
        entry_point="main.cu::run",
    )
    (cell,) = run_to_end(root).progress.cells.values()
    assert cell.phase is Kind.NOT_RUN
    assert "needs a GPU" in cell.message
