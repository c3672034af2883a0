"""Residual addition and RMS normalisation: one program a row, the sum kept in registers."""

import torch
import triton
import triton.language as tl

EPSILON = 1e-5


@triton.jit
def _add_and_normalise(
    x_ptr, residual_ptr, weight_ptr, out_ptr, width, epsilon, BLOCK: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < width
    offset = row * width + column
    x = tl.load(x_ptr + offset, mask=inside, other=0.0).to(tl.float32)
    residual = tl.load(residual_ptr + offset, mask=inside, other=0.0).to(tl.float32)
    weight = tl.load(weight_ptr + column, mask=inside, other=0.0).to(tl.float32)
    total = x + residual
    scale = 1.0 / tl.sqrt(tl.sum(total * total, axis=0) / width + epsilon)
    result = total * scale * weight
    tl.store(out_ptr + offset, result.to(out_ptr.dtype.element_ty), mask=inside)


def run(hidden_states: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the normalised sum, [batch_size, hidden_size], bfloat16."""
    batch_size, width = hidden_states.shape
    output = torch.empty_like(hidden_states)
    block = triton.next_power_of_2(width)
    _add_and_normalise[(batch_size,)](
        hidden_states, residual, weight, output, width, EPSILON, BLOCK=block, num_warps=8
    )
    return output
