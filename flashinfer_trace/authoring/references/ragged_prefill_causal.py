"""Causal attention of sequences of different lengths that lie one after another, in float32.

The queries of sequence b are tokens qo_indptr[b] to qo_indptr[b + 1] of q; its keys and values are
tokens kv_indptr[b] to kv_indptr[b + 1] of k and v. Query i of m sees those of n keys up to number
i + n - m; query head h belongs to KV head h // group:

    s_t = sm_scale * <q, k_t>;  output = sum_t softmax(s)_t v_t;  lse = log2(sum_t exp(s_t)).
"""

import math
from itertools import pairwise

import torch

QUERIES = 256  # attended at once, which bounds the memory of the scores


@torch.no_grad()
def run(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend from each token to those of its sequence up to itself.

    Args:
        q: [total_q, num_qo_heads, key_dim], bfloat16.
        k: [total_kv, num_kv_heads, key_dim], bfloat16.
        v: [total_kv, num_kv_heads, value_dim], bfloat16.
        qo_indptr: [len_indptr], int32; where each sequence's queries begin and end.
        kv_indptr: [len_indptr], int32; where each sequence's keys begin and end.
        sm_scale: factor of the scores before the softmax.

    Returns:
        The output, [total_q, num_qo_heads, value_dim], bfloat16, and the base-2 log-sum-exp of the
        scores, [total_q, num_qo_heads], float32. Queries that see no key have output 0 and
        log-sum-exp -inf.
    """
    output = q.new_zeros(*q.shape[:2], v.shape[2])
    lse = torch.full(q.shape[:2], -math.inf, dtype=torch.float32, device=q.device)
    bounds = zip(pairwise(qo_indptr.tolist()), pairwise(kv_indptr.tolist()), strict=True)
    for (first, last), (begin, end) in bounds:
        if begin == end:
            continue
        keys, values, tokens = k[begin:end].float(), v[begin:end].float(), end - begin
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
        q: [queries, num_qo_heads, key_dim], bfloat16.
        keys: [tokens, num_kv_heads, key_dim], float32.
        values: [tokens, num_kv_heads, value_dim], float32.
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
