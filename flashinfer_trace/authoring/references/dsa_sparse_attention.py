"""Latent attention to a chosen few of the cached tokens, in float32.

A cached token is one latent vector c, key and value at once, and a rotated key p. All heads of a
query token attend to the same tokens, which an indexer has chosen:

    s_t = sm_scale * (<q_nope, c_t> + <q_pe, p_t>);  output = sum_t softmax(s)_t c_t,
    lse = log2(sum_t exp(s_t)).
"""

import math

import torch


@torch.no_grad()
def run(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
    sparse_indices: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attend from each token to the cached tokens chosen for it.

    Args:
        q_nope: [num_tokens, num_qo_heads, head_dim_ckv], bfloat16.
        q_pe: [num_tokens, num_qo_heads, head_dim_kpe], bfloat16.
        ckv_cache: [num_pages, page_size, head_dim_ckv], bfloat16.
        kpe_cache: [num_pages, page_size, head_dim_kpe], bfloat16.
        sparse_indices: [num_tokens, topk], int32; page * page_size + place in the page, or -1.
        sm_scale: factor of the scores before the softmax.

    Returns:
        The output, of q_nope's shape and dtype, and the base-2 log-sum-exp of the scores,
        [num_tokens, num_qo_heads], float32; 0 and -inf where nothing is chosen.
    """
    latents, rotated = ckv_cache.flatten(0, 1), kpe_cache.flatten(0, 1)
    output = torch.zeros_like(q_nope)
    lse = torch.full(q_nope.shape[:2], -math.inf, dtype=torch.float32, device=q_nope.device)
    for token, indices in enumerate(sparse_indices):
        chosen = indices[indices != -1].long()
        if chosen.numel() == 0:
            continue
        values = latents[chosen].float()
        scores = q_nope[token].float() @ values.t()
        scores = (scores + q_pe[token].float() @ rotated[chosen].float().t()) * sm_scale
        output[token] = (scores.softmax(dim=-1) @ values).to(output.dtype)
        lse[token] = scores.logsumexp(dim=-1) / math.log(2)
    return output, lse
