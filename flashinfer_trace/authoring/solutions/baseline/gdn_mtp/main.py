"""Gated delta rule, a few tokens: one after another, all sequences and heads at once."""

import torch
from torch.nn.functional import softplus


def run(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    initial_state: torch.Tensor,
    initial_state_indices: torch.Tensor,
    A_log: torch.Tensor,
    a: torch.Tensor,
    dt_bias: torch.Tensor,
    b: torch.Tensor,
    scale: float,
    intermediate_states_buffer: torch.Tensor,
    output: torch.Tensor,
    final_state: torch.Tensor,
) -> None:
    """Write the output, of v's shape, and the pool, in which verifying commits nothing."""
    final_state.copy_(initial_state)
    state = initial_state[initial_state_indices]
    shared = v.shape[2] // q.shape[2]
    decay = torch.exp(-A_log.exp() * softplus(a + dt_bias))[..., None, None]
    rate = b.float().sigmoid()[..., None, None]
    for token in range(v.shape[1]):
        query, key = (x[:, token, :, :, None].float().repeat_interleave(shared, 1) for x in (q, k))
        state *= decay[:, token]
        error = v[:, token, :, :, None] - state @ key
        state.addcmul_(error * rate[:, token], key.mT)
        output[:, token] = (state @ query)[..., 0] * scale
