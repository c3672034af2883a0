"""Choice of the tokens that sparse attention looks at, from 8-bit float keys, in float32.

The score of a cached token with key k for a query token with index heads q_h and weights w_h is

    sum_h w_h max(0, <q_h, k>).

The TOPK tokens of highest score are chosen, all of them where a sequence has no more.

A page of the cache holds the keys of its tokens, one after another, 1 byte a number, and then their
scales, 4 bytes a token; the shape [page_size, 1, head_dim + 4] only counts the bytes.
"""

import torch

TOPK = 2048  # tokens of a query


def _keys(cache: torch.Tensor) -> torch.Tensor:
    """Return the keys of every page, [num_pages, page_size, head_dim], float32."""
    page_size, head_dim = cache.shape[1], cache.shape[3] - 4
    pages = cache.flatten(1)
    numbers = pages[:, : page_size * head_dim].contiguous().view(torch.float8_e4m3fn)
    scales = pages[:, page_size * head_dim :].contiguous().view(torch.float32)
    keys = numbers.float().reshape(len(cache), page_size, head_dim)
    return keys * scales.unsqueeze(2)


@torch.no_grad()
def run(
    q_index_fp8: torch.Tensor,
    k_index_cache_fp8: torch.Tensor,
    weights: torch.Tensor,
    seq_lens: torch.Tensor,
    block_table: torch.Tensor,
) -> torch.Tensor:
    """Choose the best tokens of each sequence.

    Args:
        q_index_fp8: [batch_size, num_index_heads, index_head_dim], float8_e4m3fn.
        k_index_cache_fp8: [num_pages, page_size, 1, index_head_dim + 4], int8.
        weights: [batch_size, num_index_heads], float32.
        seq_lens: [batch_size], int32; tokens of each sequence.
        block_table: [batch_size, max_num_pages], int32; pages of each sequence, in order.

    Returns:
        [batch_size, TOPK], int32; page * page_size + place in the page, best first, then -1.
    """
    page_size = k_index_cache_fp8.shape[1]
    place = torch.arange(page_size, device=block_table.device)
    chosen = torch.full((len(block_table), TOPK), -1, dtype=torch.int32, device=block_table.device)
    for row, length in enumerate(seq_lens.tolist()):
        pages = block_table[row, : -(-length // page_size)].long()
        tokens = (pages.unsqueeze(1) * page_size + place).flatten()[:length]
        keys = _keys(k_index_cache_fp8[pages]).flatten(0, 1)[:length]
        heads = (q_index_fp8[row].float() @ keys.t()).relu()
        best = (weights[row].float() @ heads).topk(min(TOPK, length)).indices
        chosen[row, : len(best)] = tokens[best].to(torch.int32)
    return chosen
