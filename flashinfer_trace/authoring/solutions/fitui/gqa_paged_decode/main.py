"""Flash decoding with Triton; see `launch`."""

import torch

from .launch import decode


def run(
    q: torch.Tensor,
    k_cache: torch.Tensor,
    v_cache: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    sm_scale: float,
    output: torch.Tensor,
    lse: torch.Tensor,
) -> None:
    """Write the attention output to `output` and its base-2 log-sum-exp to `lse`."""
    # Pages of one token are full: no lengths of last pages are read.
    decode(q, k_cache, v_cache, kv_indptr, kv_indices, kv_indptr, sm_scale, output, lse)
