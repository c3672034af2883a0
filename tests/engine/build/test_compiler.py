"""C++ and CUDA sources become libraries once, and compilers' errors become one line."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from engine.build import diagnostics
from engine.build.compiler import (
    CompileFailed,
    CompileTimedOut,
    compile_solution,
)
from engine.build.layout import CannotBuild
from engine.schema import Binding, BuildSpec, Language, Solution, SourceFile

FFI = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include "factor.h"
void Double(tvm::ffi::TensorView x, tvm::ffi::TensorView y) {
  const float* from = static_cast<const float*>(x.data_ptr());
  float* to = static_cast<float*>(y.data_ptr());
  for (int64_t i = 0; i < x.size(0); ++i) to[i] = from[i] * FACTOR;
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Double);
"""
KERNEL = """\
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
#include "factor.h"
__global__ void twice(const float* x, float* y, int64_t n) {
  int64_t i = blockIdx.x * (int64_t)blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] * FACTOR;
}
void Double(tvm::ffi::TensorView x, tvm::ffi::TensorView y) {
  twice<<<(x.size(0) + 255) / 256, 256>>>(
      static_cast<const float*>(x.data_ptr()), static_cast<float*>(y.data_ptr()), x.size(0));
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Double);
"""


def solution(language: Language = Language.CPP, factor: str = "2", **sources: str) -> Solution:
    files = sources or {"kernel.cu" if language is Language.CUDA else "kernel.cc": FFI}
    if language is Language.CUDA and not sources:
        files = {"kernel.cu": KERNEL}
    return Solution(
        name="x",
        definition="double",
        author="me",
        spec=BuildSpec(
            language=language,
            target_hardware=["cpu"],
            entry_point=f"{next(iter(files))}::run",
            binding=Binding.TVM_FFI,
        ),
        sources=[
            *(SourceFile(path=path, content=text) for path, text in files.items()),
            SourceFile(path="factor.h", content=f"#define FACTOR {factor}\n"),
        ],
    )


def build(what: Solution, cache: Path, limit_s: float = 120.0) -> tuple[Path, bool]:
    built = compile_solution(what, architecture="", limit_s=limit_s, cache=cache)
    return built.library, built.cached


def test_an_unchanged_solution_is_not_built_again(tmp_path: Path) -> None:
    library, cached = build(solution(), tmp_path)
    assert library.is_file()
    assert not cached
    assert build(solution(), tmp_path) == (library, True)


def test_an_edited_header_builds_anew(tmp_path: Path) -> None:
    first, _ = build(solution(factor="2"), tmp_path)
    second, cached = build(solution(factor="3"), tmp_path)
    assert not cached
    assert first != second


def test_nothing_is_left_beside_the_libraries(tmp_path: Path) -> None:
    build(solution(), tmp_path)
    with pytest.raises(CompileFailed):
        build(solution(factor="undeclared"), tmp_path)
    assert not list(tmp_path.glob("building-*"))


def test_a_compiler_error_names_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(CompileFailed) as caught:
        build(solution(factor="undeclared"), tmp_path)
    assert caught.value.reason.startswith("factor.h:1: error: ")
    assert "undeclared" in caught.value.reason
    assert str(tmp_path) not in caught.value.reason


def test_a_linker_error_is_named(tmp_path: Path) -> None:
    broken = FFI.replace("void Double", "void Missing();\nvoid Double").replace(
        "const float* from", "Missing();\n  const float* from"
    )
    what = solution(**{"kernel.cc": broken})
    library, _ = build(what, tmp_path)  # shared libraries may leave it to the loader
    assert library.is_file()


def test_a_build_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(CompileTimedOut):
        build(solution(), tmp_path, limit_s=0.05)
    assert time.monotonic() - began < 30


def test_sources_without_a_unit_to_compile_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotBuild, match=r"no \.cpp"):
        build(solution(**{"only.h": "int x;\n"}), tmp_path)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_cuda_compiles_for_an_architecture(tmp_path: Path) -> None:
    what = solution(Language.CUDA)
    built = compile_solution(what, architecture="90", limit_s=300, cache=tmp_path)
    assert built.library.is_file()
    with pytest.raises(CompileFailed) as caught:
        compile_solution(
            solution(Language.CUDA, factor="undeclared"),
            architecture="90",
            limit_s=300,
            cache=tmp_path,
        )
    assert "undeclared" in caught.value.reason
    assert "kernel.cu:" in caught.value.reason


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("a.cc:3:5: error: expected ';'", "a.cc:3: error: expected ';'"),
        ("a.cc:3:10: fatal error: x.h: No such file", "a.cc:3: error: x.h: No such file"),
        (
            'k.cu(12): error: identifier "y" is undefined',
            'k.cu:12: error: identifier "y" is undefined',
        ),
        ("k.cu(12): error #20: bad", "k.cu:12: error: bad"),
        ("ptxas fatal   : Unresolved extern function 'f'", "error: Unresolved extern function 'f'"),
        ("/usr/bin/ld: a.o: undefined reference to `f'", "error: undefined reference to `f'"),
        ("a.cc:3:5: warning: unused variable", ""),
    ],
)
def test_what_a_compiler_says_is_read(said: str, read: str) -> None:
    assert diagnostics.first_error(f"noise\n{said}\n") == read
