"""Paged decoding with latents: gather the batch's pages into a padded tensor, then einsum."""

import torch

from .padded import attend, nothing, positions


def run(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    kv_last_page_len: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention output and the base-2 log-sum-exp of each query head."""
    if kv_indices.shape[0] == 0:
        return nothing(q_nope)
    full = (kv_indptr.diff() - 1) * ckv_cache.shape[1]
    lengths = (full + kv_last_page_len).masked_fill(kv_indptr.diff() == 0, 0)
    pages, place, absent = positions(kv_indptr, kv_indices, lengths, ckv_cache.shape[1])
    latents = ckv_cache[pages, place][:, :, None]  # of one KV head
    keys = torch.cat([latents, kpe_cache[pages, place][:, :, None]], dim=-1)
    return attend(torch.cat([q_nope, q_pe], dim=-1), keys, latents, absent, sm_scale)
