"""Gated delta rule, one token, in Triton.

One program updates some rows of one head's state: the rows, one for each number of the value, do
not depend on each other, so each is read once, kept in registers, and written once.
"""

import torch
import triton
import triton.language as tl

ROWS = 32  # of a state, in one program


@triton.jit
def _step(
    q_ptr, k_ptr, v_ptr, state_ptr, rate_ptr, a_ptr, bias_ptr, b_ptr, scale, output_ptr, new_ptr,
    value_heads, shared,
    SIZE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    # (sequence, value head) and block of rows
    head, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    numbers = tl.arange(0, SIZE)
    rows = block * ROWS + tl.arange(0, ROWS)
    kept = rows < SIZE

    x = tl.load(a_ptr + head).to(tl.float32) + tl.load(bias_ptr + head % value_heads)
    # softplus, which is x itself where exp(x) would overflow
    softplus = tl.where(x > 20.0, x, tl.log(1.0 + tl.exp(tl.minimum(x, 20.0))))
    decay = tl.exp(-tl.exp(tl.load(rate_ptr + head % value_heads)) * softplus)
    beta = tl.sigmoid(tl.load(b_ptr + head).to(tl.float32))

    # value_heads is a multiple of shared, so that this counts (sequence, key head) too
    key = tl.load(k_ptr + head // shared * SIZE + numbers).to(tl.float32)
    query = tl.load(q_ptr + head // shared * SIZE + numbers).to(tl.float32)
    value = tl.load(v_ptr + head * SIZE + rows, mask=kept, other=0.0).to(tl.float32)

    place = head * SIZE * SIZE + rows[:, None] * SIZE + numbers[None, :]
    state = decay * tl.load(state_ptr + place, mask=kept[:, None], other=0.0)
    written = beta * (value - tl.sum(state * key[None, :], axis=1))
    state += written[:, None] * key[None, :]
    read = scale * tl.sum(state * query[None, :], axis=1)
    tl.store(new_ptr + place, state, mask=kept[:, None])
    tl.store(output_ptr + head * SIZE + rows, read.to(output_ptr.dtype.element_ty), mask=kept)


def run(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    state: torch.Tensor,
    A_log: torch.Tensor,
    a: torch.Tensor,
    dt_bias: torch.Tensor,
    b: torch.Tensor,
    scale: float,
    output: torch.Tensor,
    new_state: torch.Tensor,
) -> None:
    """Write the output, of v's shape, and the states after the token."""
    batch_size, _, value_heads, size = v.shape
    grid = (batch_size * value_heads, triton.cdiv(size, ROWS))
    _step[grid](
        q, k, v, state, A_log, a, dt_bias, b, scale, output, new_state,
        value_heads, value_heads // q.shape[2], SIZE=size, ROWS=ROWS,
    )  # fmt: skip
