"""Grouped-query attention over a paged KV cache: decoding steps and causal prefills."""

from __future__ import annotations

import math

from flashinfer_trace.authoring import attention
from flashinfer_trace.authoring.attention import Source
from flashinfer_trace.authoring.serving import DecodeBatches, PagedBatches, decoding, paged_prefill
from flashinfer_trace.authoring.spec import Axis, Definition, Problem, Tensor

_HEAD_DIM = 128
_SCALE = 1 / math.sqrt(_HEAD_DIM)

# Query heads, KV heads, page sizes, where the shape comes from.
_Row = tuple[int, int, tuple[int, ...], Source]

_DECODE: tuple[_Row, ...] = (
    (32, 8, (1, 64), Source("verified", ("llama-3.1-8b",))),
    (32, 4, (1, 64), Source("verified", ("qwen3-30b-a3b",))),
    (16, 2, (1, 64), Source("verified", ("llama-3.1-70b", "qwen3-32b"), 4)),
    (20, 4, (1, 64), Source("reference", ("qwen3-14b",), 2)),
    (24, 4, (64,), Source("reference", ("mixtral-8x22b",), 2)),
    (24, 8, (1, 64), Source("reference", ("llama-3.2-3b",))),
    (32, 16, (1, 64), Source("reference", ("gemma-3-27b",))),
    (48, 8, (1,), Source("reference", ("mixtral-8x22b",))),
    (5, 1, (1,), Source("reference", ("llama-4-scout",), 8)),
    (6, 1, (1, 64), Source("unverified", ("minimax-m2",), 8)),
)

_PREFILL: tuple[_Row, ...] = (
    (32, 8, (1, 64), Source("verified", ("llama-3.1-8b",))),
    (32, 4, (1, 64), Source("verified", ("qwen3-30b-a3b",))),
    (16, 1, (64,), Source("reference", ("qwen3-235b",), 4)),
    (16, 2, (1, 64), Source("verified", ("llama-3.1-70b", "qwen3-32b"), 4)),
    (20, 4, (1, 64), Source("reference", ("qwen3-14b",), 2)),
    (24, 4, (1, 64), Source("reference", ("mixtral-8x22b",), 2)),
    (24, 8, (1, 64), Source("reference", ("llama-3.2-3b",))),
    (32, 16, (1, 64), Source("reference", ("gemma-3-27b",))),
    (40, 10, (1,), Source("reference", ("phi-4-14b",))),
    (5, 1, (1,), Source("reference", ("llama-4-scout",), 8)),
    (5, 1, (64,), Source("unverified", ("llama-4-scout",), 8)),
    (6, 1, (1, 64), Source("unverified", ("minimax-m2",), 8)),
)

# By page size, where no batches were captured.
_DECODE_BATCHES: dict[int, DecodeBatches] = {
    1: (
        (1, 64, 1), (1, 64, 33), (1, 1024, 612), (4, 2048, 1187), (8, 2048, 1500),
        (16, 4096, 2045), (32, 4096, 2610), (64, 8192, 3300),
    ),
    64: (
        (1, 16, 1), (1, 16, 64), (1, 64, 129), (1, 256, 8000), (4, 256, 6021), (8, 256, 9100),
        (16, 512, 14_000), (32, 512, 17_500), (64, 1024, 30_000), (128, 1024, 40_000),
    ),
}  # fmt: skip

