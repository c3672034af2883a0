"""Causal multi-head latent attention of new tokens over a paged cache, in float32.

The queries of sequence b, qo_indptr[b] to qo_indptr[b + 1], are those of its last tokens. After
absorption all heads share one latent c_t and one rotated key r_t for each token, at the pages
kv_indices[kv_indptr[b]:kv_indptr[b + 1]], of which all but the last are full.
Query i of m sees those of n tokens up to number i + n - m:

    s_t = sm_scale * (<q_nope, c_t> + <q_pe, r_t>);
    output = sum_t softmax(s)_t c_t;  lse = log2(sum_t exp(s_t)).
"""

import math
from itertools import pairwise

import torch

QUERIES = 256  # attended at once, which bounds the memory of the scores


@torch.no_grad()
def run(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    kv_last_page_len: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend from each new token to the cached tokens up to itself.

    Args:
        q_nope: [total_q, num_qo_heads, head_dim_ckv], bfloat16.
        q_pe: [total_q, num_qo_heads, head_dim_kpe], bfloat16.
        ckv_cache: [num_pages, page_size, head_dim_ckv], bfloat16.
        kpe_cache: [num_pages, page_size, head_dim_kpe], bfloat16.
        qo_indptr: [len_indptr], int32; where each sequence's queries begin and end.
        kv_indptr: [len_indptr], int32; where each sequence's pages begin and end.
        kv_indices: [num_kv_indices], int32; page numbers.
        kv_last_page_len: [batch_size], int32; tokens in the last page of each sequence.
        sm_scale: factor of the scores before the softmax.

    Returns:
        The output, [total_q, num_qo_heads, head_dim_ckv], bfloat16, and the base-2 log-sum-exp of
        the scores, [total_q, num_qo_heads], float32. Queries that see no token have output 0 and
        log-sum-exp -inf.
    """
    output = torch.zeros_like(q_nope)
    lse = torch.full(q_nope.shape[:2], -math.inf, dtype=torch.float32, device=q_nope.device)
    bounds = zip(pairwise(qo_indptr.tolist()), pairwise(kv_indptr.tolist()), strict=True)
    last_page = kv_last_page_len.tolist()
    for row, ((first, last), (begin, end)) in enumerate(bounds):
        if begin == end:
            continue
        pages = kv_indices[begin:end].long()
        tokens = (len(pages) - 1) * ckv_cache.shape[1] + last_page[row]
        latents = ckv_cache[pages].flatten(0, 1)[:tokens].float()  # [token, dim]
        rotated = kpe_cache[pages].flatten(0, 1)[:tokens].float()
        ahead = tokens - (last - first)  # position of the first query among the tokens
        for start in range(first, last, QUERIES):
            some = slice(start, min(start + QUERIES, last))
            place = torch.arange(some.start - first, some.stop - first, device=lse.device) + ahead
            hidden = (torch.arange(tokens, device=lse.device) > place[:, None])[:, None, :]
            # [query, head, token]
            scores = q_nope[some].float() @ latents.T + q_pe[some].float() @ rotated.T
            scores = (scores * sm_scale).masked_fill(hidden, -math.inf)
            # Of no tokens at all, every share is NaN; the weight of nothing is 0.
            shares = scores.softmax(dim=-1).masked_fill(hidden, 0)
            output[some] = (shares @ latents).to(q_nope.dtype)
            lse[some] = scores.logsumexp(dim=-1) / math.log(2)
    return output, lse
