"""One decoding step of multi-head latent attention over a paged cache, in float32.

After absorption all heads of sequence b share one latent c_t and one rotated key r_t for each
token, at the pages kv_indices[kv_indptr[b]:kv_indptr[b + 1]]:

    s_t = sm_scale * (<q_nope, c_t> + <q_pe, r_t>);
    output = sum_t softmax(s)_t c_t;  lse = log2(sum_t exp(s_t)).
"""

import math
from itertools import pairwise

import torch


@torch.no_grad()
def run(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend from the newest token of each sequence to all of its cached tokens.

    Args:
        q_nope: [batch_size, num_qo_heads, head_dim_ckv], bfloat16.
        q_pe: [batch_size, num_qo_heads, head_dim_kpe], bfloat16.
        ckv_cache: [num_pages, 1, head_dim_ckv], bfloat16.
        kpe_cache: [num_pages, 1, head_dim_kpe], bfloat16.
        kv_indptr: [batch_size + 1], int32; where each sequence's pages begin and end.
        kv_indices: [num_kv_indices], int32; page numbers, one token each.
        sm_scale: factor of the scores before the softmax.

    Returns:
        The output, [batch_size, num_qo_heads, head_dim_ckv], bfloat16, and the base-2 log-sum-exp
        of the scores, [batch_size, num_qo_heads], float32. Sequences without pages have output 0
        and log-sum-exp -inf.
    """
    output = torch.zeros_like(q_nope)
    lse = torch.full(q_nope.shape[:2], -math.inf, dtype=torch.float32, device=q_nope.device)
    for row, (begin, end) in enumerate(pairwise(kv_indptr.tolist())):
        if begin == end:
            continue
        pages = kv_indices[begin:end].long()
        latents = ckv_cache[pages, 0].float()  # [token, dim]
        rotated = kpe_cache[pages, 0].float()
        scores = (q_nope[row].float() @ latents.T + q_pe[row].float() @ rotated.T) * sm_scale
        output[row] = (scores.softmax(dim=-1) @ latents).to(q_nope.dtype)
        lse[row] = scores.logsumexp(dim=-1) / math.log(2)
    return output, lse
