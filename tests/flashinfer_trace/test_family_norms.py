"""Every bundled norm: against float64, against the real dataset's meaning, and its baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.flashinfer_trace.bundled import (
    Record,
    assert_same,
    call,
    definitions,
    load,
    reference,
    solutions,
)
from tests.flashinfer_trace.families import distinct, names, sample_run

NAMES = names("rmsnorm")
WIDTH = 96
EPSILONS = {"llama": 1e-5, "others": 1e-6}


def epsilon_of(name: str) -> float:
    return EPSILONS["llama" if name.endswith("rmsnorm_h4096") else "others"]


def norm_inputs(name: str, width: int = WIDTH) -> Iterator[Record]:
    """Rows of usual size, rows so small that epsilon decides, and zeros."""
    seed = torch.Generator().manual_seed(7)
    for rows, size in ((1, 1.0), (5, 3.0), (3, 1e-3), (2, 0.0)):
        found = {}
        for tensor in definitions()[name]["inputs"]:
            shape = (width,) if tensor == "weight" else (rows, width)
            scale = 1.0 if tensor == "weight" else size
            found[tensor] = (scale * torch.randn(shape, generator=seed)).bfloat16()
        yield found


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_divided_by_their_root_mean_square(name: str) -> None:
    run = reference(name)
    for inputs in norm_inputs(name):
        before = {key: value.clone() for key, value in inputs.items()}
        actual = run(**inputs)
        assert all(torch.equal(value, before[key]) for key, value in inputs.items())
        rows = inputs["hidden_states"].double().numpy()
        if "residual" in inputs:
            rows = rows + inputs["residual"].double().numpy()
        exact = rows / np.sqrt((rows**2).mean(axis=1, keepdims=True) + epsilon_of(name))
        exact *= inputs["weight"].double().numpy()
        assert actual.dtype == torch.bfloat16
        np.testing.assert_allclose(actual.double().numpy(), exact, rtol=2**-8, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_norm_means_what_the_real_one_means(name: str) -> None:
    family = name.rpartition("_")[0] + "_h4096"
    run = sample_run(family, {"4096": str(WIDTH), "1e-5": repr(epsilon_of(name))})
    for inputs in norm_inputs(name):
        torch.testing.assert_close(reference(name)(**inputs), run(**inputs), rtol=2**-7, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_baseline_matches_the_reference_at_its_own_width(name: str, tmp_path: Path) -> None:
    record = solutions()[f"torch_{name}"]
    run = load(record, tmp_path)
    width = definitions()[name]["axes"]["hidden_size"]["value"]
    for inputs in norm_inputs(name, width):
        assert_same(call(record, run, inputs), (reference(name)(**inputs),))


def test_solutions_differ_in_nothing_but_epsilon_and_the_tile() -> None:
    for fused in (True, False):
        chosen = [name for name in NAMES if name.startswith("fused") is fused]
        for prefix, kinds in (("torch", 2), ("triton", 2 if fused else 3)):
            assert len(distinct([solutions()[f"{prefix}_{name}"] for name in chosen])) == kinds


@pytest.mark.parametrize("name", NAMES)
def test_epsilon_is_the_same_in_definition_and_solutions(name: str) -> None:
    stated = f"EPSILON = {epsilon_of(name)!r}\n"
    assert stated in definitions()[name]["reference"]
    assert f"{epsilon_of(name):.0e}".replace("e-0", "e-") in definitions()[name]["description"]
    for prefix in ("torch", "triton"):
        assert stated in solutions()[f"{prefix}_{name}"]["sources"][0]["content"]
