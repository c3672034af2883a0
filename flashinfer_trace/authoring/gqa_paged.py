"""Grouped-query attention over a paged KV cache: the decoding step of Llama 3.1 8B."""

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

# (num_pages, num_kv_indices) of captured batches, by batch size.
_BATCHES = {
    1: (
        (18, 2), (11, 10), (15, 14), (55, 38), (59, 42), (63, 46), (67, 50), (71, 54),
        (74, 57), (78, 61), (82, 65), (9316, 73), (9341, 98), (223, 173), (406, 356), (597, 547),
    ),
    16: (
        (1069, 1034), (1220, 1193), (1396, 1369), (1556, 1529), (1732, 1705), (1892, 1865),
        (2052, 2025), (2212, 2185), (2372, 2345), (2548, 2521), (2708, 2681), (2868, 2841),
        (3044, 3017), (4333, 4298), (81390, 12942), (30163, 20911),
    ),
    64: (
        (60071, 50902), (62605, 53334), (63053, 53782), (63437, 54166), (63821, 54550),
        (64205, 54934), (64653, 55382), (65037, 55766), (65421, 56150), (65805, 56534),
        (66253, 56982), (66637, 57366), (67021, 57750), (67405, 58134), (67853, 58582),
        (68237, 58966),
    ),
}  # fmt: skip

_CACHE = ("num_pages", "page_size", "num_kv_heads", "head_dim")

DECODE = Definition(
    name="gqa_paged_decode_h32_kv8_d128_ps1",
    op_type="gqa_paged",
    description=(
        "One decoding step of a batch: 32 query heads in groups of four over 8 KV heads, a KV "
        "cache in pages of one token, as in Llama 3.1 8B. Returns the attention output and the "
        "base-2 log-sum-exp that merges partial results; a sequence without pages gives 0 and "
        "-inf."
    ),
    tags=(
        "stage:decode",
        "status:verified",
        "model:llama-3.1-8b",
        "fi_api:flashinfer.decode.BatchDecodeWithPagedKVCacheWrapper",
        "tp:1",
    ),
    axes=(
        Axis("batch_size", "Sequences in the batch, one query token each."),
        Axis("num_qo_heads", "Query heads.", 32),
        Axis("num_kv_heads", "Key and value heads, each shared by four query heads.", 8),
        Axis("head_dim", "Numbers in a head.", 128),
        Axis("num_pages", "Pages in the cache, of this batch or not."),
        Axis("page_size", "Tokens in a page.", 1),
        Axis("len_indptr", "Entries of kv_indptr."),
        Axis("num_kv_indices", "Pages in use by the batch, which are its cached tokens."),
    ),
    inputs=(
        Tensor(
            "q", ("batch_size", "num_qo_heads", "head_dim"), "bfloat16", "Query of each sequence."
        ),
        Tensor("k_cache", _CACHE, "bfloat16", "Keys of every page."),
        Tensor("v_cache", _CACHE, "bfloat16", "Values of every page."),
        Tensor(
            "kv_indptr",
            ("len_indptr",),
            "int32",
            "Sequence b owns kv_indices[kv_indptr[b]:kv_indptr[b + 1]].",
        ),
        Tensor(
            "kv_indices",
            ("num_kv_indices",),
            "int32",
            "Page numbers, sequence after sequence, in token order.",
        ),
        Tensor("sm_scale", None, "float32", "Factor of the scores, usually 1/sqrt(head_dim)."),
    ),
    outputs=(
        Tensor(
            "output",
            ("batch_size", "num_qo_heads", "head_dim"),
            "bfloat16",
            "Values averaged by attention weight.",
        ),
        Tensor(
            "lse",
            ("batch_size", "num_qo_heads"),
            "float32",
            "log2 of the sum of exp(score), the scores scaled by sm_scale.",
        ),
    ),
    constraints=(
        "len_indptr == batch_size + 1",
        "num_kv_indices == kv_indptr[-1].item()",
        "kv_indptr[0].item() == 0",
        "(kv_indptr[1:] >= kv_indptr[:-1]).all().item()",
        "((kv_indices >= 0) & (kv_indices < num_pages)).all().item()",
    ),
)


