"""From a line of a log to a line of a solution's source."""

from __future__ import annotations

import pytest

from engine.insight.causes import cause_of
from engine.insight.folding import log_lines
from engine.insight.places import Place, find_place, source_of
from tests.engine.insight import failure_logs as logs

KERNEL = "\n".join(
    [
        "import triton",
        "import triton.language as tl",
        "",
        "",
        "@triton.jit",
        "def rmsnorm_kernel(x, w, y, n, BLOCK: tl.constexpr):",
        "    row = tl.program_id(0)",
        "    offs = tl.arange(0, BLOCK)",
        "    mask = offs < n",
        "    v = tl.load(x + row * n + offs, mask=mask, other=0.0)",
        "    scale = tl.load(w + offs, mask=mask)",
        "    v = v.to(tl.float32)",
        "    var = tl.sum(v * v) / n",
        "    out = v * tl.math.rsqrtt(var)",
        *[""] * 40,
    ]
)
LONG = "\n" * 200

INSTANTIATED = """\
/usr/local/cuda/include/cuda_bf16.hpp(130): error: no operator "+" matches these operands
          detected during:
            instantiation of "T add(T, T) [with T=int]" at line 12 of util/math.cuh
            instantiation of "void k(T *) [with T=int]" at line 88 of kernel.cu
"""


def _of_cause(log: str, sources: dict[str, str]) -> Place | None:
    return find_place(log_lines(log), cause_of("RUNTIME_ERROR", log).at, sources)


def test_a_compiler_names_file_and_line() -> None:
    assert _of_cause(logs.NVCC_OURS, {"kernel.cu": LONG}) == ("kernel.cu", 88)


def test_a_path_of_another_machine_is_told_by_its_end() -> None:
    sources = {"src/main.cu": LONG, "main.py": LONG}
    assert _of_cause(logs.NVCC_WRAPPED, sources) == ("src/main.cu", 31)


def test_an_exception_is_placed_by_its_innermost_frame_in_the_sources() -> None:
    assert _of_cause(logs.HANDLED, {"main.py": LONG, "plans.py": LONG}) == ("plans.py", 40)
    assert _of_cause(logs.HANDLED, {"main.py": LONG}) == ("main.py", 11)


def test_triton_is_placed_by_its_excerpt() -> None:
    assert _of_cause(logs.TRITON, {"other.py": "x\n", "main.py": KERNEL}) == ("main.py", 14)


def test_an_excerpt_that_is_nowhere_leaves_the_launch() -> None:
    assert _of_cause(logs.TRITON, {"main.py": LONG}) == ("main.py", 41)


def test_an_error_in_a_header_is_placed_by_what_instantiates_it() -> None:
    assert _of_cause(INSTANTIATED, {"kernel.cu": LONG}) == ("kernel.cu", 88)
    both = {"kernel.cu": LONG, "util/math.cuh": LONG}
    assert _of_cause(INSTANTIATED, both) == ("util/math.cuh", 12)


def test_a_line_beyond_the_source_is_no_place() -> None:
    assert _of_cause(logs.NVCC_OURS, {"kernel.cu": "one\ntwo"}) is None
    assert find_place([], -1, {}) is None
    assert find_place(["main.py:1"], 5, {"main.py": LONG}) is None


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("main.py", "main.py"),
        ("/home/ada/.cache/x/lib/a.py", "lib/a.py"),
        ("a.py", None),
        ("/elsewhere/b.py", "sub/b.py"),
        ("c.py", None),
    ],
)
def test_which_source_a_file_is(file: str, path: str | None) -> None:
    sources = {"main.py": "", "lib/a.py": "", "other/a.py": "", "sub/b.py": ""}
    assert source_of(file, sources) == path
