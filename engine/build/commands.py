"""The commands that make a library of a solution's sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from engine.build.dependencies import Needs
from engine.build.layout import CannotBuild
from engine.build.toolchain import Toolchain
from engine.schema import Solution

FLAGS = ("-O3", "-fPIC")
CUDA_FLAGS = ("-O3", "-Xcompiler", "-fPIC", "--expt-relaxed-constexpr")
_CPP = {".cpp", ".cc", ".cxx"}
_CUDA = {".cu"}
# A name that begins with "-" or "@" is an option to a compiler ("-specs=x.cc" runs programs), and
# nvcc gives names to a shell.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+/-]*")


class Command(Struct, frozen=True):
    """One command.

    Args:
        name: What it is about: a source file, or the library.
        words: Program and arguments.
    """

    name: str
    words: tuple[str, ...]


class OddName(ValueError):
    """The name of a source file cannot be given to a compiler."""


def compile_commands(
    solution: Solution, tools: Toolchain, needs: Needs, architecture: str, folder: Path
) -> list[Command]:
    """One command for each source file that is to be compiled.

    Args:
        solution: Its sources.
        tools: Compilers, and what the binding needs.
        needs: What the solution's dependencies need.
        architecture: Compute capability without the dot ("90"), or "" for the compiler's default.
        folder: Where the sources were laid out; objects are written beside it, as 0.o, 1.o, ...

    Raises:
        CannotBuild: There is nothing to compile, or CUDA in a solution of another language.
        OddName: A file's name could be taken for something else.
    """
    paths = [source.path for source in solution.sources if Path(source.path).suffix in _CPP | _CUDA]
    if not paths:
        raise CannotBuild("there is no .cpp, .cc, .cxx or .cu file to compile")
    commands: list[Command] = []
    includes = [f"-I{item}" for item in (str(folder), *tools.includes, *needs.includes)]
    common = [f"-std={tools.standard}", *(f"-D{item}" for item in tools.defines), *includes]
    for number, path in enumerate(paths):
        if not _PLAIN_NAME.fullmatch(path):
            raise OddName(
                f"{path!r} cannot be given to a compiler: name source files by letters, digits "
                "and _ . + - only"
            )
        rest = [*common, "-c", path, "-o", str(folder.with_name(f"{number}.o"))]
        if Path(path).suffix in _CPP:
            words = [tools.compiler, *FLAGS, *rest]
        elif tools.nvcc:
            code = f"-gencode=arch=compute_{architecture},code=sm_{architecture}"
            words = [tools.nvcc, *CUDA_FLAGS, *([code] if architecture else []), *rest]
        else:
            raise CannotBuild(f"{path} is CUDA, but the solution's language is not")
        commands.append(Command(path, tuple(words)))
    return commands


def link_command(objects: Sequence[str], library: Path, tools: Toolchain, needs: Needs) -> Command:
    """The command that makes the library of the objects."""
    words = [tools.nvcc or tools.compiler, "-shared", *objects, "-o", str(library)]
    words += [f"-L{item}" for item in (*tools.libraries, *needs.libraries)]
    words += [f"-l{item}" for item in (*tools.links, *needs.links)]
    for item in needs.run_paths:
        words += ["-Xlinker", "-rpath", "-Xlinker", item]
    return Command("link", tuple(words))
