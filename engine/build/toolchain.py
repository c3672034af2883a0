"""Compilers and the packages that compiled solutions are bound by: where they are, which version.

Looks at files and asks compilers for their version; imports none of the packages.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from engine.build.cpp_libraries import package_folders
from engine.build.layout import CannotBuild
from engine.schema import Binding, Language


class Toolchain(Struct, frozen=True, kw_only=True):
    """What one kind of build needs.

    Args:
        compiler: For C++ and for linking.
        nvcc: For CUDA, or "".
        versions: Everything whose change must build anew.
        includes: Folders of headers.
        libraries: Folders of libraries.
        links: Names of libraries.
        defines: Preprocessor definitions.
        standard: Of C++.
    """

    compiler: str
    nvcc: str
    versions: tuple[str, ...]
    includes: tuple[str, ...]
    libraries: tuple[str, ...]
    links: tuple[str, ...]
    defines: tuple[str, ...] = ()
    standard: str = "c++17"


@cache
def find_toolchain(language: Language, binding: Binding) -> Toolchain:
    """What a build needs.

    Raises:
        CannotBuild: A compiler or package is missing; says which and what brings it.
    """
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        raise CannotBuild("no C++ compiler (c++) on the PATH; install g++ or set CXX")
    nvcc = ""
    if language is Language.CUDA:
        nvcc = _find_nvcc()
    versions = [_version(compiler)]
    if nvcc:
        versions.append(_version(nvcc))
    if binding is Binding.TVM_FFI:
        root, version = _package("tvm_ffi", "apache-tvm-ffi")
        return Toolchain(
            compiler=compiler,
            nvcc=nvcc,
            versions=(*versions, version),
            includes=(str(root / "include"),),
            libraries=(str(root / "lib"),),
            links=("tvm_ffi",),
        )
    root, version = _package("torch", "torch")
    include = root / "include"
    links = ["c10", "torch", "torch_cpu", "torch_python"]
    includes = [include, include / "torch/csrc/api/include", Path(sysconfig.get_path("include"))]
    if nvcc:
        links += ["c10_cuda", "torch_cuda"]
        includes.append(Path(nvcc).resolve().parents[1] / "include")
    return Toolchain(
        compiler=compiler,
        nvcc=nvcc,
        versions=(*versions, version),
        includes=tuple(map(str, includes)),
        libraries=(str(root / "lib"),),
        links=tuple(links),
        defines=("TORCH_EXTENSION_NAME=solution",),
        standard="c++20" if _release(version) >= (2, 12) else "c++17",
    )


def _release(version: str) -> tuple[int, ...]:
    """First two numbers of ``torch-2.13.0+cpu``."""
    return tuple(int(part) for part in version.rpartition("-")[2].split(".")[:2])


def _find_nvcc() -> str:
    home = os.environ.get("CUDA_HOME") or "/usr/local/cuda"
    for found in (shutil.which("nvcc"), shutil.which("nvcc", path=f"{home}/bin")):
        if found:
            return found
    for package in package_folders("nvidia"):
        for path in sorted(package.glob("*/bin/nvcc"), reverse=True):
            if os.access(path, os.X_OK):
                return str(path)
    raise CannotBuild(
        "no CUDA compiler (nvcc) on the PATH, in CUDA_HOME or among the installed packages"
    )


def _version(program: str) -> str:
    try:
        found = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotBuild(f"{program} does not run: {error}") from None
    return f"{program}: {' '.join(found.stdout.split())}"


def _package(module: str, distribution: str) -> tuple[Path, str]:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise CannotBuild(f"{distribution} is not installed; pip install {distribution}")
    return Path(spec.origin).parent, f"{distribution}-{metadata.version(distribution)}"
