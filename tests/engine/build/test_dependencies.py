"""What a solution depends on is found without being imported, and what is missing is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.build import cpp_libraries
from engine.build.compiler import DependencyMissing, check_dependencies
from engine.build.dependencies import Needs, missing, needs_of
from engine.schema import BuildSpec, Language, Solution, SourceFile


def solution(*dependencies: str, language: Language = Language.PYTHON) -> Solution:
    return Solution(
        name="x",
        definition="d",
        author="a",
        spec=BuildSpec(
            language=language,
            target_hardware=["cuda"],
            entry_point="a.cu::run",
            dependencies=list(dependencies),
        ),
        sources=[SourceFile(path="a.cu", content="x")],
    )


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine whose only folder of C++ libraries is ``$CUDA_HOME``."""
    for name in ("CUTLASS_HOME", "CUTLASS_PATH", "CUTLASS_DIR", "CUDA_PATH", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cpp_libraries, "_SYSTEM", ())
    monkeypatch.setattr(cpp_libraries, "_TOOLKIT", tmp_path / "toolkit")
    monkeypatch.setattr(cpp_libraries, "_DRIVER_FOLDERS", (tmp_path / "drivers",))
    monkeypatch.setattr(cpp_libraries.shutil, "which", lambda name: None)
    monkeypatch.setattr(cpp_libraries, "package_folders", lambda name: [])
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path / "cuda"))
    return tmp_path / "cuda"


def header(root: Path, name: str, text: str = "") -> Path:
    path = root / "include" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


@pytest.mark.parametrize(
    "dependency",
    [
        "torch",
        "numpy>=1.0",
        "torch>=2.0,<99",
        "Triton",
        "tvm-ffi",
        "tvm_ffi>=0.1",
        "python>=3.11",
        "torch[extra]>=2",
        "nothing-like-this; python_version < '3'",
        "json",
    ],
)
@pytest.mark.parametrize("language", [Language.PYTHON, Language.TRITON, Language.CUDA])
def test_what_is_installed_is_found(dependency: str, language: Language) -> None:
    assert missing(solution(dependency, language=language)) == ""


@pytest.mark.parametrize(
    ("dependency", "said"),
    [
        ("no-such-package", "no-such-package is not installed; pip install no-such-package"),
        ("numpy>=900", "is installed; pip install 'numpy>=900'"),
        ("tvm-ffi>=900", "is installed; pip install 'tvm-ffi>=900'"),
        ("python>=4", "is installed; use another Python"),
        ("numpy 1.26", "'numpy 1.26' cannot be read: write it as pip does"),
        ("-r file", "'-r file' cannot be read"),
        ("x" * 500 + "!", "..."),
        ("cublas", "cublas is not here (no cublas_v2.h); install the CUDA toolkit or set CUDA_HOM"),
        ("CUTLASS_3_7", "CUTLASS_3_7 is not here (no cutlass/cutlass.h); pip install nvidia-cutl"),
    ],
)
def test_what_is_missing_is_named_with_the_way_to_get_it(dependency: str, said: str) -> None:
    reason = missing(solution("torch", dependency, "another-that-is-missing"))
    assert reason.startswith("dependency ")
    assert said in reason
    assert "\n" not in reason
    assert len(reason) < 300


