"""Flash decoding over paged latents; the number of splits is chosen from shapes alone."""

import math

import torch
import triton

from .kernels import attend, merge

_PROGRAMS = 512  # a few for each of the GPU's multiprocessors
_INTERPRETED_SPLITS = 1  # where nothing runs at the same time


def splits_of(batch_size: int, tokens: int, block: int) -> int:
    """Return a power of two that fills the GPU without splits shorter than a block.

    Lengths are on the device, and reading them would stall the host: four times their mean stands
    for the longest one. A longer one is split as often, into longer parts.
    """
    longest = min(tokens, 4 * tokens // batch_size)
    wanted = min(_PROGRAMS // batch_size, -(-longest // block), 32)
    return 1 << max(0, wanted.bit_length() - 1)


def decode(
    q_nope: torch.Tensor,
    q_pe: torch.Tensor,
    ckv_cache: torch.Tensor,
    kpe_cache: torch.Tensor,
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
    batch_size, heads, width = q_nope.shape
    page_size = ckv_cache.shape[1]
    cached = kv_indices.shape[0] * page_size
    interpreted = q_nope.device.type == "cpu"
    tokens = 32
    if interpreted:  # it pays for each step, whatever its size, and gets bfloat16 products wrong
        tokens = max(64, min(1024, triton.next_power_of_2(cached // batch_size)))
    splits = _INTERPRETED_SPLITS if interpreted else splits_of(batch_size, cached, tokens)
    parts, part_lse = output, lse
    if splits > 1:
        parts = q_nope.new_empty((batch_size, heads, splits, width), dtype=torch.float32)
        part_lse = q_nope.new_empty((batch_size, heads, splits), dtype=torch.float32)
    attend[(batch_size, splits)](
        q_nope,
        q_pe,
        ckv_cache,
        kpe_cache,
        kv_indptr,
        kv_indices,
        kv_last_page_len,
        parts,
        part_lse,
        sm_scale * math.log2(math.e),
        HEADS=heads,
        PADDED=max(16, triton.next_power_of_2(heads)),
        LATENT=width,
        ROTATED=q_pe.shape[2],
        PAGE_SIZE=page_size,
        TOKENS=tokens,
        SPLITS=splits,
        UPCAST=interpreted,
        num_warps=4,
        num_stages=2,
    )
    if splits > 1:
        merge[(batch_size * heads,)](
            parts, part_lse, output, lse, LATENT=width, SPLITS=splits, num_warps=8
        )
