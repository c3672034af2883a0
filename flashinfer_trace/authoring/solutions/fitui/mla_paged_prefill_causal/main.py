"""Causal attention over paged latents with Triton; see `launch`."""

import torch

from .launch import prefill


def run(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    sm_scale: float,
    output: torch.Tensor,
    lse: torch.Tensor,
) -> None:
    """Write the attention output to `output` and its base-2 log-sum-exp to `lse`."""
    # Pages of one token are full: no lengths of last pages are read.
    table = (qo_indptr, kv_indptr, kv_indices, kv_indptr)
    prefill(q_nope, q_pe, ckv_cache, kpe_cache, *table, sm_scale, output, lse)