# By KV heads of 32 query heads, pages of one token.
_DECODE_CAPTURED: dict[int, DecodeBatches] = {
    8: (
        (1, 18, 2), (1, 11, 10), (1, 15, 14), (1, 55, 38), (1, 59, 42), (1, 63, 46), (1, 67, 50),
        (1, 71, 54), (1, 74, 57), (1, 78, 61), (1, 82, 65), (1, 9316, 73), (1, 9341, 98),
        (1, 223, 173), (1, 406, 356), (1, 597, 547),
        (16, 1069, 1034), (16, 1220, 1193), (16, 1396, 1369), (16, 1556, 1529), (16, 1732, 1705),
        (16, 1892, 1865), (16, 2052, 2025), (16, 2212, 2185), (16, 2372, 2345), (16, 2548, 2521),
        (16, 2708, 2681), (16, 2868, 2841), (16, 3044, 3017), (16, 4333, 4298),
        (16, 81390, 12942), (16, 30163, 20911),
        (64, 60071, 50902), (64, 62605, 53334), (64, 63053, 53782), (64, 63437, 54166),
        (64, 63821, 54550), (64, 64205, 54934), (64, 64653, 55382), (64, 65037, 55766),
        (64, 65421, 56150), (64, 65805, 56534), (64, 66253, 56982), (64, 66637, 57366),
        (64, 67021, 57750), (64, 67405, 58134), (64, 67853, 58582), (64, 68237, 58966),
    ),
    4: (
        (1, 17, 2), (1, 8, 7), (1, 10, 9), (1, 12, 11), (1, 15, 14), (1, 57, 40), (1, 67, 50),
        (1, 81, 64), (1, 1280, 72), (1, 4801, 87), (1, 9330, 102), (1, 191, 141), (1, 302, 252),
        (1, 412, 362), (1, 486, 436), (1, 596, 546),
        (16, 745, 718), (16, 1017, 990), (16, 1273, 1246), (16, 1529, 1502), (16, 1785, 1758),
        (16, 2041, 2014), (16, 2297, 2270), (16, 24476, 15207), (16, 24732, 15463),
        (16, 24988, 15719), (16, 25052, 15783), (16, 25116, 15847), (16, 25180, 15911),
        (16, 25244, 15975), (16, 25308, 16039), (16, 25372, 16103),
        (64, 34335, 34319), (64, 34687, 34671), (64, 35023, 35007), (64, 35359, 35343),
        (64, 35599, 35583), (64, 35615, 35599), (64, 35631, 35615),
        (64, 35647, 35631), (64, 35663, 35647), (64, 35679, 35663), (64, 35695, 35679),
        (64, 35711, 35695), (64, 35727, 35711), (64, 35743, 35727), (64, 35759, 35743),
        (64, 61535, 61519),
    ),
}  # fmt: skip

_PREFILL_BATCHES: dict[int, PagedBatches] = {
    1: (
        (1, 1, 34, 64), (1, 64, 64, 128), (1, 512, 640, 1024), (2, 130, 300, 1024),
        (4, 1000, 1200, 2048), (8, 600, 1400, 2048), (16, 1900, 2100, 4096),
        (32, 1500, 2500, 4096),
    ),
    64: (
        (1, 1, 64, 16), (1, 64, 64, 16), (2, 2, 2, 16), (1, 1000, 1000, 64),
        (1, 2048, 6000, 256), (4, 1500, 5000, 256), (8, 1000, 12_000, 256), (16, 3000, 9000, 512),
        (32, 4000, 12_000, 512),
    ),
}  # fmt: skip

# Captured where new tokens saw only the cached prefixes, which are fewer; sequences that share a
# prefix share its pages.
_PREFILL_CAPTURED: dict[int, PagedBatches] = {
    8: (
        (1, 34, 1, 2), (1, 1, 34, 51), (28, 13515, 28, 2), (32, 12734, 33, 86), (1, 16, 3, 87),
        (2, 78, 4, 13719), (52, 10749, 99, 20585), (11, 8981, 16, 20585), (30, 4803, 66, 111721),
        (40, 8140, 104, 136181), (3, 202, 7, 174706), (43, 6558, 101, 175078),
        (12, 1286, 35, 178800), (1, 178, 3, 59402), (4, 70, 13, 222053), (12, 7009, 30, 70149),
        (1, 16384, 3, 25634), (1, 42, 3, 13719), (1, 398, 3, 14547), (2, 14, 4, 181871),
        (16, 6102, 41, 256226), (7, 7419, 25, 270692), (1, 2, 3, 13469), (4, 134, 10, 383616),
        (38, 7140, 97, 399096), (1, 10447, 1, 2), (3, 123, 12, 135698), (26, 7786, 74, 397053),
        (1, 2473, 2, 176551), (20, 2002, 67, 508530), (1, 30, 1, 2), (7, 10393, 17, 395233),
        (10, 4950, 25, 296392), (1, 1171, 4, 439455), (1, 5, 2, 682), (41, 8298, 143, 605498),
        (1, 17, 2, 552310), (17, 3478, 2560, 716370),
    ),
    4: (
        (1, 34, 1, 2), (1, 12790, 1, 2), (1, 1, 33, 50), (1, 16, 2, 86), (1, 5, 2, 683),
        (1, 2, 2, 9254), (1, 42, 2, 15615), (1, 16384, 2, 15898), (1, 410, 2, 15898),
        (1, 178, 2, 61699), (1, 1190, 1, 16732), (1, 2466, 2, 138584), (1, 14, 2, 471208),
        (2, 80, 2, 62875), (3, 13, 3, 62875), (4, 70, 4, 27915), (8, 126, 11, 97310),
        (15, 4120, 16, 152077), (18, 5404, 25, 171390), (22, 6010, 28, 190242),
        (26, 6630, 37, 214876), (27, 7190, 39, 236115), (28, 15010, 47, 85),
        (28, 8050, 51, 255481), (35, 9020, 55, 277902), (40, 10110, 61, 291614),
        (45, 11240, 66, 318660), (51, 12383, 72, 352913), (57, 13350, 80, 389447),
        (63, 13800, 91, 428020), (63, 14420, 103, 519936), (63, 15490, 118, 572351),
        (63, 16010, 16403, 626709),
    ),
}  # fmt: skip