def test_it_is_a_failed_compilation_whatever_the_language() -> None:
    for language in Language:
        with pytest.raises(DependencyMissing) as caught:
            check_dependencies(solution("no-such-package", language=language))
        assert "no-such-package" in caught.value.reason


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud_package").mkdir()
    (tmp_path / "loud_package/__init__.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert missing(solution("loud_package", "loud-package", "loud_package.part")) == ""
    assert "loud_package" not in sys.modules


def test_a_library_brings_its_folders_and_name(bare: Path) -> None:
    header(bare, "cublas_v2.h")
    (bare / "lib64").mkdir()
    (bare / "lib64/libcublas.so").touch()
    place = str(bare / "lib64")
    assert needs_of(solution("CUBLAS", "cublas", language=Language.CUDA)) == Needs(
        (str(bare / "include"),), ("cublas",), (place,), (place,)
    )


def test_a_library_with_a_number_alone_is_linked_by_its_file(bare: Path) -> None:
    header(bare, "cublasLt.h")
    (bare / "lib").mkdir()
    (bare / "lib/libcublasLt.so.13").touch()
    assert needs_of(solution("cublasLt", language=Language.CPP)).links == (":libcublasLt.so.13",)


def test_a_drivers_stub_is_not_looked_for_at_run_time(bare: Path) -> None:
    header(bare, "cuda.h")
    (bare / "lib64/stubs").mkdir(parents=True)
    (bare / "lib64/stubs/libcuda.so").touch()
    needs = needs_of(solution("cuda", language=Language.CUDA))
    assert (needs.libraries, needs.run_paths) == ((str(bare / "lib64/stubs"),), ())


def test_a_driver_is_found_where_drivers_are_and_may_be_missing(bare: Path) -> None:
    header(bare, "cuda.h")
    assert needs_of(solution("cuda", language=Language.CUDA)).links == ()
    drivers = bare.with_name("drivers")
    drivers.mkdir()
    (drivers / "libcuda.so.1").touch()
    needs = needs_of(solution("cuda", language=Language.CUDA))
    assert (needs.links, needs.libraries) == ((":libcuda.so.1",), (str(drivers),))
    assert needs.run_paths == ()


def test_nvcc_links_its_own_runtime(bare: Path) -> None:
    header(bare, "cuda_runtime.h")
    assert needs_of(solution("cudart", language=Language.CUDA)).links == ()
    assert needs_of(solution("cudart", language=Language.CPP)).links == ("cudart",)


@pytest.mark.parametrize(
    ("dependency", "fits"),
    [
        ("cuda>=12.4", True),
        ("cuda>=12.6", False),
        ("cub==2.5.0", True),
        ("cub>=3", False),
        ("CUTLASS_3_7", True),
        ("cutlass>=3.7", True),
        ("cutlass_4", False),
        ("cute>=4", False),
    ],
)
def test_versions_of_headers_are_read(bare: Path, dependency: str, fits: bool) -> None:
    header(bare, "cuda.h", "#define CUDA_VERSION 12050\n")
    header(bare, "cccl/cub/cub.cuh")
    header(bare, "cccl/cub/version.cuh", "#define CUB_VERSION 200500 // 2.5\n")
    version = "#define CUTLASS_MAJOR 3\n#define CUTLASS_MINOR 8\n#define CUTLASS_PATCH 0\n"
    header(bare, "cutlass/version.h", version)
    header(bare, "cutlass/cutlass.h")
    header(bare, "cute/tensor.hpp")
    reason = missing(solution(dependency, language=Language.CUDA))
    assert (reason == "") == fits
    assert fits or " is here; " in reason


def test_the_copy_that_fits_is_taken(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for root, major in ((tmp_path / "own", 3), (bare, 4)):
        header(root, "cutlass/cutlass.h")
        numbers = f"#define CUTLASS_MAJOR {major}\n#define CUTLASS_MINOR 1\n#define CUTLASS_PATCH 0"
        header(root, "cutlass/version.h", numbers)
    (tmp_path / "own/tools/util/include").mkdir(parents=True)
    monkeypatch.setenv("CUTLASS_HOME", str(tmp_path / "own"))
    assert needs_of(solution("cutlass", language=Language.CUDA)).includes == (
        str(tmp_path / "own/include"),
        str(tmp_path / "own/tools/util/include"),
    )
    needs = needs_of(solution("cutlass>=4", language=Language.CUDA))
    assert needs.includes == (str(bare / "include"),)


def test_python_solutions_may_ask_for_cpp_libraries_too(bare: Path) -> None:
    header(bare, "cublas_v2.h")
    assert missing(solution("cublas", language=Language.TRITON)) == ""
    assert needs_of(solution("cublas", language=Language.TRITON)) == Needs()
