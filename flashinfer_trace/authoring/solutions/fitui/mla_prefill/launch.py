"""Flash attention over paged latents, launched from shapes alone: nothing waits for the GPU."""

import math

import torch
import triton

from .kernel import attend


def prefill(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    kv_last_page_len: torch.Tensor,
    sm_scale: float,
    output: torch.Tensor,
    lse: torch.Tensor,
) -> None:
    """Write the attention output to `output` and its base-2 log-sum-exp to `lse`.

    With pages of one token, `kv_last_page_len` is not looked at.
    """
    total_q, heads, width = q_nope.shape
    sequences = qo_indptr.shape[0] - 1
    interpreted = q_nope.device.type == "cpu"
    rows, tokens = 32, 32  # more rows would not fit into the registers
    if interpreted:  # it pays for each step, whatever its size, and gets bfloat16 products wrong
        mean = total_q // max(1, sequences)
        rows = max(64, min(1024, triton.next_power_of_2(mean * heads)))
        tokens = max(64, min(1024, triton.next_power_of_2(mean)))
    tiles = total_q * heads // rows + sequences  # no fewer than there can be
    if total_q == 0:
        return
    attend[(tiles,)](
        q_nope,
        q_pe,
        ckv_cache,
        kpe_cache,
        qo_indptr,
        kv_indptr,
        kv_indices,
        kv_last_page_len,
        output,
        lse,
        sm_scale * math.log2(math.e),
        sequences,
        HEADS=heads,
        LATENT=width,
        ROTATED=q_pe.shape[2],
        PAGE_SIZE=ckv_cache.shape[1],
        SEQUENCES=max(16, triton.next_power_of_2(sequences)),
        ROWS=rows,
        TOKENS=tokens,
        UPCAST=interpreted,
        num_warps=8,
        num_stages=2,
    )
