"""Causal grouped-query attention of new tokens over a paged KV cache, in float32.

The queries of sequence b, qo_indptr[b] to qo_indptr[b + 1], are those of its last tokens; its keys
and values lie at the pages kv_indices[kv_indptr[b]:kv_indptr[b + 1]], of which all but the last
are full. Query i of m sees those of n keys up to number i + n - m; query head h belongs to KV head
h // group:

    s_t = sm_scale * <q, k_t>;  output = sum_t softmax(s)_t v_t;  lse = log2(sum_t exp(s_t)).
"""

import math
from itertools import pairwise

import torch

QUERIES = 256  # attended at once, which bounds the memory of the scores


@torch.no_grad()
def run(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    kv_last_page_len: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend from each new token to the cached tokens up to itself.

    Args:
        q: [total_q, num_qo_heads, head_dim], bfloat16.
        k_cache: [num_pages, page_size, num_kv_heads, head_dim], bfloat16.
        v_cache: as k_cache.
        qo_indptr: [len_indptr], int32; where each sequence's queries begin and end.
        kv_indptr: [len_indptr], int32; where each sequence's pages begin and end.
        kv_indices: [num_kv_indices], int32; page numbers.
        kv_last_page_len: [batch_size], int32; tokens in the last page of each sequence.
        sm_scale: factor of the scores before the softmax.

    Returns:
        The output, [total_q, num_qo_heads, head_dim], bfloat16, and the base-2 log-sum-exp of the
        scores, [total_q, num_qo_heads], float32. Queries that see no key have output 0 and
        log-sum-exp -inf.
    """
    output = torch.zeros_like(q)
    lse = torch.full(q.shape[:2], -math.inf, dtype=torch.float32, device=q.device)
    bounds = zip(pairwise(qo_indptr.tolist()), pairwise(kv_indptr.tolist()), strict=True)
    last_page = kv_last_page_len.tolist()
    for row, ((first, last), (begin, end)) in enumerate(bounds):
        if begin == end:
            continue
        pages = kv_indices[begin:end].long()
        tokens = (len(pages) - 1) * k_cache.shape[1] + last_page[row]
        keys = k_cache[pages].flatten(0, 1)[:tokens].float()  # [token, KV head, dim]
        values = v_cache[pages].flatten(0, 1)[:tokens].float()
        ahead = tokens - (last - first)  # position of the first query among the keys
        for start in range(first, last, QUERIES):
            some = slice(start, min(start + QUERIES, last))
            place = torch.arange(some.start - first, some.stop - first, device=q.device) + ahead
            hidden = torch.arange(tokens, device=q.device) > place[:, None]
            output[some], lse[some] = attend(q[some], keys, values, hidden, sm_scale)
    return output, lse


def attend(
    q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, hidden: torch.Tensor, sm_scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the result of some queries of one sequence.

    Args:
        q: [queries, num_qo_heads, head_dim], bfloat16.
        keys: [tokens, num_kv_heads, head_dim], float32.
        values: [tokens, num_kv_heads, head_dim], float32.
        hidden: [queries, tokens], which keys a query must not see.
        sm_scale: factor of the scores.
    """
    # [query, KV head, query head of its group, dim]
    grouped = q.float().reshape(q.shape[0], keys.shape[1], -1, q.shape[2])
    scores = torch.einsum("qhgd,thd->qhgt", grouped, keys) * sm_scale
    scores = scores.masked_fill(hidden[:, None, None, :], -math.inf)
    # Of no keys at all, every share is NaN; the weight of nothing is 0.
    shares = scores.softmax(dim=-1).masked_fill(hidden[:, None, None, :], 0)
    output = torch.einsum("qhgt,thd->qhgd", shares, values)
    return output.flatten(1, 2).to(q.dtype), scores.logsumexp(dim=-1).flatten(1) / math.log(2)
