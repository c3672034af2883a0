"""What the tests of the bundled dataset share: loading its files, small inputs, calling."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import torch

from flashinfer_trace import ROOT

Record = dict[str, Any]

RMSNORM = "rmsnorm_h4096"
FUSED = "fused_add_rmsnorm_h4096"
GEMM = "gemm_n4096_k4096"
DECODE = "gqa_paged_decode_h32_kv8_d128_ps1"
ROPE = "rope_with_cos_sin_cache_neox_style_d128_rd64"
TOP_K = "top_k_sampling_from_probs_v128256"
NAMES = (RMSNORM, FUSED, GEMM, DECODE, ROPE, TOP_K)


@cache
def definitions() -> dict[str, Record]:
    """Return every bundled definition by name."""
    found = (json.loads(path.read_text()) for path in (ROOT / "definitions").rglob("*.json"))
    return {record["name"]: record for record in found}


def workloads(name: str) -> list[Record]:
    """Return the workload lines of a definition."""
    (path,) = (ROOT / "workloads").rglob(f"{name}.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


@cache
def solutions() -> dict[str, Record]:
    """Return every bundled solution by name."""
    found = (json.loads(path.read_text()) for path in (ROOT / "solutions").rglob("*.json"))
    return {record["name"]: record for record in found}


def reference(name: str) -> Callable[..., Any]:
    """Return a definition's `run`, executed from the JSON's text."""
    scope: dict[str, Any] = {"__name__": f"reference_{name}"}
    exec(compile(definitions()[name]["reference"], f"<reference of {name}>", "exec"), scope)
    return scope["run"]


def load(record: Record, folder: Path) -> Callable[..., Any]:
    """Unpack a solution's sources into a package under `folder` and return its entry point."""
    package = folder / record["name"]
    for source in record["sources"]:
        target = package / source["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source["content"])
    file, function = record["spec"]["entry_point"].split("::")
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(f"{record['name']}.{file.removesuffix('.py')}")
    finally:
        sys.path.remove(str(folder))
    return getattr(module, function)


def call(record: Record, run: Callable[..., Any], inputs: Record) -> tuple[torch.Tensor, ...]:
    """Call a solution in its own style and return its outputs as a tuple."""
    arguments = list(inputs.values())
    if not record["spec"]["destination_passing_style"]:
        return as_tuple(run(*arguments))
    definition = definitions()[record["definition"]]
    sizes: dict[str, int] = {}
    for name, tensor in definition["inputs"].items():
        sizes |= zip(tensor["shape"] or (), getattr(inputs[name], "shape", ()), strict=True)
    outputs = tuple(
        torch.empty(
            [sizes[axis] for axis in tensor["shape"]], dtype=getattr(torch, tensor["dtype"])
        )
        for tensor in definition["outputs"].values()
    )
    assert run(*arguments, *outputs) is None
    return outputs


def as_tuple(outputs: Any) -> tuple[torch.Tensor, ...]:
    """Return one tensor or several as a tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _page_table(
    lengths: list[int], num_pages: int, seed: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    bounds = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    return bounds, torch.randperm(num_pages, generator=seed)[: sum(lengths)].to(torch.int32)


def small_inputs(name: str) -> Iterator[Record]:
    """Yield sets of small inputs of a definition, corner cases among them.

    Fixed axes shrink too where no solution depends on them, which keeps the interpreter quick.
    """
    seed = torch.Generator().manual_seed(20)

    def normal(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
        return torch.randn(shape, generator=seed).to(dtype)

    if name == RMSNORM:
        for rows in (1, 3):
            yield {"hidden_states": 3 * normal(rows, 4096), "weight": normal(4096)}
        yield {"hidden_states": torch.zeros(2, 96, dtype=torch.bfloat16), "weight": normal(96)}
    elif name == FUSED:
        for rows, width in ((1, 4096), (3, 96)):
            x, residual = normal(rows, width), normal(rows, width)
            yield {"hidden_states": x, "residual": residual, "weight": normal(width)}
    elif name == GEMM:
        for m, n, k in ((1, 64, 256), (300, 1100, 1024), (5, 40, 72)):
            yield {"A": normal(m, k, dtype=torch.float16), "B": normal(n, k, dtype=torch.float16)}
    elif name == DECODE:
        for lengths in ([7], [3, 0, 1100, 1], [0, 0]):
            kv_indptr, kv_indices = _page_table(lengths, 1200, seed)
            yield {
                "q": normal(len(lengths), 32, 128),
                "k_cache": normal(1200, 1, 8, 128),
                "v_cache": normal(1200, 1, 8, 128),
                "kv_indptr": kv_indptr,
                "kv_indices": kv_indices,
                "sm_scale": 128**-0.5,
            }
    elif name == ROPE:
        for tokens, q_heads, k_heads in ((1, 48, 8), (100, 48, 8), (5, 3, 1)):
            angles = 7 * torch.rand(50, 32, generator=seed)
            yield {
                "q": normal(tokens, q_heads, 128),
                "k": normal(tokens, k_heads, 128),
                "cos_sin_cache": torch.cat([angles.cos(), angles.sin()], dim=1),
                "positions": torch.randint(0, 50, (tokens,), generator=seed),
            }
    elif name == TOP_K:
        probs = torch.randn(8, 37, generator=seed).softmax(dim=1)
        yield {"probs": probs, "top_k": torch.tensor([1, 2, 5, 36, 37, 99, 0, -3]).to(torch.int32)}


def kept_weights(probs: torch.Tensor, top_k: torch.Tensor) -> torch.Tensor:
    """Return the distribution that top-k sampling draws from, float64, row by row."""
    weights = torch.zeros_like(probs, dtype=torch.float64)
    for row, k in enumerate(top_k.tolist()):
        count = k if 0 < k < probs.shape[1] else probs.shape[1]
        order = sorted(range(probs.shape[1]), key=lambda token: -probs[row, token].item())
        weights[row, order[:count]] = probs[row, order[:count]].double()
    return weights / weights.sum(dim=1, keepdim=True)


def assert_same(actual: tuple[torch.Tensor, ...], expected: tuple[torch.Tensor, ...]) -> None:
    """Compare outputs with the benchmark's default tolerance, infinities in place."""
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)