_CACHE = ("num_pages", "page_size", "num_kv_heads", "head_dim")
_CACHES = (
    Tensor("k_cache", _CACHE, "bfloat16", "Keys of every page."),
    Tensor("v_cache", _CACHE, "bfloat16", "Values of every page."),
)


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, page tables and solutions."""
    decodes = [
        _decode(heads, kv_heads, page_size, source)
        for heads, kv_heads, page_sizes, source in _DECODE
        for page_size in page_sizes
    ]
    prefills = [
        _prefill(heads, kv_heads, page_size, source)
        for heads, kv_heads, page_sizes, source in _PREFILL
        for page_size in page_sizes
    ]
    return (*decodes, *prefills)


def _decode(heads: int, kv_heads: int, page_size: int, source: Source) -> Problem:
    definition = Definition(
        name=f"gqa_paged_decode_h{heads}_kv{kv_heads}_d{_HEAD_DIM}_ps{page_size}",
        op_type="gqa_paged",
        description=(
            f"One decoding step of a batch: {attention.heads_of(heads, kv_heads)}, a KV cache in "
            f"{attention.pages_of(page_size)}, as in {source.text()}. Returns the attention output "
            "and the base-2 log-sum-exp that merges partial results; a sequence without pages "
            "gives 0 and -inf."
        ),
        tags=source.tags("decode", "decode.BatchDecodeWithPagedKVCacheWrapper"),
        axes=(
            Axis("batch_size", "Sequences in the batch, one query token each."),
            *attention.head_axes(heads, kv_heads, _HEAD_DIM),
            attention.NUM_PAGES,
            attention.page_size_axis(page_size),
            attention.LEN_INDPTR,
            attention.NUM_KV_INDICES,
        ),
        inputs=(
            Tensor(
                "q",
                ("batch_size", "num_qo_heads", "head_dim"),
                "bfloat16",
                "Query of each sequence.",
            ),
            *_CACHES,
            *attention.paged_inputs(page_size),
            attention.SM_SCALE,
        ),
        outputs=attention.outputs("batch_size", "head_dim"),
        constraints=attention.decode_constraints(page_size),
        reference=attention.template("gqa_paged_decode", page_size),
    )
    batches = _DECODE_BATCHES[page_size]
    if heads == 32 and page_size == 1:
        batches = _DECODE_CAPTURED.get(kv_heads, batches)
    return attention.problem(definition, decoding(page_size, batches, _SCALE))


def _prefill(heads: int, kv_heads: int, page_size: int, source: Source) -> Problem:
    several = () if page_size == 1 else (attention.BATCH_SIZE,)
    definition = Definition(
        name=f"gqa_paged_prefill_causal_h{heads}_kv{kv_heads}_d{_HEAD_DIM}_ps{page_size}",
        op_type="gqa_paged",
        description=(
            "Prefill of a batch whose keys and values are already cached: "
            f"{attention.heads_of(heads, kv_heads)}, a KV cache in "
            f"{attention.pages_of(page_size)}, as in {source.text()}. {attention.CAUSAL}"
        ),
        tags=source.tags("prefill", "prefill.BatchPrefillWithPagedKVCacheWrapper"),
        axes=(
            *attention.head_axes(heads, kv_heads, _HEAD_DIM),
            attention.page_size_axis(page_size),
            attention.LEN_INDPTR,
            attention.TOTAL_Q,
            attention.NUM_KV_INDICES,
            attention.NUM_PAGES,
            *several,
        ),
        inputs=(
            Tensor(
                "q", ("total_q", "num_qo_heads", "head_dim"), "bfloat16", "Query of each new token."
            ),
            *_CACHES,
            attention.QO_INDPTR,
            *attention.paged_inputs(page_size),
            attention.SM_SCALE,
        ),
        outputs=attention.outputs("total_q", "head_dim"),
        constraints=attention.paged_prefill_constraints(page_size),
        reference=attention.template("gqa_paged_prefill_causal", page_size),
    )
    batches = _PREFILL_BATCHES[page_size]
    if heads == 32 and page_size == 1:
        batches = _PREFILL_CAPTURED.get(kv_heads, batches)
    return attention.problem(definition, paged_prefill(page_size, batches, _SCALE))
