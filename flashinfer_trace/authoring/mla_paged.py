"""Multi-head latent attention over a paged cache of latents: decoding steps and causal prefills."""

from __future__ import annotations

from flashinfer_trace.authoring import attention
from flashinfer_trace.authoring.attention import Source
from flashinfer_trace.authoring.serving import DecodeBatches, PagedBatches, decoding, paged_prefill
from flashinfer_trace.authoring.spec import Axis, Definition, Problem, Tensor

_DEEPSEEK = Source("verified", ("deepseek-v3", "deepseek-r1"), 8)
_KIMI = Source("verified", ("kimi-k2",), 8)

# Heads, tokens in a page, where the shape comes from, by how much rotary angles are stretched.
_SHAPES = (
    (16, 1, _DEEPSEEK, 40),
    (16, 64, _DEEPSEEK, 40),
    (8, 1, _KIMI, 32),
)

_ALL_PAGES = 989_669  # of the server whose batches were captured

# By heads and page size.
_DECODE_BATCHES: dict[tuple[int, int], DecodeBatches] = {
    (16, 1): tuple(
        (batch_size, _ALL_PAGES, tokens)
        for batch_size, several in {
            1: (8, *range(108, 809, 100), 2708, 1908, 1008, 2408, 1108, 1208),
            16: (
                2757, 1857, 3557, 4357, 7257, 8057, 5057, 9657, 5857, 10857, 6657, 12857, 457,
                14857, 17257, 8857,
            ),
            64: (
                27545, 30745, 33945, 37145, 40345, 44845, 48045, 51245, 54445, 57645, 75145, 9945,
                62345, 16345, 22745, 68745,
            ),
        }.items()
        for tokens in several
    ),
    (16, 64): (
        (1, 16, 1), (1, 16, 64), (1, 64, 129), (1, 512, 16_000), (4, 512, 12_050),
        (16, 1024, 24_000), (32, 1024, 33_000), (64, 2048, 60_000), (128, 2048, 80_000),
    ),
    (8, 1): (
        (1, 64, 1), (1, 64, 33), (1, 1024, 612), (4, 2048, 1187), (8, 2048, 1500),
        (16, 4096, 2045), (32, 4096, 2610), (64, 8192, 3300),
    ),
}  # fmt: skip

_PREFILL_BATCHES: dict[tuple[int, int], PagedBatches] = {
    (16, 1): tuple(
        (*batch, _ALL_PAGES)
        for batch in (
            (1, 33, 34), (1, 1, 34), (1, 17, 19), (4, 52, 67), (1, 376, 381), (1, 287, 288),
            (1, 5, 7), (3, 1187, 1205), (1, 10, 12), (1, 3, 5), (1, 13, 14), (2, 26, 32),
            (56, 8987, 14390), (1, 29, 34), (2, 2, 53), (1, 1028, 1038), (22, 22, 17759),
            (1, 15, 18), (3, 69, 90), (3, 3024, 3029), (28, 1954, 2044), (1, 199, 203),
            (5, 473, 491), (1, 96, 98), (11, 6053, 6091), (1, 16384, 16387), (1, 43, 46),
            (6, 6, 109), (4, 805, 814), (1, 58, 60), (2, 123, 185), (4, 4, 121),
            (20, 3842, 3916), (18, 15883, 15937), (26, 15092, 15187), (4, 138, 151), (1, 8, 12),
            (2, 10870, 10875),
        )
    ),
    (16, 64): (
        (1, 1, 64, 16), (1, 64, 64, 16), (2, 2, 2, 16), (1, 1000, 1000, 64),
        (1, 2048, 6000, 256), (4, 1500, 5000, 256), (8, 1000, 12_000, 512), (16, 3000, 9000, 512),
        (32, 4000, 12_000, 512),
    ),
    (8, 1): (
        (1, 1, 34, 64), (1, 64, 64, 128), (1, 512, 640, 1024), (2, 130, 300, 1024),
        (4, 1000, 1200, 2048), (8, 600, 1400, 2048), (16, 1900, 2100, 4096),
        (32, 1500, 2500, 4096),
    ),
}  # fmt: skip

