"""Mamba 2's state update in Triton.

A program updates all states of one head of one row, in the slot that the row owns. The cache is
copied first: it holds the slots of other requests too.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def _update(
    state_ptr, x_ptr, dt_ptr, A_ptr, B_ptr, C_ptr, D_ptr, bias_ptr, slots_ptr, output_ptr,
    heads, groups,
    CHANNELS: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0), tl.program_id(1)
    channels, numbers = tl.arange(0, CHANNELS), tl.arange(0, SIZE)
    own = (row * heads + head) * CHANNELS + channels
    parameter = head * CHANNELS + channels
    slot = tl.load(slots_ptr + row).to(tl.int64)
    if slot < 0:
        tl.store(output_ptr + own, tl.zeros([CHANNELS], output_ptr.dtype.element_ty))
    else:
        x = tl.load(x_ptr + own).to(tl.float32)
        step = tl.load(dt_ptr + own).to(tl.float32) + tl.load(bias_ptr + parameter).to(tl.float32)
        # softplus, which is its argument where exp would overflow
        step = tl.where(step > 20.0, step, tl.log(1.0 + tl.exp(tl.minimum(step, 20.0))))
        shared = (row * groups + head // (heads // groups)) * SIZE + numbers
        inward = tl.load(B_ptr + shared).to(tl.float32)
        outward = tl.load(C_ptr + shared).to(tl.float32)
        rate = tl.load(A_ptr + parameter[:, None] * SIZE + numbers[None, :])

        place = ((slot * heads + head) * CHANNELS + channels[:, None]) * SIZE + numbers[None, :]
        state = tl.exp(rate * step[:, None]) * tl.load(state_ptr + place).to(tl.float32)
        state += (step * x)[:, None] * inward[None, :]
        tl.store(state_ptr + place, state.to(state_ptr.dtype.element_ty))
        passed = tl.load(D_ptr + parameter).to(tl.float32) * x
        read = tl.sum(state * outward[None, :], axis=1) + passed
        tl.store(output_ptr + own, read.to(output_ptr.dtype.element_ty))


def run(
    state: torch.Tensor,
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    dt_bias: torch.Tensor,
    state_batch_indices: torch.Tensor,
    output: torch.Tensor,
    new_state: torch.Tensor,
) -> None:
    """Write the output, of x's shape, and the cache with the new states."""
    new_state.copy_(state)
    batch_size, heads, channels = x.shape
    _update[(batch_size, heads)](
        new_state, x, dt, A, B, C, D, dt_bias, state_batch_indices, output,
        heads, B.shape[1], CHANNELS=channels, SIZE=B.shape[2],
    )  # fmt: skip
