"""One decoding step of Mamba 2's selective state space (Dao and Gu, 2024), in float32.

Each channel of a head keeps a state s of dstate numbers, in the slot of a cache that its sequence
owns. With the step size d = softplus(dt + dt_bias), a token does

    s = exp(A d) s + d x B;  output = <C, s> + D x,

where B and C are shared by the heads of a group. The output sees the state before it is rounded.
"""

import torch


@torch.no_grad()
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
    """Update the state of each sequence by its newest token and read it.

    Args:
        state: [state_cache_size, nheads, head_dim, dstate], bfloat16.
        x: [batch_size, nheads, head_dim], bfloat16.
        dt: as x.
        A: [nheads, head_dim, dstate], float32; negative.
        B: [batch_size, ngroups, dstate], bfloat16.
        C: as B.
        D: [nheads, head_dim], bfloat16.
        dt_bias: as D.
        state_batch_indices: [batch_size], int32; each sequence's slot, all different, or -1 for a
            row that only pads the batch.

    Returns:
        The output, of x's shape and dtype, 0 for padding, and the cache with the new states in it.
    """
    present = state_batch_indices >= 0
    slots = state_batch_indices[present].long()
    shared = x.shape[1] // B.shape[1]
    inward, outward = (part[present].float().repeat_interleave(shared, 1) for part in (B, C))
    step = torch.nn.functional.softplus(dt[present].float() + dt_bias.float())
    features = x[present].float()
    decay = (A.float() * step.unsqueeze(3)).exp()  # [sequence, head, channel, number of s]
    updated = decay * state[slots].float()
    updated = updated + (step * features).unsqueeze(3) * inward.unsqueeze(2)
    output, new_state = torch.zeros_like(x), state.clone()
    read = torch.einsum("bhds,bhs->bhd", updated, outward) + D.float() * features
    output[present] = read.to(x.dtype)
    new_state[slots] = updated.to(state.dtype)
    return output, new_state
