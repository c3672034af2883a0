"""Causal attention over a paged cache: gather the pages of a sequence, then attend to them."""

from itertools import pairwise

import torch

from .causal import attend


def run(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention output and the base-2 log-sum-exp of each query head."""
    output = torch.empty_like(q)
    lse = q.new_empty(q.shape[:2], dtype=torch.float32)
    bounds = zip(pairwise(qo_indptr.tolist()), pairwise(kv_indptr.tolist()), strict=True)
    for (first, last), (begin, end) in bounds:
        pages = kv_indices[begin:end]
        keys = k_cache[pages].flatten(0, 1)
        values = v_cache[pages].flatten(0, 1)
        output[first:last], lse[first:last] = attend(q[first:last], keys, values, sm_scale)
    return output, lse
