"""Causal attention of prompts, one after another, with Triton; see `launch`."""

import torch

from .launch import prefill


def run(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    sm_scale: float,
    output: torch.Tensor,
    lse: torch.Tensor,
) -> None:
    """Write the attention output to `output` and its base-2 log-sum-exp to `lse`."""
    # Without pages there are no page numbers and no last pages to be read.
    table = (qo_indptr, kv_indptr, kv_indptr, kv_indptr)
    prefill(q, k, v, *table, 0, sm_scale, output, lse)