_CACHES = (
    Tensor(
        "ckv_cache",
        ("num_pages", "page_size", "head_dim_ckv"),
        "bfloat16",
        "Latent of every token, key and value in one.",
    ),
    Tensor(
        "kpe_cache",
        ("num_pages", "page_size", "head_dim_kpe"),
        "bfloat16",
        "Rotated part of every key.",
    ),
)


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, page tables and solutions."""
    return (
        *(_decode(*shape) for shape in _SHAPES),
        *(_prefill(*shape) for shape in _SHAPES),
    )


def _decode(heads: int, page_size: int, source: Source, stretch: int) -> Problem:
    definition = Definition(
        name=f"mla_paged_decode_h{heads}_ckv512_kpe64_ps{page_size}",
        op_type="mla_paged",
        description=(
            f"One decoding step of a batch: latent attention after absorption, {heads} heads over "
            f"one latent for each token, a cache in {attention.pages_of(page_size)}, as in "
            f"{source.text()}. Returns latents averaged by attention weight and the base-2 "
            "log-sum-exp that merges partial results; a sequence without pages gives 0 and -inf."
        ),
        tags=source.tags("decode", "mla.BatchMLAPagedAttentionWrapper"),
        axes=(
            Axis("batch_size", "Sequences in the batch, one query token each."),
            *_head_axes(heads),
            attention.page_size_axis(page_size),
            attention.NUM_PAGES,
            attention.LEN_INDPTR,
            attention.NUM_KV_INDICES,
        ),
        inputs=(
            *_queries("batch_size"),
            *_CACHES,
            *attention.paged_inputs(page_size),
            attention.MLA_SM_SCALE,
        ),
        outputs=attention.outputs("batch_size", "head_dim_ckv"),
        constraints=attention.decode_constraints(page_size),
        reference=attention.template("mla_paged_decode", page_size),
    )
    batches = _DECODE_BATCHES[heads, page_size]
    return attention.problem(definition, decoding(page_size, batches, attention.mla_scale(stretch)))


def _prefill(heads: int, page_size: int, source: Source, stretch: int) -> Problem:
    several = () if page_size == 1 else (attention.BATCH_SIZE,)
    definition = Definition(
        name=f"mla_paged_prefill_causal_h{heads}_ckv512_kpe64_ps{page_size}",
        op_type="mla_paged",
        description=(
            "Prefill of a batch whose latents are already cached: latent attention after "
            f"absorption, {heads} heads over one latent for each token, a cache in "
            f"{attention.pages_of(page_size)}, as in {source.text()}. {attention.CAUSAL}"
        ),
        tags=source.tags("prefill", "mla.BatchMLAPagedAttentionWrapper"),
        axes=(
            *_head_axes(heads),
            attention.page_size_axis(page_size),
            attention.TOTAL_Q,
            attention.NUM_PAGES,
            attention.LEN_INDPTR,
            attention.NUM_KV_INDICES,
            *several,
        ),
        inputs=(
            *_queries("total_q"),
            *_CACHES,
            attention.QO_INDPTR,
            *attention.paged_inputs(page_size),
            attention.MLA_SM_SCALE,
        ),
        outputs=attention.outputs("total_q", "head_dim_ckv"),
        constraints=attention.paged_prefill_constraints(page_size),
        reference=attention.template("mla_paged_prefill_causal", page_size),
    )
    batches = _PREFILL_BATCHES[heads, page_size]
    return attention.problem(
        definition, paged_prefill(page_size, batches, attention.mla_scale(stretch))
    )


def _head_axes(heads: int) -> tuple[Axis, ...]:
    return (
        Axis("num_qo_heads", "Query heads, all over the same latents.", heads),
        Axis("head_dim_ckv", "Numbers in a latent.", 512),
        Axis("head_dim_kpe", "Numbers in the rotated part of a key.", 64),
    )


def _queries(rows: str) -> tuple[Tensor, Tensor]:
    return (
        Tensor(
            "q_nope",
            (rows, "num_qo_heads", "head_dim_ckv"),
            "bfloat16",
            "Part of each query that meets the latents.",
        ),
        Tensor(
            "q_pe",
            (rows, "num_qo_heads", "head_dim_kpe"),
            "bfloat16",
            "Part of each query that meets the rotated keys.",
        ),
    )
