"""Top-k, then nucleus sampling in one launch; ties at either limit are all kept."""

import torch
import triton
import triton.language as tl

from .search import block_sums, draw, find_kth, find_nucleus


@triton.jit
def _sample(
    probs_ptr,
    top_k_ptr,
    top_p_ptr,
    uniform_ptr,
    samples_ptr,
    size,
    BLOCK: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    row_ptr = probs_ptr + row * size
    k = tl.load(top_k_ptr + row)
    p = tl.load(top_p_ptr + row)
    pivot = tl.full((), 0, dtype=tl.int32)
    if (k > 0) & (k < size):
        pivot = find_kth(row_ptr, size, k, BLOCK)
    if p < 1.0:
        # Of what k left; the nucleus of that ends at a value that k left, or above it.
        total = tl.sum(block_sums(row_ptr, size, pivot, BLOCK, BLOCKS), axis=0)
        nucleus = find_nucleus(row_ptr, size, tl.maximum(p, 0.0) * total, BLOCK)
        pivot = tl.maximum(pivot, nucleus)
    token = draw(row_ptr, size, pivot, tl.load(uniform_ptr + row), BLOCK, BLOCKS)
    tl.store(samples_ptr + row, token)


def run(
    probs: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor, samples: torch.Tensor
) -> None:
    """Write one token for each row to `samples`, [batch_size], int64."""
    batch_size, vocab_size = probs.shape
    uniform = torch.rand(batch_size, device=probs.device)
    # Under Triton's interpreter each step costs Python time: take a row in few.
    largest = 131072 if probs.device.type == "cpu" else 8192
    block = min(largest, triton.next_power_of_2(vocab_size))
    _sample[(batch_size,)](
        probs,
        top_k,
        top_p,
        uniform,
        samples,
        vocab_size,
        BLOCK=block,
        BLOCKS=triton.next_power_of_2(triton.cdiv(vocab_size, block)),
        num_warps=16,
    )
