"""Top-k sampling in one launch; ties with the k-th probability are all kept."""

import torch
import triton

from .kernel import sample


def run(probs: torch.Tensor, top_k: torch.Tensor, samples: torch.Tensor) -> None:
    """Write one token for each row to `samples`, [batch_size], int64."""
    batch_size, vocab_size = probs.shape
    uniform = torch.rand(batch_size, device=probs.device)
    # Under Triton's interpreter each step costs Python time: take a row in one.
    largest = 131072 if probs.device.type == "cpu" else 8192
    block = min(largest, triton.next_power_of_2(vocab_size))
    sample[(batch_size,)](
        probs,
        top_k,
        uniform,
        samples,
        vocab_size,
        BLOCK=block,
        BLOCKS=triton.next_power_of_2(triton.cdiv(vocab_size, block)),
        num_warps=16,
    )
