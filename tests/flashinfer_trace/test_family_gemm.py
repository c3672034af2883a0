"""Every bundled product: against float64, against the real dataset's meaning, and its tiles."""

from __future__ import annotations

import subprocess
import sys
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
    workloads,
)
from tests.flashinfer_trace.families import distinct, names, sample_run

NAMES = names("gemm")


def products(seed: int = 3) -> Iterator[Record]:
    bits = torch.Generator().manual_seed(seed)
    for m, n, k in ((1, 24, 64), (7, 33, 129), (40, 5, 512)):
        shapes = {"A": (m, k), "B": (n, k)}
        yield {key: torch.randn(shape, generator=bits).half() for key, shape in shapes.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_product_is_summed_exactly_and_rounded_once(name: str) -> None:
    for inputs in products():
        before = {key: value.clone() for key, value in inputs.items()}
        actual = reference(name)(**inputs)
        assert all(torch.equal(value, before[key]) for key, value in inputs.items())
        exact = inputs["A"].double().numpy() @ inputs["B"].double().numpy().T
        assert actual.dtype == torch.float16
        np.testing.assert_allclose(actual.double().numpy(), exact, rtol=2**-10, atol=2**-12)


def test_a_product_means_what_the_real_one_means() -> None:
    run = sample_run("gemm_n4096_k4096", {})
    for inputs in products():
        torch.testing.assert_close(
            reference(NAMES[0])(**inputs), run(**inputs), rtol=2**-9, atol=2**-9
        )


def test_all_products_share_one_reference_and_one_solution_of_each_author() -> None:
    assert len({definitions()[name]["reference"] for name in NAMES}) == 1
    for prefix in ("torch", "triton"):
        assert len(distinct([solutions()[f"{prefix}_{name}"] for name in NAMES])) == 1


def test_the_baseline_matches_the_reference(tmp_path: Path) -> None:
    record = solutions()[f"torch_{NAMES[0]}"]
    run = load(record, tmp_path)
    for inputs in products():
        assert_same(call(record, run, inputs), (reference(NAMES[0])(**inputs),))


def test_every_layer_gets_a_tile_that_divides_k_and_shares_the_work_out(tmp_path: Path) -> None:
    """In a process of its own: triton is imported here as on a machine with a GPU."""
    pytest.importorskip("triton")
    load(solutions()[f"triton_{NAMES[0]}"], tmp_path)
    shapes = []
    for name in NAMES:
        axes = definitions()[name]["axes"]
        for line in workloads(name):
            rows = line["workload"]["axes"]["M"]
            shapes.append((rows, axes["N"]["value"], axes["K"]["value"]))
    code = f"""
from triton_{NAMES[0]}.main import _ENOUGH, _TILES, _choose, _programs
smallest = _TILES[0][1]
for M, N, K in {shapes}:
    tile = _choose(M, N)
    assert K % tile.k == 0, (M, N, K, tile)
    assert tile == smallest or _programs(M, N, tile) >= _ENOUGH, (M, N, tile)
for limit, tile in _TILES[:-1]:
    assert _choose(limit, 4096) == tile
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
