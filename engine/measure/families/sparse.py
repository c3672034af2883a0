"""DeepSeek's sparse attention: latent attention to chosen tokens, and the indexer that chooses."""

from __future__ import annotations

from collections import Counter

import torch

from engine.measure.facts import Work
from engine.measure.families.attention import LATENT, products
from engine.measure.families.call import Call, Unfit, work
from engine.measure.families.tables import different_tokens, page_counts

_SCALE_BYTES = 4


def sparse_attention(call: Call) -> Work:
    """Latent attention of each query token to the tokens that its row names; -1 names none."""
    num_pages, page_size, _ = call.shape(LATENT.values, 3)
    rows = call.table("sparse_indices", 2)
    chosen = rows >= 0
    if call.shape(LATENT.queries[0], 3)[0] != len(rows) or bool(
        (rows >= num_pages * page_size).any()
    ):
        raise Unfit("the indices fit neither queries nor cache")
    owner = torch.arange(len(rows)).unsqueeze(1).expand_as(rows)[chosen]
    # What is named twice in a row could be weighted twice in one go.
    pairs = len((owner * num_pages * page_size + rows[chosen]).unique())
    read = call.nbytes("sparse_indices")
    read += int(chosen.any(dim=1).sum()) * sum(call.row(name) for name in LATENT.queries)
    read += len(rows[chosen].unique()) * sum(call.row(name, 2) for name in LATENT.cached)
    return work(read, call.written(), products(call, LATENT, pairs))


def topk_indexer(call: Call) -> Work:
    """Scores of a sequence's tokens from 8-bit keys, of which the best are to be named.

    All tokens of a sequence that has no more than are to be named are named unseen.
    """
    num_pages, page_size, _, width = call.shape("k_index_cache_fp8", 4)
    rows, heads, depth = call.shape("q_index_fp8", 3)
    table = call.table("block_table", 2)
    lengths = call.table("seq_lens", 1)
    counts = page_counts(lengths, page_size)
    if not len(table) == len(lengths) == rows or width != depth + _SCALE_BYTES:
        raise Unfit("the tables fit neither queries nor cache")
    if bool(((lengths < 0) | (counts > table.shape[1])).any()):
        raise Unfit("a sequence is longer than its row of pages")
    scored = lengths > call.shape("topk_indices", 2)[1]
    tokens = lengths.where(scored, 0)
    begins = torch.arange(rows) * table.shape[1]
    different = different_tokens(table.flatten(), begins, tokens, num_pages, page_size)
    read = call.nbytes("seq_lens") + int(counts.sum()) * call.row("block_table", 2)
    read += int(scored.sum()) * (call.row("q_index_fp8") + call.row("weights"))
    read += different * call.row("k_index_cache_fp8", 2)
    flops = Counter({call.rate("q_index_fp8"): 2 * int(tokens.sum()) * heads * depth})
    return work(read, call.written(), flops)
