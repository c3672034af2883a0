"""Run every Triton solution on small inputs; a program, since the interpreter must be chosen
before triton is imported. Prints one line for each definition that matches the reference."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

from tests.flashinfer_trace.bundled import (
    NAMES,
    TOP_K,
    as_tuple,
    assert_same,
    call,
    kept_weights,
    load,
    reference,
    small_inputs,
    solutions,
)

QUANTILES = 41


def check_sampling(folder: Path) -> None:
    """With evenly spread uniform numbers, each token is drawn as often as its share says."""
    record = solutions()[f"triton_{TOP_K}"]
    run = load(record, folder)
    (inputs,) = small_inputs(TOP_K)
    expected = kept_weights(inputs["probs"], inputs["top_k"])
    repeated = {key: value.repeat_interleave(QUANTILES, dim=0) for key, value in inputs.items()}
    spread = (torch.arange(QUANTILES) + 0.5) / QUANTILES
    genuine, torch.rand = torch.rand, lambda *_, **__: spread.repeat(len(inputs["top_k"]))
    try:
        (samples,) = call(record, run, repeated)
    finally:
        torch.rand = genuine
    one_hot = torch.nn.functional.one_hot(samples.view(-1, QUANTILES), expected.shape[1])
    seen = one_hot.double().sum(dim=1)
    assert (seen[expected == 0] == 0).all()
    assert (seen - expected * QUANTILES).abs().max() <= 1

    edges = torch.tensor([0.0, 1.0])  # the ends, even the one that torch.rand leaves out
    torch.rand = lambda *_, **__: edges
    try:
        tiny = {"probs": torch.tensor([[0.0, 0.5, 0.5, 0.0]] * 2), "top_k": torch.tensor([3, 9])}
        tiny["top_k"] = tiny["top_k"].to(torch.int32)
        (samples,) = call(record, run, tiny)
    finally:
        torch.rand = genuine
    assert samples.tolist() == [1, 2]


def check(name: str, folder: Path) -> None:
    """Outputs equal the reference's on every set of small inputs."""
    record = solutions()[f"triton_{name}"]
    run = load(record, folder)
    for inputs in small_inputs(name):
        expected = as_tuple(reference(name)(*inputs.values()))
        assert_same(call(record, run, inputs), expected)


def main() -> None:
    for name in NAMES:
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            if name == TOP_K:
                check_sampling(Path(folder))
            else:
                check(name, Path(folder))
        print(name)
        print(f"{time.perf_counter() - begin:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
