"""The bundled CUDA and C++ solutions: their files fit the definitions, and what can be compiled
and run without a GPU compiles, is right and refuses what it cannot take."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.build.library import load_library
from engine.run.client import submit
from engine.schema import Binding, Status
from flashinfer_trace import ROOT
from flashinfer_trace.authoring.emit import with_cpp_constants
from tests.engine.run.conftest import wait_for
from tests.flashinfer_trace.bundled import definitions, reference
from tests.flashinfer_trace.compiled_cases import (
    COMPILED,
    CPP,
    ROPE,
    TOP_K,
    build,
    compiled_records,
    constants,
    main_text,
)

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def rmsnorm(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The C++ solution, compiled and loaded."""
    library = build(CPP, tmp_path_factory.mktemp("builds")).library
    return load_library(str(library), Binding.TVM_FFI, "run")


def rows(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs, and an output full of NaN."""
    seed = torch.Generator().manual_seed(count)
    hidden_states = torch.randn(count, 128, generator=seed).bfloat16()
    weight = torch.randn(128, generator=seed).bfloat16()
    return hidden_states, weight, torch.full_like(hidden_states, torch.nan)


def test_these_are_the_compiled_solutions() -> None:
    assert sorted(compiled_records()) == COMPILED


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_solution_says_how_it_is_built_and_where_it_runs(name: str) -> None:
    record = compiled_records()[name]
    prefix, _, definition = name.partition("_")
    assert (record["author"], record["definition"]) == ("fitui", definition)
    spec = record["spec"]
    assert spec["language"] == prefix
    assert spec["target_hardware"] == {"cuda": ["cuda"], "cpp": ["cpu"]}[prefix]
    assert spec["entry_point"] == {"cuda": "main.cu::run", "cpp": "main.cpp::run"}[prefix]
    paths = [source["path"] for source in record["sources"]]
    assert all(f'#include "{path}"' in main_text(record) for path in paths[1:])


@pytest.mark.parametrize("name", COMPILED)
def test_the_exported_function_takes_the_inputs_then_the_outputs_it_writes(name: str) -> None:
    record = compiled_records()[name]
    text, spec = main_text(record), record["spec"]
    exports = {
        "tvm-ffi": r"^TVM_FFI_DLL_EXPORT_TYPED_FUNC\(run, (\w+)\);$",
        "torch": r'module\.def\("run", &(\w+)\)',
    }
    (function,) = re.findall(exports[spec["binding"]], text, re.MULTILINE)
    ((returns, parameters),) = re.findall(rf"^(\S+) {function}\(([^)]*)\) {{$", text, re.MULTILINE)
    definition = definitions()[record["definition"]]
    expected = list(definition["inputs"])
    if spec["destination_passing_style"]:
        expected += definition["outputs"]
    assert [word.split()[-1] for word in parameters.split(",")] == expected
    assert (returns == "void") == spec["destination_passing_style"]


@pytest.mark.parametrize("name", [name for name in COMPILED if "rmsnorm" in name])
def test_a_norm_is_compiled_for_its_definition_s_width_and_epsilon(name: str) -> None:
    record = compiled_records()[name]
    definition = definitions()[record["definition"]]
    found = constants(record)
    assert found["HIDDEN_SIZE"] == definition["axes"]["hidden_size"]["value"]
    assert f"EPSILON = {found['EPSILON']!r}\n" in definition["reference"]


def test_the_rope_is_compiled_for_its_definition_s_head() -> None:
    axes = definitions()[ROPE]["axes"]
    found = constants(compiled_records()[f"cuda_{ROPE}"])
    assert found["HEAD_SIZE"] == axes["head_size"]["value"]
    assert found["ROTARY_DIM"] == axes["rotary_dim"]["value"]


def test_constants_of_a_cpp_file_get_other_values_and_unknown_ones_are_refused() -> None:
    source = (
        "constexpr int WIDTH = 4;\nconstexpr float EPS = 1e-5;\nconstexpr int HALF = 2;  // x\n"
    )
    other = with_cpp_constants(source, {"WIDTH": 8, "EPS": 1e-6})
    assert other == source.replace("4", "8").replace("1e-5", "1e-06")
    for name in ("HALF", "NONE"):
        with pytest.raises(ValueError, match=f"no constant {name}"):
            with_cpp_constants(source, {name: 1})


def test_the_cpp_solution_passes_through_the_runner(tmp_path: Path) -> None:
    layers = [ROOT, tmp_path / "overlay"]
    handle = submit(layers, devices=["cpu"], solutions=[CPP], quick=True)
    wait_for(handle, lambda found: not found.live, 120)
    cells = handle.progress.cells.values()
    assert len(cells) == 4, (handle.state, handle.progress)
    assert {cell.status for cell in cells} == {Status.PASSED}, cells


@pytest.mark.parametrize("count", [0, 1, 100])
def test_the_cpp_solution_is_the_reference_but_for_rounding(rmsnorm: Run, count: int) -> None:
    hidden_states, weight, output = rows(count)
    assert rmsnorm(hidden_states, weight, output) is None
    expected = reference("rmsnorm_h128")(hidden_states, weight)
    torch.testing.assert_close(output, expected, rtol=2**-7, atol=0)
    assert (output == expected).float().mean() > 0.99 or not count


def test_the_cpp_solution_keeps_odd_numbers_as_the_reference_does(rmsnorm: Run) -> None:
    hidden_states, weight, output = rows(6)
    hidden_states[0, 3] = torch.nan
    hidden_states[1, 4] = torch.inf
    hidden_states[2] = 0
    hidden_states[3] *= 1e-20
    hidden_states[4] *= 1e30  # the squares are infinite
    weight[7], weight[8], weight[9] = -torch.inf, torch.nan, -0.0
    rmsnorm(hidden_states, weight, output)
    expected = reference("rmsnorm_h128")(hidden_states, weight)
    torch.testing.assert_close(output, expected, rtol=2**-7, atol=0, equal_nan=True)


def test_the_cpp_solution_rounds_to_the_nearest_and_ties_to_even(rmsnorm: Run) -> None:
    # 14 * 3^2 + 2 * 1^2 = 128: the scale is exactly 2^-40, beside which epsilon vanishes.
    numbers = torch.tensor([3.0] * 14 + [1.0] * 2 + [0.0] * 112)
    weight = (128 + torch.arange(128)) / 128  # every bfloat16 from 1 to 2
    for turn in range(0, 128, 14):
        _, _, output = rows(1)
        factors = weight.roll(-turn).bfloat16()
        rmsnorm((numbers * 2.0**40).bfloat16()[None], factors, output)
        exact = numbers * factors.float()
        assert torch.equal(output[0], exact.bfloat16())
    assert ((3 * weight).view(torch.int32) & 0xFFFF == 0x8000).sum() > 30  # ties among them


def test_the_cpp_solution_says_what_it_cannot_take(rmsnorm: Run) -> None:
    x, w, y = rows(5)
    wide = torch.zeros(5, 256).bfloat16()
    shifted = torch.zeros(5 * 128 + 1).bfloat16()[1:].view(5, 128)
    for arguments, error, message in (
        ((x.half(), w, y), TypeError, "hidden_states must be bfloat16, not float16"),
        ((wide, w, y), ValueError, r"hidden_states must have shape \[5, 128\], not \[5, 256\]"),
        ((x, w[:64], y), ValueError, r"weight must have shape \[128\], not \[64\]"),
        ((x, w, y[:4]), ValueError, r"output must have shape \[5, 128\], not \[4, 128\]"),
        ((wide[:, ::2], w, y), ValueError, "hidden_states must be contiguous"),
        ((shifted, w, y), ValueError, "hidden_states must begin at a multiple of 16 bytes"),
    ):
        with pytest.raises(error, match=message):
            rmsnorm(*arguments)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
@pytest.mark.parametrize("name", ["rmsnorm_h128", "rmsnorm_h4096", ROPE, TOP_K[0]])
def test_cuda_bound_by_tvm_ffi_compiles_for_the_oldest_gpu(name: str, tmp_path: Path) -> None:
    assert build(f"cuda_{name}", tmp_path, "80").library.is_file()
