"""Flash attention of a batch of prefills, launched from shapes alone: nothing waits for the GPU."""

import math

import torch
import triton

from .kernel import attend


def prefill(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    qo_indptr: torch.Tensor,
    kv_indptr: torch.Tensor,
    kv_indices: torch.Tensor,
    kv_last_page_len: torch.Tensor,
    page_size: int,
    sm_scale: float,
    output: torch.Tensor,
    lse: torch.Tensor,
) -> None:
    """Write the attention output to `output` and its base-2 log-sum-exp to `lse`.

    `k` and `v` are [pages, page_size, KV heads, dim]. With a `page_size` of 0 there are no pages:
    they are [tokens, KV heads, dim], and neither page numbers nor lengths of last pages are looked
    at; with 1, no lengths.
    """
    total_q, heads, key_dim = q.shape
    kv_heads, sequences = k.shape[-2], qo_indptr.shape[0] - 1
    group = heads // kv_heads
    interpreted = q.device.type == "cpu"
    # Of wide heads, less fits into a multiprocessor.
    rows, tokens = (128, 64) if key_dim <= 128 else (64, 32)
    if interpreted:  # it pays for each step, whatever its size, and gets bfloat16 products wrong
        mean = total_q // max(1, sequences)
        rows = max(64, min(1024, triton.next_power_of_2(mean * group)))
        tokens = max(64, min(1024, triton.next_power_of_2(mean)))
    tiles = total_q * group // rows + sequences  # no fewer than there can be
    if total_q == 0:
        return
    attend[(tiles, kv_heads)](
        q,
        k,
        v,
        qo_indptr,
        kv_indptr,
        kv_indices,
        kv_last_page_len,
        output,
        lse,
        sm_scale * math.log2(math.e),
        sequences,
        heads,
        kv_heads,
        GROUP=group,
        KEY_DIM=key_dim,
        KEY_PADDED=triton.next_power_of_2(key_dim),
        VALUE_DIM=v.shape[-1],
        PAGE_SIZE=page_size,
        SEQUENCES=max(16, triton.next_power_of_2(sequences)),
        ROWS=rows,
        TOKENS=tokens,
        UPCAST=interpreted,
        num_warps=8,
        num_stages=2,
    )
