"""One decoding step of the gated delta rule (Yang et al., 2024), in float32.

Each value head keeps a state S, [value, key], that maps keys to values. A token forgets a part of
it, then moves what the state says of its key k towards its value v, and asks with its query q:

    S' = g S;  S = S' + beta (v - S' k) k^T;  output = scale * S q,
    g = exp(-exp(A_log) * softplus(a + dt_bias)),  beta = sigmoid(b).

Query and key heads are each shared by as many neighbouring value heads as it takes.
"""

import torch


@torch.no_grad()
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
) -> tuple[torch.Tensor, torch.Tensor]:
    """Update each sequence's states by its newest token and read them.

    Args:
        q: [batch_size, 1, num_q_heads, head_size], bfloat16.
        k: [batch_size, 1, num_k_heads, head_size], bfloat16.
        v: [batch_size, 1, num_v_heads, head_size], bfloat16.
        state: [batch_size, num_v_heads, head_size (value), head_size (key)], float32.
        A_log: [num_v_heads], float32.
        a: [batch_size, 1, num_v_heads], bfloat16.
        dt_bias: [num_v_heads], float32.
        b: [batch_size, 1, num_v_heads], bfloat16.
        scale: factor of the output.

    Returns:
        The output, of v's shape and dtype, and the new states, of state's.
    """
    shared = v.shape[2] // q.shape[2]
    query, key = (heads[:, 0].float().repeat_interleave(shared, dim=1) for heads in (q, k))
    rate = A_log.float().exp() * torch.nn.functional.softplus(a[:, 0].float() + dt_bias.float())
    kept = (-rate).exp()[:, :, None, None] * state.float()
    missing = v[:, 0].float() - torch.einsum("bhvk,bhk->bhv", kept, key)
    written = b[:, 0].float().sigmoid().unsqueeze(2) * missing
    new_state = kept + written.unsqueeze(3) * key.unsqueeze(2)
    output = scale * torch.einsum("bhvk,bhk->bhv", new_state, query)
    return output.unsqueeze(1).to(v.dtype), new_state
