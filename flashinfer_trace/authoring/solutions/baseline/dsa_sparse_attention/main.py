"""Sparse latent attention: gather the chosen tokens of 32 queries at a time, batched matmul."""

import math

import torch

ROWS = 32


def run(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
    sparse_indices: torch.Tensor,
    sm_scale: float,
    output: torch.Tensor,
    lse: torch.Tensor,
) -> None:
    """Write the attention output and the base-2 log-sum-exp of each head."""
    latents, rotated = ckv_cache.flatten(0, 1), kpe_cache.flatten(0, 1)
    for begin in range(0, len(q_nope), ROWS):
        rows = slice(begin, begin + ROWS)
        absent = sparse_indices[rows] < 0
        tokens = sparse_indices[rows].masked_fill(absent, 0)
        values = latents[tokens].float()
        scores = q_nope[rows].float() @ values.mT + q_pe[rows].float() @ rotated[tokens].float().mT
        scores = (scores * sm_scale).masked_fill(absent[:, None], -math.inf)
        total = scores.logsumexp(dim=-1, keepdim=True)
        # Where nothing is chosen, total = -inf, and -inf - -inf would be NaN.
        output[rows] = (scores - total.nan_to_num(neginf=0.0)).exp() @ values
        lse[rows] = total[..., 0] / math.log(2)
