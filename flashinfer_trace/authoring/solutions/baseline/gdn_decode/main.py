"""Gated delta rule, one token: matrix-vector products with the states of all heads at once."""

import torch
from torch.nn.functional import softplus


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
    shared = v.shape[2] // q.shape[2]
    query, key = (x[:, 0, :, :, None].float().repeat_interleave(shared, 1) for x in (q, k))
    decay = torch.exp(-A_log.exp() * softplus(a[:, 0] + dt_bias))
    torch.mul(state, decay[:, :, None, None], out=new_state)
    error = v[:, 0, :, :, None] - new_state @ key
    new_state.addcmul_(error * b[:, 0, :, None, None].float().sigmoid(), key.mT)
    output[:, 0] = (new_state @ query)[..., 0] * scale
