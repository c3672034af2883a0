"""Run the Triton solutions of whole families on small inputs; a program, since the interpreter
must be chosen before triton is imported. Solutions of equal sources are run once. Prints one line
for each solution that is right."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tests.flashinfer_trace.bundled import Record, assert_same, call, load, reference, solutions
from tests.flashinfer_trace.families import distinct, names
from tests.flashinfer_trace.sampling_cases import (
    exact,
    kind_of,
    repeated,
    seen,
    small_inputs,
    tied_inputs,
)
from tests.flashinfer_trace.test_family_gemm import products
from tests.flashinfer_trace.test_family_norms import norm_inputs

QUANTILES = 9
Run = Callable[..., Any]


@contextmanager
def uniform(numbers: torch.Tensor) -> Iterator[None]:
    """Let `torch.rand` answer with these."""
    genuine = torch.rand
    torch.rand = lambda *_, **__: numbers
    try:
        yield
    finally:
        torch.rand = genuine


def check_norm(record: Record, run: Run) -> None:
    """Outputs equal the reference's, also where the row is no power of two and tiles are cut."""
    for width in (96, 128):
        for inputs in norm_inputs(record["definition"], width):
            assert_same(call(record, run, inputs), (reference(record["definition"])(**inputs),))


def check_gemm(record: Record, run: Run) -> None:
    """Outputs equal the reference's with every tile of the table."""
    main = importlib.import_module(f"{record['name']}.main")
    for tile in (main._INTERPRETED, *(tile for _, tile in main._TILES), main._LARGE):
        main._INTERPRETED = tile
        for inputs in products():
            assert_same(call(record, run, inputs), (reference(record["definition"])(**inputs),))


def check_sampling(record: Record, run: Run) -> None:
    """With evenly spread uniform numbers, each token is drawn as often as its share says."""
    kind = kind_of(record["definition"])
    inputs = small_inputs(kind)
    rows = len(inputs["probs"])
    expected = exact(inputs)
    with uniform(((torch.arange(QUANTILES) + 0.5) / QUANTILES).repeat(rows)):
        (samples,) = call(record, run, repeated(inputs, QUANTILES))
    found = seen(samples, QUANTILES)
    assert (found[expected == 0] == 0).all()
    assert (found - expected * QUANTILES).abs().max() <= 1

    edges = torch.tensor([0.0, 1.0, 0.5, 0.999])  # the ends, even what torch.rand leaves out
    with uniform(edges):
        (samples,) = call(record, run, tied_inputs(kind))  # all that tie are kept
    assert samples.tolist() == [0, 9, 5, 9]


def check_long_rows(record: Record, run: Run) -> None:
    """Rows of several blocks: the last token kept is the reference's last one."""
    size = 150_000
    seed = torch.Generator().manual_seed(9)
    probs = torch.rand(2, size, generator=seed).pow(6)
    probs = probs / probs.sum(dim=1, keepdim=True)
    inputs = {"probs": probs}
    kind = kind_of(record["definition"])
    if "top_k" in kind:
        inputs["top_k"] = torch.tensor([20_000, 60], dtype=torch.int32)
    if "top_p" in kind:
        inputs["top_p"] = torch.tensor([0.3, 0.7])
    kept = exact(inputs) > 0
    with uniform(torch.tensor([1.0, 1.0])):
        (samples,) = call(record, run, inputs)
    for row, token in enumerate(samples.tolist()):
        last = int(kept[row].nonzero().max())
        # Sums of float32 may part from exact ones by a token or two of so many.
        assert kept[row, token]
        assert kept[row, token:].sum() - kept[row, last:].sum() <= 2, (row, token, last)


def main() -> None:
    chosen = {"rmsnorm": [check_norm], "gemm": [check_gemm]}
    chosen["sampling"] = [check_sampling, check_long_rows]
    for op_type, checks in chosen.items():
        for record in distinct([solutions()[f"triton_{name}"] for name in names(op_type)]):
            with tempfile.TemporaryDirectory() as folder:
                run = load(record, Path(folder))
                for check in checks:
                    check(record, run)
                    print(record["name"], check.__name__, file=sys.stderr)
            print(record["name"])


if __name__ == "__main__":
    main()
