"""Paged decoding attention: gather the batch's pages into a padded tensor, then einsum."""

import math

import torch


def run(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention output and the base-2 log-sum-exp of each query head."""
    lengths = kv_indptr.diff()
    longest = int(lengths.max())
    if longest == 0:
        return torch.zeros_like(q), q.new_full(q.shape[:2], -math.inf, dtype=torch.float32)

    step = torch.arange(longest, device=q.device)
    absent = step >= lengths[:, None]
    pages = kv_indices[(kv_indptr[:-1, None] + step).masked_fill(absent, 0)]
    keys, values = k_cache[pages].squeeze(2).float(), v_cache[pages].squeeze(2).float()

    batch_size, _, head_dim = q.shape
    heads = q.float().view(batch_size, k_cache.shape[2], -1, head_dim) * sm_scale
    scores = torch.einsum("bkgd,btkd->bkgt", heads, keys)
    scores = scores.masked_fill(absent[:, None, None, :], -math.inf)
    lse = scores.logsumexp(dim=-1, keepdim=True)
    # A sequence without pages has lse = -inf, and -inf - -inf would be NaN.
    shares = (scores - lse.nan_to_num(neginf=0.0)).exp()
    output = torch.einsum("bkgt,btkd->bkgd", shares, values)
    return output.reshape(q.shape).to(q.dtype), lse.flatten(1) / math.log(2)
