"""C++ and CUDA sources become libraries once, and compilers' errors become one line."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.build.boxed import GIB, Limits
from engine.build.compiler import (
    CompileFailed,
    CompileKilled,
    CompileStopped,
    CompileTimedOut,
    DependencyMissing,
    compile_solution,
)
from engine.build.layout import CannotBuild
from engine.build.toolchain import find_toolchain
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


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A script in place of the compiler; tests write it."""
    script = tmp_path / "compiler"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    find_toolchain.cache_clear()
    yield script
    find_toolchain.cache_clear()


def says(compiler: Path, text: str) -> None:
    """Make the compiler do this, but when it is asked for its version."""
    compiler.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit 0\n{text}\n')


REAL = 'exec c++ "$@"'


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


def test_an_error_in_a_header_below_names_it_and_its_line(tmp_path: Path) -> None:
    what = solution(
        **{
            "sub/kernel.cc": '#include "parts/deep.hpp"\n',
            "parts/deep.hpp": "\n\nint f() { return nothing; }\n",
        }
    )
    with pytest.raises(CompileFailed) as caught:
        build(what, tmp_path)
    assert caught.value.reason.startswith("parts/deep.hpp:3: error: ")
    assert "nothing" in caught.value.reason
    assert "parts/deep.hpp:3:" in caught.value.log


@pytest.mark.parametrize("order", [("a.cc", "b.cc"), ("b.cc", "a.cc")])
def test_an_error_is_told_before_another_file_that_takes_too_long(
    tmp_path: Path, compiler: Path, order: tuple[str, str]
) -> None:
    says(compiler, 'case "$*" in *a.cc*) sleep 60;; esac; echo "b.cc:1: error: wrong"; exit 1')
    with pytest.raises(CompileFailed, match=r"b\.cc:1: error: wrong"):
        build(solution(**dict.fromkeys(order, "x")), tmp_path / "cache", limit_s=0.5)


def test_a_compiler_that_is_killed_is_started_once_more(tmp_path: Path, compiler: Path) -> None:
    mark = tmp_path / "mark"
    says(compiler, f"[ -e {mark} ] || {{ touch {mark}; kill -9 $$; }}\n{REAL}")
    log = tmp_path / "log"
    built = compile_solution(
        solution(), architecture="", limit_s=60, cache=tmp_path / "cache", log=log
    )
    assert built.library.is_file()
    assert "killed from outside" in log.read_text()


@pytest.mark.parametrize(
    "death",
    [
        "kill -9 $$",
        "kill -9 $PPID; sleep 60",
        "echo 'g++: fatal error: Killed signal terminated program cc1plus' >&2; exit 1",
    ],
    ids=["compiler", "box", "compiler's child"],
)
def test_killed_again_it_is_given_up(tmp_path: Path, compiler: Path, death: str) -> None:
    says(compiler, f"echo x >> {tmp_path}/times\n{death}")
    with pytest.raises(CompileKilled, match="killed from outside"):
        build(solution(), tmp_path / "cache")
    assert (tmp_path / "times").read_text() == "x\n" * 4


def test_a_compiler_that_runs_out_of_memory_says_so(tmp_path: Path) -> None:
    with pytest.raises(CompileFailed) as caught:
        compile_solution(
            solution(),
            architecture="",
            limit_s=60,
            cache=tmp_path,
            limits=Limits(GIB // 16),
        )
    assert caught.value.reason == "the compiler ran out of memory (limit 0.0625 GiB)"


def test_a_compiler_that_writes_too_much_says_so(tmp_path: Path) -> None:
    with pytest.raises(CompileFailed) as caught:
        compile_solution(
            solution(), architecture="", limit_s=60, cache=tmp_path, limits=Limits(4 * GIB, 4096)
        )
    assert caught.value.reason.startswith("the compiler wrote a file beyond ")


def test_a_full_disk_is_no_fault_of_the_sources(tmp_path: Path, compiler: Path) -> None:
    said = "a.cc:9:1: fatal error: error writing to /t/c.s: No space left on device"
    says(compiler, f"echo '{said}'; exit 1")
    with pytest.raises(OSError, match="no space is left"):
        build(solution(), tmp_path / "cache")


def test_a_compiler_that_says_nothing_is_told_by_its_status(tmp_path: Path, compiler: Path) -> None:
    says(compiler, "exit 7")
    with pytest.raises(CompileFailed, match="compiler ended with status 7"):
        build(solution(), tmp_path / "cache")
    says(compiler, "kill -11 $$")
    with pytest.raises(CompileFailed, match="compiler ended with SIGSEGV"):
        build(solution(), tmp_path / "cache")


def test_a_tool_that_names_no_file_is_placed_by_the_source(tmp_path: Path, compiler: Path) -> None:
    says(compiler, "echo \"ptxas error   : Entry function 'k' uses too much shared data\"; exit 1")
    with pytest.raises(CompileFailed) as caught:
        build(solution(), tmp_path / "cache")
    assert caught.value.reason == ("kernel.cc: error: Entry function 'k' uses too much shared data")


def test_the_log_grows_while_compilers_speak(tmp_path: Path, compiler: Path) -> None:
    says(compiler, "echo working; sleep 60")
    log, stop = tmp_path / "log", threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if log.exists() and "working" in log.read_text():
                break
            time.sleep(0.01)
        stop.set()

    thread = threading.Thread(target=watch)
    thread.start()
    with pytest.raises(CompileStopped):
        compile_solution(
            solution(),
            architecture="",
            limit_s=60,
            stop=stop.is_set,
            cache=tmp_path / "cache",
            log=log,
        )
    thread.join()
    assert log.read_text() == "== kernel.cc\nworking\n"
    assert not list((tmp_path / "cache").iterdir())


def test_a_cached_library_comes_with_what_was_said(tmp_path: Path) -> None:
    noisy = "#warning look here\n" + FFI
    what = solution(**{"kernel.cc": noisy})
    first = compile_solution(what, architecture="", limit_s=60, cache=tmp_path / "cache")
    assert "kernel.cc:1:2: warning: " in first.log
    assert str(tmp_path) not in first.log
    os.utime(first.library.parent, (1, 1))
    log = tmp_path / "log"
    again = compile_solution(what, architecture="", limit_s=60, cache=tmp_path / "cache", log=log)
    assert again.cached
    assert again.log == first.log
    assert first.log in log.read_text()
    assert time.time() - first.library.parent.stat().st_mtime < 60


def test_a_name_that_is_an_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CompileFailed, match="cannot be given to a compiler"):
        build(solution(**{"-specs=x.cc": "x"}), tmp_path)


def test_a_missing_dependency_is_told_before_anything_is_compiled(tmp_path: Path) -> None:
    what = solution()
    what.spec.dependencies.append("no-such-package")
    with pytest.raises(DependencyMissing, match="no-such-package is not installed"):
        build(what, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_stopped_build_does_not_begin(tmp_path: Path) -> None:
    with pytest.raises(CompileStopped):
        compile_solution(
            solution(), architecture="", limit_s=60, stop=lambda: True, cache=tmp_path / "cache"
        )


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
