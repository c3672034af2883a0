"""The commands that compilers get."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.build.commands import OddName, compile_commands, link_command
from engine.build.dependencies import Needs
from engine.build.layout import CannotBuild
from engine.build.toolchain import Toolchain
from engine.schema import BuildSpec, Language, Solution, SourceFile

TOOLS = Toolchain(
    compiler="/bin/c++",
    nvcc="/cuda/bin/nvcc",
    versions=("1",),
    includes=("/ffi/include",),
    libraries=("/ffi/lib",),
    links=("tvm_ffi",),
)
NEEDS = Needs(("/cutlass/include",), ("cublas", ":libcudnn.so.9"), ("/c/lib",), ("/c/lib",))


def solution(*paths: str) -> Solution:
    return Solution(
        name="x",
        definition="d",
        author="a",
        spec=BuildSpec(
            language=Language.CUDA, target_hardware=["cuda"], entry_point=f"{paths[0]}::run"
        ),
        sources=[SourceFile(path=path, content="x") for path in paths],
    )


def test_cuda_goes_to_nvcc_for_its_architecture_and_cpp_to_the_compiler() -> None:
    commands = compile_commands(
        solution("a.cu", "sub/b.cc", "c.h"), TOOLS, NEEDS, "90", Path("/w/src")
    )
    cuda, cpp = commands
    assert (cuda.name, cpp.name) == ("a.cu", "sub/b.cc")
    assert cuda.words[0] == "/cuda/bin/nvcc"
    assert "-gencode=arch=compute_90,code=sm_90" in cuda.words
    assert cpp.words[0] == "/bin/c++"
    assert cpp.words[-4:] == ("-c", "sub/b.cc", "-o", "/w/1.o")
    for words in (cuda.words, cpp.words):
        assert {"-I/w/src", "-I/ffi/include", "-I/cutlass/include"} < set(words)


def test_without_an_architecture_nvcc_chooses() -> None:
    (command,) = compile_commands(solution("a.cu"), TOOLS, Needs(), "", Path("/w/src"))
    assert not [word for word in command.words if "gencode" in word]


def test_dependencies_are_linked_and_found_at_run_time() -> None:
    words = link_command(["/w/0.o"], Path("/w/solution.so"), TOOLS, NEEDS).words
    assert words[0] == "/cuda/bin/nvcc"
    assert {"-ltvm_ffi", "-lcublas", "-l:libcudnn.so.9", "-L/ffi/lib", "-L/c/lib"} < set(words)
    assert words[-4:] == ("-Xlinker", "-rpath", "-Xlinker", "/c/lib")


@pytest.mark.parametrize(
    "path", ["-specs=x.cc", "@arguments.cc", "$(touch x).cu", "a b.cc", "`x`.cu", 'a".cu', "a;b.cu"]
)
def test_a_name_that_a_compiler_could_take_for_something_else_is_refused(path: str) -> None:
    with pytest.raises(OddName, match="cannot be given to a compiler"):
        compile_commands(solution(path), TOOLS, Needs(), "", Path("/w/src"))


def test_cuda_in_a_cpp_solution_is_refused() -> None:
    tools = Toolchain(
        compiler="c++", nvcc="", versions=(), includes=(), libraries=(), links=(), defines=()
    )
    with pytest.raises(CannotBuild, match=r"a\.cu is CUDA"):
        compile_commands(solution("a.cu"), tools, Needs(), "", Path("/w/src"))
