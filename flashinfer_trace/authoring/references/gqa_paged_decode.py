"""One decoding step of grouped-query attention over a paged KV cache, in float32.

Query head h of sequence b attends to the keys and values of KV head h // group, at the pages
kv_indices[kv_indptr[b]:kv_indptr[b + 1]]:

    s_t = sm_scale * <q, k_t>;  output = sum_t softmax(s)_t v_t;  lse = log2(sum_t exp(s_t)).
"""

import math
from itertools import pairwise

import torch


@torch.no_grad()
def run(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend from the newest token of each sequence to all of its cached tokens.

    Args:
        q: [batch_size, num_qo_heads, head_dim], bfloat16.
        k_cache: [num_pages, 1, num_kv_heads, head_dim], bfloat16.
        v_cache: as k_cache.
        kv_indptr: [batch_size + 1], int32; where each sequence's pages begin and end.
        kv_indices: [num_kv_indices], int32; page numbers, one token each.
        sm_scale: factor of the scores before the softmax.

    Returns:
        The output, [batch_size, num_qo_heads, head_dim], bfloat16, and the base-2 log-sum-exp of
        the scores, [batch_size, num_qo_heads], float32. Sequences without pages have output 0
        and log-sum-exp -inf.
    """
    batch_size, _, head_dim = q.shape
    # [sequence, KV head, query head of its group, dim]
    grouped = q.float().reshape(batch_size, k_cache.shape[2], -1, head_dim)
    output = torch.zeros_like(q)
    lse = torch.full(q.shape[:2], -math.inf, dtype=torch.float32, device=q.device)
    for row, (begin, end) in enumerate(pairwise(kv_indptr.tolist())):
        if begin == end:
            continue
        pages = kv_indices[begin:end].long()
        keys = k_cache[pages, 0].float()  # [token, KV head, dim]
        values = v_cache[pages, 0].float()
        scores = torch.einsum("hgd,thd->hgt", grouped[row], keys) * sm_scale
        mixed = torch.einsum("hgt,thd->hgd", scores.softmax(dim=-1), values)
        output[row] = mixed.flatten(0, 1).to(q.dtype)
        lse[row] = scores.logsumexp(dim=-1).flatten() / math.log(2)
    return output, lse
