"""Causal attention over a paged cache with Triton; see `launch`."""

import torch

from .launch import prefill


def run(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    kv_last_page_len: torch.Tensor,
    sm_scale: float,
    output: torch.Tensor,
    lse: torch.Tensor,
) -> None:
    """Write the attention output to `output` and its base-2 log-sum-exp to `lse`."""
    table = (qo_indptr, kv_indptr, kv_indices, kv_last_page_len)
    prefill(q, k_cache, v_cache, *table, k_cache.shape[1], sm_scale, output, lse)
