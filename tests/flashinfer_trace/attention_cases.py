"""Small batches for the attention families: corner cases of lengths, fewer heads than declared."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from tests.flashinfer_trace.bundled import Record, definitions
from tests.flashinfer_trace.families import names

OP_TYPES = ("gqa_paged", "gqa_ragged", "mla_paged", "mla_ragged")
NAMES = names(*OP_TYPES)
SCALE = 0.3
"""Not the usual one: it must be taken from the input."""

# Cached tokens of each sequence, and those of them that ask (of a decode, always the last one):
# single tokens, none at all, pages that are just full or hold one more, more queries than keys.
CACHED = (
    ([1], [1]),
    ([5, 0, 64, 65, 1], [5, 0, 10, 65, 1]),
    ([0, 3, 130, 2], [2, 7, 1, 0]),
    ([0, 0], [1, 0]),
)


def fixed(name: str) -> dict[str, int]:
    """Return the fixed axes of a definition."""
    axes = definitions()[name]["axes"].items()
    return {axis: spec["value"] for axis, spec in axes if spec["type"] == "const"}


def few_heads(name: str) -> tuple[int, int]:
    """Return query and KV heads, two KV heads at most, the groups as declared."""
    axes = fixed(name)
    kv_heads = axes.get("num_kv_heads", 1)
    some = min(2, kv_heads)
    return axes["num_qo_heads"] // kv_heads * some, some


def small_batches(name: str, heads: tuple[int, int] | None = None) -> Iterator[Record]:
    """Yield the inputs of `run`, in order; with `heads` other numbers of query and KV heads."""
    seed = torch.Generator().manual_seed(len(name))
    for cached, asking in CACHED:
        yield _inputs(name, seed, cached, asking, heads or few_heads(name))


def _inputs(
    name: str,
    seed: torch.Generator,
    cached: list[int],
    asking: list[int],
    heads: tuple[int, int],
) -> Record:
    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=seed).bfloat16()

    axes, decode = fixed(name), "decode" in name
    queries, kv_heads = heads
    rows = len(cached) if decode else sum(asking)
    found: Record = {}
    if "mla_paged" in name:
        found["q_nope"] = normal(rows, queries, axes["head_dim_ckv"]) / 4
        found["q_pe"] = normal(rows, queries, axes["head_dim_kpe"])
    else:
        found["q"] = normal(rows, queries, axes.get("qk_dim", axes.get("head_dim", 0)))
    if "ragged" in name:
        tokens = sum(cached)
        found["k"] = normal(tokens, kv_heads, axes.get("qk_dim", axes.get("head_dim", 0)))
        found["v"] = normal(tokens, kv_heads, axes.get("vo_dim", axes.get("head_dim", 0)))
        table = {"kv_indptr": _offsets(cached)}
    else:
        size = axes["page_size"]
        pages = [math.ceil(length / size) for length in cached]
        held = sum(pages) + 3
        if "mla" in name:
            found["ckv_cache"] = normal(held, size, axes["head_dim_ckv"])
            found["kpe_cache"] = normal(held, size, axes["head_dim_kpe"])
        else:
            found["k_cache"] = normal(held, size, kv_heads, axes["head_dim"])
            found["v_cache"] = normal(held, size, kv_heads, axes["head_dim"])
        order = torch.randperm(held, generator=seed)[: sum(pages)]
        table = {"kv_indptr": _offsets(pages), "kv_indices": order.to(torch.int32)}
        if size > 1:
            last = [
                length - (count - 1) * size for length, count in zip(cached, pages, strict=True)
            ]
            # Of a sequence without pages the length of the last one means nothing.
            table["kv_last_page_len"] = torch.tensor([min(one, size) for one in last]).int()
    if not decode:
        found["qo_indptr"] = _offsets(asking)
    return found | table | {"sm_scale": SCALE}


def _offsets(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
