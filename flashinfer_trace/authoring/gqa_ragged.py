"""Grouped-query attention of new prompts: causal, keys and values one sequence after another."""

from __future__ import annotations

import math

from flashinfer_trace.authoring import attention
from flashinfer_trace.authoring.attention import Source
from flashinfer_trace.authoring.serving import ragged_prefill
from flashinfer_trace.authoring.spec import Definition, Problem, Tensor

# Query heads, KV heads, numbers in a head, where the shape comes from.
_SHAPES = (
    (32, 8, 128, Source("verified", ("llama-3.1-8b",))),
    (32, 4, 128, Source("verified", ("qwen3-30b-a3b",))),
    (16, 2, 128, Source("reference", ("qwen3-32b",), 4)),
    (20, 4, 128, Source("reference", ("qwen3-14b",), 2)),
    (24, 8, 128, Source("reference", ("llama-3.2-3b",))),
    (32, 16, 128, Source("reference", ("gemma-3-27b",))),
    (5, 1, 128, Source("verified", ("llama-4-scout-17b-16e",), 8)),
    (6, 1, 128, Source("unverified", ("minimax-m2",), 8)),
    (8, 1, 256, Source("reference", ("qwen3-next-80b-a3b",), 2)),
)

# (sequences, tokens) of captured batches, by KV heads of 32 query heads; some came repeatedly.
_CAPTURED = {
    8: (
        (1, 7), (1, 1), (1, 35), (2, 81), (25, 13557), (36, 12845), (1, 7), (1, 1), (1, 35),
        (1, 35), (1, 18), (1, 18), (1, 7), (1, 1), (1, 35), (1, 35), (15, 982), (1, 71), (1, 71),
        (10, 12571), (5, 92),
    ),
    4: (
        (1, 6), (1, 1), (1, 34), (3, 172), (33, 12251), (1, 6), (1, 1), (1, 34), (1, 34),
        (1, 6), (1, 1), (1, 34), (1, 34), (15, 969), (27, 16294),
    ),
}  # fmt: skip


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, offsets and solutions."""
    return tuple(_prefill(*shape) for shape in _SHAPES)


def _prefill(heads: int, kv_heads: int, head_dim: int, source: Source) -> Problem:
    keys = ("total_kv", "num_kv_heads", "head_dim")
    definition = Definition(
        name=f"gqa_ragged_prefill_causal_h{heads}_kv{kv_heads}_d{head_dim}",
        op_type="gqa_ragged",
        description=(
            "Prefill of a batch of prompts of different lengths, one after another: "
            f"{attention.heads_of(heads, kv_heads)}, as in {source.text()}. {attention.CAUSAL}"
        ),
        tags=source.tags("prefill", "prefill.BatchPrefillWithRaggedKVCacheWrapper"),
        axes=(
            *attention.head_axes(heads, kv_heads, head_dim),
            attention.LEN_INDPTR,
            attention.TOTAL_Q,
            attention.TOTAL_KV,
        ),
        inputs=(
            Tensor(
                "q", ("total_q", "num_qo_heads", "head_dim"), "bfloat16", "Query of each token."
            ),
            Tensor("k", keys, "bfloat16", "Key of each token."),
            Tensor("v", keys, "bfloat16", "Value of each token."),
            attention.QO_INDPTR,
            attention.KV_OFFSETS,
            attention.SM_SCALE,
        ),
        outputs=attention.outputs("total_q", "head_dim"),
        constraints=attention.ragged_constraints(),
        reference="ragged_prefill_causal",
    )
    batches = attention.RAGGED_BATCHES
    if heads == 32 and kv_heads in _CAPTURED:
        batches = tuple((count, tokens, tokens) for count, tokens in _CAPTURED[kv_heads])
    return attention.problem(definition, ragged_prefill(batches, 1 / math.sqrt(head_dim)))