def sequence_lengths(stream: Stream, batch_size: int, total: int) -> NDArray[np.int64]:
    """Return ragged lengths of at least one token that add up to `total`, [batch_size].

    Weights are exponentials of a sum of uniforms, close to the log-normal spread of prompt and
    answer lengths; the longest of 64 sequences is about three times the mean.
    """
    spread = stream.uniform(4 * batch_size).reshape(4, batch_size).sum(axis=0) - 2.0
    weights = np.exp(0.8 * spread)
    exact = weights / weights.sum() * (total - batch_size)
    lengths: NDArray[np.int64] = 1 + np.floor(exact).astype(np.int64)
    largest_remainder = np.argsort(np.floor(exact) - exact, kind="stable")
    lengths[largest_remainder[: total - int(lengths.sum())]] += 1
    return lengths


def page_numbers(stream: Stream, lengths: NDArray[np.int64], num_pages: int) -> NDArray[np.int64]:
    """Return the pages of each sequence, concatenated, [sum of lengths], all different.

    Pages are handed out in ascending order of the free ones: a prompt takes a run of them at
    once, then the sequences take one each, step by step, until each has its length. Pages that
    other requests still hold leave gaps.
    """
    total = int(lengths.sum())
    free = iter(stream.subset(num_pages, total).tolist())
    prompts = np.maximum(1, lengths - stream.integers(0, 129, len(lengths)))
    owned: list[list[int]] = [[] for _ in lengths]
    for sequence in stream.permutation(len(lengths)).tolist():
        owned[sequence] = [next(free) for _ in range(int(prompts[sequence]))]
    growing = [sequence for sequence in range(len(owned)) if lengths[sequence] > prompts[sequence]]
    while growing:
        for sequence in growing:
            owned[sequence].append(next(free))
        growing = [item for item in growing if len(owned[item]) < lengths[item]]
    return np.array([page for pages in owned for page in pages], dtype=np.int64)


def problems() -> tuple[Problem, ...]:
    """Return the family's definition with its workloads, page tables and solutions."""
    workloads: list[Workload] = []
    blobs: dict[str, dict[str, Array]] = {}
    for batch_size, batches in _BATCHES.items():
        for num_pages, total in batches:
            stream = Stream(batch_size, num_pages, total)
            lengths = sequence_lengths(stream, batch_size, total)
            file = f"batch_{batch_size}_tokens_{total}.safetensors"
            blobs[file] = {
                "kv_indptr": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
                "kv_indices": page_numbers(stream, lengths, num_pages).astype(np.int32),
            }
            axes = {
                "batch_size": batch_size,
                "num_pages": num_pages,
                "len_indptr": batch_size + 1,
                "num_kv_indices": total,
            }
            inputs: dict[str, Scalar | Stored] = {
                "kv_indptr": Stored(file, "kv_indptr"),
                "kv_indices": Stored(file, "kv_indices"),
                "sm_scale": Scalar(1 / math.sqrt(128)),
            }
            workloads.append(Workload(axes, inputs))
    solutions = (
        Solution(
            "torch_gqa_paged_decode_h32_kv8_d128_ps1",
            "baseline",
            "python",
            False,
            "Gathers the pages of the batch into one padded tensor and attends with einsum.",
        ),
        Solution(
            "triton_gqa_paged_decode_h32_kv8_d128_ps1",
            "fitui",
            "triton",
            True,
            "Online softmax, one program for each sequence, KV head and split of the tokens; a "
            "second kernel merges the splits by their log-sum-exp.",
        ),
    )
    return (Problem(DECODE, tuple(workloads), solutions, blobs),)
