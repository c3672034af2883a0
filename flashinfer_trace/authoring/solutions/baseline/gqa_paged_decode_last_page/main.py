"""Paged decoding attention: gather the batch's pages into a padded tensor, then einsum."""

import torch

from .padded import attend, nothing, positions


def run(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    kv_last_page_len: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention output and the base-2 log-sum-exp of each query head."""
    if kv_indices.shape[0] == 0:
        return nothing(q)
    full = (kv_indptr.diff() - 1) * k_cache.shape[1]
    lengths = (full + kv_last_page_len).masked_fill(kv_indptr.diff() == 0, 0)
    pages, place, absent = positions(kv_indptr, kv_indices, lengths, k_cache.shape[1])
    return attend(q, k_cache[pages, place], v_cache[pages, place], absent, sm_scale)
