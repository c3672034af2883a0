"""Causal attention of prompts, one after another."""

from itertools import pairwise

import torch

from .causal import attend


def run(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention output and the base-2 log-sum-exp of each query head."""
    output = q.new_empty(*q.shape[:2], v.shape[2])
    lse = q.new_empty(q.shape[:2], dtype=torch.float32)
    bounds = zip(pairwise(qo_indptr.tolist()), pairwise(kv_indptr.tolist()), strict=True)
    for (first, last), (begin, end) in bounds:
        ours = attend(q[first:last], k[begin:end], v[begin:end], sm_scale)
        output[first:last], lse[first:last] = ours
    return output, lse
