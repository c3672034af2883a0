"""Causal attention over paged latents: gather the pages of a sequence, then attend to them."""

from itertools import pairwise

import torch

from .causal import attend


def run(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the attention output and the base-2 log-sum-exp of each query head."""
    q = torch.cat([q_nope, q_pe], dim=-1)
    output = torch.empty_like(q_nope)
    lse = q.new_empty(q.shape[:2], dtype=torch.float32)
    bounds = zip(pairwise(qo_indptr.tolist()), pairwise(kv_indptr.tolist()), strict=True)
    for (first, last), (begin, end) in bounds:
        pages = kv_indices[begin:end]
        latents = ckv_cache[pages].flatten(0, 1)[:, None]  # of one KV head
        keys = torch.cat([latents, kpe_cache[pages].flatten(0, 1)[:, None]], dim=-1)
        output[first:last], lse[first:last] = attend(q[first:last], keys, latents, sm_scale)
    return output, lse
