"""Sparse attention of DeepSeek V3.2: the indexer that chooses tokens, and attention to them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from flashinfer_trace.authoring.spec import (
    Array,
    Axis,
    Definition,
    Problem,
    Scalar,
    Solution,
    Stored,
    Tensor,
    Workload,
)
from flashinfer_trace.authoring.streams import Stream

_TOPK = 2048
_PAGE = 64  # tokens of a page that has more than one
# Cached tokens of each sequence whose newest token attends; -n: the last n tokens of one prompt do.
_ATTENTION: tuple[tuple[tuple[int, ...], int], ...] = (
    ((700,), 1), ((9000,), 1), ((2048, 5000), 1), ((300, 2049, 12000), 1), ((64, 0, 4000, 4001), 1),
    ((3000,), 8), ((1, 900, 1500, 2100, 2800, 3500, 5000, 8000), 1), ((600, 4000), 8),
    ((2500, 3500), 12),
)  # fmt: skip
# Cached tokens of each sequence that the indexer searches.
_INDEXER = (
    (5000,), (70000,), (2048, 2049), (1, 3000, 20000), (4096,) * 4, (0, 100, 2500, 9999),
    tuple(range(2500, 6500, 500)), tuple(range(1000, 9000, 500)), tuple(range(2100, 8500, 200)),
    tuple(range(2060, 6156, 64)),
)  # fmt: skip


def page_lists(stream: Stream, lengths: tuple[int, ...], page_size: int) -> list[NDArray[np.int64]]:
    """Return the pages of each sequence, no page twice; one in eight pages is another's."""
    counts = [-(-length // page_size) for length in lengths]
    used = sum(counts)
    free = stream.permutation(num_pages(lengths, page_size))[:used]
    return np.split(free, np.cumsum(counts)[:-1])


def num_pages(lengths: tuple[int, ...], page_size: int) -> int:
    """Return the pages of the cache of sequences of such lengths, those of others among them."""
    used = sum(-(-length // page_size) for length in lengths)
    return used + used // 8 + 1


def chosen_tokens(
    stream: Stream, lengths: tuple[int, ...], last: int, page_size: int
) -> NDArray[np.int32]:
    """Return which cached tokens each query attends to, [queries, topk], -1 where fewer exist.

    The last `last` tokens of each sequence ask; a token sees those up to itself, and of more than
    topk an indexer's choice, best first: in no order.
    """
    rows = []
    pages = page_lists(stream, lengths, page_size)
    for length, owned in zip(lengths, pages, strict=True):
        places = np.arange(length)
        cached = owned[places // page_size] * page_size + places % page_size
        for seen in range(length - last + 1, length + 1):
            row = np.full(_TOPK, -1, dtype=np.int32)
            picked = stream.permutation(max(0, seen))[:_TOPK]
            row[: len(picked)] = cached[picked]
            rows.append(row)
    return np.stack(rows)


def attention(page_size: int) -> Problem:
    """Return attention to chosen tokens over a cache with pages of `page_size` tokens."""
    pages = "pages of one token" if page_size == 1 else f"pages of {page_size} tokens"
    heads = ("num_tokens", "num_qo_heads")
    definition = Definition(
        name=f"dsa_sparse_attention_h16_ckv512_kpe64_topk2048_ps{page_size}",
        op_type="dsa_paged",
        description=(
            "Attention to the 2048 cached tokens that an indexer has chosen for each query token, "
            "with 16 heads over one latent key and value, as in DeepSeek V3.2 split over 8 GPUs; "
            f"{pages}. Serves decoding and prefill alike. Returns the attention output and the "
            "base-2 log-sum-exp; a token for which nothing is chosen gives 0 and -inf."
        ),
        tags=(
            "status:verified",
            "model:deepseek-v3.2",
            "sparse:topk",
            "fi_api:flashinfer.decode.trtllm_batch_decode_with_kv_cache_mla",
            "tp:8",
        ),
        axes=(
            Axis("num_tokens", "Query tokens of all sequences together."),
            Axis("num_qo_heads", "Query heads.", 16),
            Axis("head_dim_ckv", "Numbers of a latent vector.", 512),
            Axis("head_dim_kpe", "Numbers of a rotated key.", 64),
            Axis("page_size", "Tokens in a page.", page_size),
            Axis("topk", "Tokens that a query may attend to.", _TOPK),
            Axis("num_pages", "Pages in the cache, of this batch or not."),
        ),
        inputs=(
            Tensor("q_nope", (*heads, "head_dim_ckv"), "bfloat16", "Queries to the latents."),
            Tensor("q_pe", (*heads, "head_dim_kpe"), "bfloat16", "Queries to the rotated keys."),
            Tensor(
                "ckv_cache",
                ("num_pages", "page_size", "head_dim_ckv"),
                "bfloat16",
                "Latents of every page, keys and values at once.",
            ),
            Tensor(
                "kpe_cache",
                ("num_pages", "page_size", "head_dim_kpe"),
                "bfloat16",
                "Rotated keys of every page.",
            ),
            Tensor(
                "sparse_indices",
                ("num_tokens", "topk"),
                "int32",
                "Chosen tokens, page * page_size + place in the page, in any order; -1 for none.",
            ),
            Tensor(
                "sm_scale",
                None,
                "float32",
                "Factor of the scores, usually 1/sqrt(192): of the head size before compression.",
            ),
        ),
        outputs=(
            Tensor(
                "output", (*heads, "head_dim_ckv"), "bfloat16", "Latents averaged by their weight."
            ),
            Tensor("lse", heads, "float32", "log2 of the sum of exp(score)."),
        ),
        constraints=(
            "((sparse_indices >= -1) & (sparse_indices < num_pages * page_size)).all().item()",
        ),
        reference="dsa_sparse_attention",
    )
    workloads: list[Workload] = []
    tensors: dict[str, Array] = {}
    file = "sparse_indices.safetensors"
    for number, (lengths, last) in enumerate(_ATTENTION):
        tokens = len(lengths) * last
        key = f"batch_{number}_tokens_{tokens}"
        tensors[key] = chosen_tokens(Stream(number, page_size), lengths, last, page_size)
        axes = {"num_tokens": tokens, "num_pages": num_pages(lengths, page_size)}
        inputs: dict[str, Scalar | Stored] = {
            "sparse_indices": Stored(file, key),
            "sm_scale": Scalar(1 / math.sqrt(192)),
        }
        workloads.append(Workload(axes, inputs))
    baseline = Solution(
        f"torch_{definition.name}",
        "baseline",
        "python",
        True,
        "Gathers the chosen tokens of 32 queries at a time, then batched products in float32.",
        folder=definition.reference,
    )
    return Problem(definition, tuple(workloads), (baseline,), {file: tensors})


def indexer() -> Problem:
    """Return the indexer over a cache of 8-bit keys."""
    definition = Definition(
        name="dsa_topk_indexer_fp8_h64_d128_topk2048_ps64",
        op_type="dsa_paged",
        description=(
            "Chooses the 2048 cached tokens of each sequence that score highest against its newest "
            "token, as in DeepSeek V3.2: a weighted sum over 64 index heads of the positive part "
            "of query times key, both in 8-bit floats. The order of the chosen is free, as is the "
            "choice among equals."
        ),
        tags=(
            "stage:indexer",
            "status:verified",
            "model:deepseek-v3.2",
            "sparse:topk",
            "quant:fp8",
        ),
        axes=(
            Axis("batch_size", "Sequences in the batch, one query token each."),
            Axis("num_index_heads", "Index heads of the query.", 64),
            Axis("index_head_dim", "Numbers in an index head.", 128),
            Axis("page_size", "Tokens in a page.", _PAGE),
            Axis("topk", "Tokens to choose.", _TOPK),
            Axis("max_num_pages", "Pages that a row of the block table has room for."),
            Axis("num_pages", "Pages in the cache, of this batch or not."),
            Axis("kv_cache_num_heads", "Index heads of the keys.", 1),
            Axis("head_dim_with_scale", "Bytes of a token: its key's, and 4 of its scale.", 132),
        ),
        inputs=(
            Tensor(
                "q_index_fp8",
                ("batch_size", "num_index_heads", "index_head_dim"),
                "float8_e4m3fn",
                "Index heads of each query.",
            ),
            Tensor(
                "k_index_cache_fp8",
                ("num_pages", "page_size", "kv_cache_num_heads", "head_dim_with_scale"),
                "int8",
                "Bytes of every page: the float8_e4m3fn keys of its tokens, one after another, "
                "then their float32 scales. Not 132 bytes a token, as the shape suggests.",
            ),
            Tensor(
                "weights",
                ("batch_size", "num_index_heads"),
                "float32",
                "Weight of each index head, the scale of the query in it.",
            ),
            Tensor("seq_lens", ("batch_size",), "int32", "Cached tokens of each sequence."),
            Tensor(
                "block_table",
                ("batch_size", "max_num_pages"),
                "int32",
                "Pages of each sequence, in token order; what follows them means nothing.",
            ),
        ),
        outputs=(
            Tensor(
                "topk_indices",
                ("batch_size", "topk"),
                "int32",
                "Chosen tokens, page * page_size + place in the page, and -1 where a sequence has "
                "no more.",
            ),
        ),
        constraints=(
            "topk <= max_num_pages * page_size",
            "head_dim_with_scale == index_head_dim + 4",
            "((seq_lens >= 0) & (seq_lens <= max_num_pages * page_size)).all().item()",
            "((block_table >= 0) & (block_table < num_pages)).all().item()",
        ),
        reference="dsa_topk_indexer_fp8",
        constants={"TOPK": _TOPK},
    )
    workloads: list[Workload] = []
    tensors: dict[str, Array] = {}
    file = "block_tables.safetensors"
    for number, lengths in enumerate(_INDEXER):
        pages = page_lists(Stream(number, len(lengths)), lengths, _PAGE)
        width = max(_TOPK // _PAGE, *(len(owned) for owned in pages))
        table = np.zeros((len(lengths), width), dtype=np.int32)
        for row, owned in zip(table, pages, strict=True):
            row[: len(owned)] = owned
        key = f"batch_{number}_sequences_{len(lengths)}"
        tensors[f"{key}_table"] = table
        tensors[f"{key}_lengths"] = np.array(lengths, dtype=np.int32)
        axes = {
            "batch_size": len(lengths),
            "max_num_pages": width,
            "num_pages": num_pages(lengths, _PAGE),
        }
        inputs = {
            "seq_lens": Stored(file, f"{key}_lengths"),
            "block_table": Stored(file, f"{key}_table"),
        }
        workloads.append(Workload(axes, inputs))
    baseline = Solution(
        f"torch_{definition.name}",
        "baseline",
        "python",
        False,
        "Dequantises the pages of one sequence after another; a product, then torch.topk.",
        folder=definition.reference,
        constants={"TOPK": _TOPK},
    )
    return Problem(definition, tuple(workloads), (baseline,), {file: tensors})


def problems() -> tuple[Problem, ...]:
    """Return the family's definitions with their workloads, stored indices and baselines."""
    return attention(1), attention(_PAGE), indexer()
