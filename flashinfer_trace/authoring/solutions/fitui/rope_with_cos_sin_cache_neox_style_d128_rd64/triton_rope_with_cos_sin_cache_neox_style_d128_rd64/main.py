"""Rotary embedding of queries and keys in one launch; a program turns a block of heads."""

import torch
import triton
import triton.language as tl


@triton.jit
def _turn(
    in_ptr,
    out_ptr,
    table_ptr,
    position_ptr,
    block,
    rows,
    heads,
    HEAD_SIZE: tl.constexpr,
    HALF: tl.constexpr,
    ROWS: tl.constexpr,
):
    # A row is one head of one token.
    row = block * ROWS + tl.arange(0, ROWS)
    inside = (row < rows)[:, None]
    position = tl.load(position_ptr + row // heads, mask=row < rows, other=0)
    i = tl.arange(0, HALF)[None, :]
    angle = table_ptr + position[:, None] * (2 * HALF) + i
    cosine = tl.load(angle, mask=inside, other=0.0)
    sine = tl.load(angle + HALF, mask=inside, other=0.0)

    start = row.to(tl.int64)[:, None] * HEAD_SIZE
    x = tl.load(in_ptr + start + i, mask=inside, other=0.0).to(tl.float32)
    y = tl.load(in_ptr + start + HALF + i, mask=inside, other=0.0).to(tl.float32)
    kind = out_ptr.dtype.element_ty
    tl.store(out_ptr + start + i, (x * cosine - y * sine).to(kind), mask=inside)
    tl.store(out_ptr + start + HALF + i, (y * cosine + x * sine).to(kind), mask=inside)

    rest = 2 * HALF + tl.arange(0, HEAD_SIZE - 2 * HALF)[None, :]
    tl.store(out_ptr + start + rest, tl.load(in_ptr + start + rest, mask=inside), mask=inside)


@triton.jit
def _turn_both(
    q_ptr,
    k_ptr,
    table_ptr,
    position_ptr,
    q_out_ptr,
    k_out_ptr,
    tokens,
    q_heads,
    k_heads,
    HEAD_SIZE: tl.constexpr,
    HALF: tl.constexpr,
    ROWS: tl.constexpr,
):
    block = tl.program_id(0)
    q_rows = tokens * q_heads
    q_blocks = tl.cdiv(q_rows, ROWS)
    if block < q_blocks:
        _turn(
            q_ptr, q_out_ptr, table_ptr, position_ptr, block, q_rows, q_heads, HEAD_SIZE, HALF, ROWS
        )
    else:
        block -= q_blocks
        rows = tokens * k_heads
        _turn(
            k_ptr, k_out_ptr, table_ptr, position_ptr, block, rows, k_heads, HEAD_SIZE, HALF, ROWS
        )


def run(
    q: torch.Tensor, k: torch.Tensor, cos_sin_cache: torch.Tensor, positions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rotated queries and keys."""
    tokens, q_heads, head_size = q.shape
    k_heads = k.shape[1]
    q_out, k_out = torch.empty_like(q), torch.empty_like(k)
    # Under Triton's interpreter each program costs Python time: few and large ones.
    rows = 4096 if q.device.type == "cpu" else 16
    grid = (triton.cdiv(tokens * q_heads, rows) + triton.cdiv(tokens * k_heads, rows),)
    _turn_both[grid](
        q,
        k,
        cos_sin_cache,
        positions,
        q_out,
        k_out,
        tokens,
        q_heads,
        k_heads,
        HEAD_SIZE=head_size,
        HALF=cos_sin_cache.shape[1] // 2,
        ROWS=rows,
        num_warps=4,
    )
    return q_out, k_out
