"""Compiles C++ and CUDA solutions into libraries, in parallel, with limits, cached by content.

Runs compilers, never what they produce. A library is named by everything that goes into it: the
solution's content, the binding, compilers and packages, the GPU's architecture and the flags.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from engine.build.diagnostics import first_error
from engine.build.layout import CannotBuild, lay_out
from engine.build.toolchain import Toolchain, find_toolchain
from engine.places import cache_dir
from engine.schema import Binding, Language, Solution, digest

COMPILED = (Language.CPP, Language.CUDA)
LIBRARY = "solution.so"
LOG = "build.log"
_CPP = {".cpp", ".cc", ".cxx"}
_FLAGS = ("-O3", "-fPIC")
_CUDA_FLAGS = ("-O3", "-Xcompiler", "-fPIC", "--expt-relaxed-constexpr")
_LOG_LIMIT = 64 << 10


class CompileFailed(Exception):
    """The sources do not compile.

    Attributes:
        reason: The first error, in one line.
        log: What the compilers said.
    """

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.log = log


class CompileTimedOut(CompileFailed):
    """The compilers did not finish in time; they were killed."""


class Compiled(Struct, kw_only=True, frozen=True):
    """A library that is ready to be loaded.

    Args:
        library: Its file, in the cache; never to be changed.
        cached: It was there already.
    """

    library: Path
    cached: bool
    seconds: float


def binding_of(solution: Solution) -> Binding:
    """The binding that a compiled solution uses; tvm-ffi where it names none."""
    return solution.spec.binding or Binding.TVM_FFI


def compile_solution(
    solution: Solution,
    *,
    architecture: str,
    limit_s: float,
    stop: Callable[[], bool] = lambda: False,
    cache: Path | None = None,
) -> Compiled:
    """Compile a solution, or find the library that was compiled before.

    Args:
        solution: In C++ or CUDA.
        architecture: Compute capability without the dot ("90"), or "" without a GPU.
        limit_s: Seconds for all of it.
        stop: Asked now and then; True gives up.
        cache: Folder of libraries; the user's where None.

    Raises:
        CannotBuild: A compiler or package is missing, or there is nothing to compile.
        CompileFailed: The sources are wrong.
        CompileTimedOut: It took too long, or was stopped.
        OSError: The cache cannot be written.
    """
    started = time.monotonic()
    binding = binding_of(solution)
    tools = find_toolchain(solution.spec.language, binding)
    folder = (cache or cache_dir() / "builds") / _key(solution, binding, tools, architecture)
    library = folder / LIBRARY
    if library.is_file():
        return Compiled(library=library, cached=True, seconds=time.monotonic() - started)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="building-", dir=folder.parent))
    try:
        sources = lay_out(solution, work)
        deadline = started + limit_s
        _build(solution, sources, work / LIBRARY, tools, architecture, deadline, stop)
        try:
            work.rename(folder)
        except OSError:
            if not library.is_file():  # else somebody else was faster, with the same content
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Compiled(library=library, cached=False, seconds=time.monotonic() - started)


def _key(solution: Solution, binding: Binding, tools: Toolchain, architecture: str) -> str:
    flags = [*_FLAGS, *_CUDA_FLAGS, *tools.defines, tools.standard]
    return digest([solution.content_hash(), binding, architecture, *tools.versions, *flags])


def _build(
    solution: Solution,
    folder: Path,
    library: Path,
    tools: Toolchain,
    architecture: str,
    deadline: float,
    stop: Callable[[], bool],
) -> None:
    commands: list[list[str]] = []
    objects: list[str] = []
    for source in solution.sources:
        suffix = Path(source.path).suffix
        if suffix not in _CPP | {".cu"}:
            continue
        target = library.with_name(f"{len(objects)}.o")
        objects.append(str(target))
        commands.append(_compile_command(source.path, suffix, target, tools, architecture, folder))
    if not commands:
        raise CannotBuild("there is no .cpp, .cc, .cxx or .cu file to compile")

    def run(command: Sequence[str]) -> str:
        return _run(command, folder, deadline, stop)

    with ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0)))) as pool:
        logs = list(pool.map(run, commands))
    logs.append(run(_link_command(objects, library, tools)))
    library.with_name(LOG).write_text("".join(logs), encoding="utf-8", errors="replace")
    for item in objects:
        Path(item).unlink()


def _compile_command(
    path: str, suffix: str, target: Path, tools: Toolchain, architecture: str, folder: Path
) -> list[str]:
    includes = [f"-I{item}" for item in (str(folder), *tools.includes)]
    common = [f"-std={tools.standard}", *(f"-D{item}" for item in tools.defines), *includes]
    if suffix != ".cu":
        return [tools.compiler, *_FLAGS, *common, "-c", path, "-o", str(target)]
    if not tools.nvcc:
        raise CannotBuild(f"{path} is CUDA, but the solution's language is not")
    code = f"-gencode=arch=compute_{architecture},code=sm_{architecture}"
    chosen = [code] if architecture else []
    return [tools.nvcc, *_CUDA_FLAGS, *chosen, *common, "-c", path, "-o", str(target)]


def _link_command(objects: Sequence[str], library: Path, tools: Toolchain) -> list[str]:
    places = [f"-L{item}" for item in tools.libraries]
    links = [f"-l{item}" for item in tools.links]
    linker = tools.nvcc or tools.compiler
    return [linker, "-shared", *objects, "-o", str(library), *places, *links]


def _run(command: Sequence[str], folder: Path, deadline: float, stop: Callable[[], bool]) -> str:
    """Run one command with its whole process group under the limit; return what it said."""
    environment = {
        name: os.environ[name] for name in ("PATH", "LANG", "CUDA_HOME") if name in os.environ
    }
    environment |= {"HOME": str(folder), "TMPDIR": str(folder.parent)}
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        timed_out = False
        while process.poll() is None:
            if time.monotonic() > deadline or stop():
                timed_out = True
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                break
            time.sleep(0.02)
        output.seek(0)
        text = output.read(_LOG_LIMIT).decode("utf-8", "replace").replace(f"{folder}/", "")
    if timed_out:
        raise CompileTimedOut("the compiler did not finish within the limit", text)
    if process.returncode != 0:
        raise CompileFailed(first_error(text) or f"{Path(command[0]).name} failed", text)
    return text
