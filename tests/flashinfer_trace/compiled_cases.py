"""What the tests of the bundled CUDA and C++ solutions share: their names, and building one."""

from __future__ import annotations

import json
from pathlib import Path

from engine.build.compiler import Compiled, compile_solution
from engine.schema import Language, Solution, decode
from flashinfer_trace import ROOT
from tests.flashinfer_trace.bundled import Record, solutions
from tests.flashinfer_trace.families import names

NORMS = [name for name in names("rmsnorm") if not name.startswith("fused")]
FUSED = "fused_add_rmsnorm_h4096"
ROPE = "rope_with_cos_sin_cache_neox_style_d128_rd64"
TOP_K = [name for name in names("sampling") if name.startswith("top_k_sampling")]
CPP = "cpp_rmsnorm_h128"
COMPILED = sorted([CPP, *(f"cuda_{name}" for name in (*NORMS, FUSED, ROPE, *TOP_K))])


def compiled_records() -> dict[str, Record]:
    """Return every bundled solution that a compiler must see, by name."""
    return {
        name: record
        for name, record in solutions().items()
        if record["spec"]["language"] in (Language.CUDA, Language.CPP)
    }


def main_text(record: Record) -> str:
    """Return the source file that holds the entry function."""
    file = record["spec"]["entry_point"].split("::")[0]
    text: str = next(item["content"] for item in record["sources"] if item["path"] == file)
    return text


def build(name: str, cache: Path, architecture: str = "") -> Compiled:
    """Compile a bundled solution."""
    (file,) = (ROOT / "solutions").rglob(f"{name}.json")
    solution = decode(file.read_bytes(), Solution)
    return compile_solution(solution, architecture=architecture, limit_s=240, cache=cache)


def constants(record: Record) -> dict[str, float]:
    """Return the numbers of its main file that are written out."""
    found: dict[str, float] = {}
    for line in main_text(record).splitlines():
        words = line.removeprefix("constexpr ").removesuffix(";").split()
        if line.startswith("constexpr ") and len(words) == 4:
            try:
                found[words[1]] = json.loads(words[3])
            except ValueError:
                continue
    return found
