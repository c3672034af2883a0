"""Mamba 2's state update: gather the slots of the batch, broadcast products, scatter."""

import torch
from torch.nn.functional import softplus


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
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output, of x's shape, and the cache with the new states."""
    real = state_batch_indices >= 0
    slots = state_batch_indices.clamp(min=0)  # padding reads slot 0, and is dropped below
    shared = x.shape[1] // B.shape[1]
    inward, outward = (part.float().repeat_interleave(shared, 1)[:, :, None] for part in (B, C))
    step = softplus(dt.float() + dt_bias.float())[..., None]
    fresh = state[slots] * torch.exp(A * step) + inward * (step * x[..., None])
    output = (fresh * outward).sum(-1) + x.float() * D
    new_state = state.clone()
    new_state[slots[real]] = fresh[real].to(state.dtype)
    return (output * real[:, None, None]).to(x.dtype), new_state
