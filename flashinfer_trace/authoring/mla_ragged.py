"""Multi-head latent attention of new prompts, keys and values expanded for each head: causal."""

from __future__ import annotations

from flashinfer_trace.authoring import attention
from flashinfer_trace.authoring.attention import Source
from flashinfer_trace.authoring.serving import ragged_prefill
from flashinfer_trace.authoring.spec import Axis, Definition, Problem, Tensor

# Heads, where the shape comes from, by how much the rotary angles are stretched.
_SHAPES = (
    (16, Source("verified", ("deepseek-v3", "deepseek-r1"), 8), 40),
    (8, Source("unverified", ("kimi-k2",), 8), 32),
)


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, offsets and solutions."""
    return tuple(_prefill(*shape) for shape in _SHAPES)


def _prefill(heads: int, source: Source, stretch: int) -> Problem:
    definition = Definition(
        name=f"mla_ragged_prefill_causal_h{heads}_qk192_vo128",
        op_type="mla_ragged",
        description=(
            "Prefill of a batch of prompts of different lengths, one after another: latent "
            f"attention before absorption, {heads} heads with keys of their own, 128 numbers and "
            f"64 rotated ones, as in {source.text()}. {attention.CAUSAL}"
        ),
        tags=source.tags("prefill", "prefill.BatchPrefillWithRaggedKVCacheWrapper"),
        axes=(
            Axis("num_qo_heads", "Query heads.", heads),
            Axis("num_kv_heads", "Key and value heads, one for each query head.", heads),
            Axis("qk_dim", "Numbers in a query or key, the rotated ones last.", 192),
            Axis("vo_dim", "Numbers in a value.", 128),
            attention.TOTAL_Q,
            attention.TOTAL_KV,
            attention.LEN_INDPTR,
        ),
        inputs=(
            Tensor("q", ("total_q", "num_qo_heads", "qk_dim"), "bfloat16", "Query of each token."),
            Tensor("k", ("total_kv", "num_kv_heads", "qk_dim"), "bfloat16", "Key of each token."),
            Tensor("v", ("total_kv", "num_kv_heads", "vo_dim"), "bfloat16", "Value of each token."),
            attention.QO_INDPTR,
            attention.KV_OFFSETS,
            attention.MLA_SM_SCALE,
        ),
        outputs=attention.outputs("total_q", "vo_dim"),
        constraints=attention.ragged_constraints(),
        reference="ragged_prefill_causal",
    )
    called = ragged_prefill(attention.RAGGED_BATCHES, attention.mla_scale(stretch))
    return attention.problem(definition, called)
