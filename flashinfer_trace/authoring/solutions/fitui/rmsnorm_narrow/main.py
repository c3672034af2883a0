"""RMS normalisation of narrow rows: a program takes a tile of them, which it reads once."""

import torch
import triton
import triton.language as tl

EPSILON = 1e-5
_TILE = 4096  # numbers that a program holds, 32 for each of its threads
_TILE_INTERPRETED = 262144  # each program costs Python time under Triton's interpreter


@triton.jit
def _normalise(
    x_ptr, weight_ptr, out_ptr, rows, width, epsilon, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, BLOCK)
    inside = (row < rows)[:, None] & (column < width)[None, :]
    offset = row.to(tl.int64)[:, None] * width + column[None, :]
    x = tl.load(x_ptr + offset, mask=inside, other=0.0).to(tl.float32)
    weight = tl.load(weight_ptr + column, mask=column < width, other=0.0).to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(x * x, axis=1) / width + epsilon)
    result = x * scale[:, None] * weight[None, :]
    tl.store(out_ptr + offset, result.to(out_ptr.dtype.element_ty), mask=inside)


def run(hidden_states: torch.Tensor, weight: torch.Tensor, output: torch.Tensor) -> None:
    """Write the normalised rows to `output`, [batch_size, hidden_size], bfloat16."""
    batch_size, width = hidden_states.shape
    block = triton.next_power_of_2(width)
    tile = _TILE_INTERPRETED if hidden_states.device.type == "cpu" else _TILE
    rows = max(1, tile // block)
    _normalise[(triton.cdiv(batch_size, rows),)](
        hidden_states,
        weight,
        output,
        batch_size,
        width,
        EPSILON,
        ROWS=rows,
        BLOCK=block,
        num_warps=4,
    )
