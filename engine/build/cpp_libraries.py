"""C++ libraries that a solution may ask for by name: found by their headers, with their version."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

_TOOLKIT = Path("/usr/local/cuda")
_SYSTEM = (Path("/usr"), Path("/usr/local"))
# Where drivers put libcuda.so.1, and distributions everything.
_DRIVER_FOLDERS = tuple(
    Path("/usr") / item
    for item in (
        f"lib/{platform.machine()}-linux-gnu",
        "lib64",
        "lib/wsl/lib",
        "local/nvidia/lib64",
    )
)
_TARGET = {"x86_64": "x86_64-linux", "aarch64": "sbsa-linux"}.get(platform.machine(), "")


class CppLibrary(Struct, frozen=True):
    """How one library is recognised.

    Args:
        header: That a source includes.
        link: Name to link with; "" for headers alone.
        version: Header and macros that tell its version; no macros where none tell it. A single
            macro holds all numbers, and ``steps`` are what they are multiplied by.
        home: Environment variables that may name its folder.
        hint: How to get it.
    """

    header: str
    link: str = ""
    version: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    home: tuple[str, ...] = ()
    hint: str = "install the CUDA toolkit or set CUDA_HOME"


class Found(Struct, frozen=True):
    """A library that is here.

    Args:
        version: "" where it does not tell.
        includes: Folders of headers; none where compilers look there anyway.
        links: Names to link with.
        libraries: Folders of what is linked.
        run_paths: Those of them where it is to be found at run time as well.
    """

    version: str = ""
    includes: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    run_paths: tuple[str, ...] = ()


def _toolkit(
    header: str, link: str, prefix: str, file: str = "", last: str = "PATCH"
) -> CppLibrary:
    macros = tuple(f"{prefix}_{part}" for part in ("MAJOR", "MINOR", last))
    return CppLibrary(header, link, (file or header, *macros))


_CUTLASS = CppLibrary(
    "cutlass/cutlass.h",
    version=("cutlass/version.h", "CUTLASS_MAJOR", "CUTLASS_MINOR", "CUTLASS_PATCH"),
    home=("CUTLASS_HOME", "CUTLASS_PATH", "CUTLASS_DIR"),
    hint="pip install nvidia-cutlass, or set CUTLASS_HOME",
)
_CUDA_VERSION = ("cuda.h", "CUDA_VERSION")
LIBRARIES = {
    "cuda": CppLibrary("cuda.h", "cuda", _CUDA_VERSION, (1000, 10)),
    "cudart": CppLibrary("cuda_runtime.h", "cudart", _CUDA_VERSION, (1000, 10)),
    "cublas": _toolkit("cublas_v2.h", "cublas", "CUBLAS_VER", "cublas_api.h"),
    "cublaslt": _toolkit("cublasLt.h", "cublasLt", "CUBLAS_VER", "cublas_api.h"),
    "cusparse": _toolkit("cusparse.h", "cusparse", "CUSPARSE_VER"),
    "cusolver": _toolkit("cusolverDn.h", "cusolver", "CUSOLVER_VER", "cusolver_common.h"),
    "curand": _toolkit("curand.h", "curand", "CURAND_VER"),
    "cufft": _toolkit("cufft.h", "cufft", "CUFFT_VER"),
    "nvrtc": CppLibrary("nvrtc.h", "nvrtc"),
    "nvjitlink": CppLibrary("nvJitLink.h", "nvJitLink"),
    "nvtx": CppLibrary("nvtx3/nvToolsExt.h"),
    "cub": CppLibrary("cub/cub.cuh", "", ("cub/version.cuh", "CUB_VERSION"), (100_000, 100, 1)),
    "thrust": CppLibrary(
        "thrust/version.h", "", ("thrust/version.h", "THRUST_VERSION"), (100_000, 100, 1)
    ),
    "libcudacxx": CppLibrary("cuda/std/version"),
    "cudnn": CppLibrary(
        "cudnn.h",
        "cudnn",
        ("cudnn_version.h", "CUDNN_MAJOR", "CUDNN_MINOR", "CUDNN_PATCHLEVEL"),
        home=("CUDNN_HOME", "CUDNN_PATH", "CUDNN_ROOT"),
        hint="pip install nvidia-cudnn-cu13 (or -cu12), or set CUDNN_HOME",
    ),
    "nccl": CppLibrary(
        "nccl.h",
        "nccl",
        ("nccl.h", "NCCL_MAJOR", "NCCL_MINOR", "NCCL_PATCH"),
        home=("NCCL_HOME", "NCCL_ROOT"),
        hint="pip install nvidia-nccl-cu13 (or -cu12), or set NCCL_HOME",
    ),
    "cutlass": _CUTLASS,
    "cute": CppLibrary("cute/tensor.hpp", "", _CUTLASS.version, (), _CUTLASS.home, _CUTLASS.hint),
}
"""Libraries by the name that asks for them, in lower case."""


def find_library(library: CppLibrary) -> Iterator[Found]:
    """Every copy of a library that is here, the one to be preferred first."""
    seen: set[Path] = set()
    for root in _roots(library):
        for folder in _include_folders(root):
            if (folder / library.header).is_file() and folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield _found(library, root, folder)


def _found(library: CppLibrary, root: Path, folder: Path) -> Found:
    headers = [folder]
    utilities = root / "tools/util/include"
    if library.header.startswith("cut") and utilities.is_dir():
        headers.append(utilities)
    includes = () if root in _SYSTEM else tuple(map(str, headers))
    version = _version(library, folder)
    if not library.link:
        return Found(version, includes)
    for place in _library_folders(root):
        if name := _link_name(place, library.link):
            here = (str(place),)
            # Stubs stand for a driver's library, which is elsewhere at run time.
            lasting = () if place.name == "stubs" or root in _SYSTEM else here
            return Found(version, includes, (name,), here, lasting)
    for place in _DRIVER_FOLDERS:
        if name := _link_name(place, library.link):
            return Found(version, includes, (name,), (str(place),))
    # To ask for CUDA often means its headers; a driver's function that is called nevertheless is
    # left to the loader. Of other libraries the linker shall say that they are not there.
    return Found(version, includes, () if library.link == "cuda" else (library.link,))


def _link_name(folder: Path, link: str) -> str:
    if (folder / f"lib{link}.so").exists():
        return link
    # Python packages bring libcublas.so.12 without the name that -lcublas looks for.
    numbered = sorted(folder.glob(f"lib{link}.so.*"))
    return f":{numbered[0].name}" if numbered else ""


def _version(library: CppLibrary, folder: Path) -> str:
    if not library.version:
        return ""
    file, *macros = library.version
    try:
        text = (folder / file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    numbers: list[int] = []
    for macro in macros:
        match = re.search(rf"^\s*#\s*define\s+{macro}\s+\(?(\d+)", text, re.MULTILINE)
        if match is None:
            return ""
        numbers.append(int(match[1]))
    if library.steps:
        rest, numbers = numbers[0], []
        for step in library.steps:
            numbers.append(rest // step)
            rest %= step
    return ".".join(map(str, numbers))


def _roots(library: CppLibrary) -> Iterator[Path]:
    for variable in library.home:
        if value := os.environ.get(variable):
            yield Path(value)
    if nvcc := shutil.which("nvcc"):
        yield Path(nvcc).resolve().parents[1]
    for variable in ("CUDA_HOME", "CUDA_PATH"):
        if value := os.environ.get(variable):
            yield Path(value)
    yield _TOOLKIT
    for package in package_folders("nvidia"):
        yield from sorted((item for item in package.iterdir() if item.is_dir()), reverse=True)
    for name, below in (
        ("cutlass_library", "source"),
        ("flashinfer", "data/cutlass"),
        ("tilelang", "3rdparty/cutlass"),
    ):
        yield from (package / below for package in package_folders(name))
    if value := os.environ.get("CONDA_PREFIX"):
        yield Path(value)
    yield Path(sys.prefix)
    yield from (Path("/opt/cutlass"), Path("/usr/local/cutlass"), *reversed(_SYSTEM))


def package_folders(name: str) -> list[Path]:
    """Folders of an installed Python package, which is not imported."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return []
    if spec is None or spec.submodule_search_locations is None:
        return []
    return [Path(item) for item in spec.submodule_search_locations if Path(item).is_dir()]


def _include_folders(root: Path) -> Iterator[Path]:
    for base in (root / "include", root / "targets" / _TARGET / "include"):
        yield from (base, base / "cccl")


def _library_folders(root: Path) -> Iterator[Path]:
    for base in (root / "lib64", root / "lib", root / "targets" / _TARGET / "lib"):
        yield from (base, base / "stubs")
