"""Several tokens of the gated delta rule (Yang et al., 2024) per sequence, in float32.

This is how drafted tokens are verified: each sequence starts from its state in a pool and takes
its tokens one after another. With S the state of a value head, [value, key], a token does

    S' = g S;  S = S' + beta (v - S' k) k^T;  output = scale * S q,
    g = exp(-exp(A_log) * softplus(a + dt_bias)),  beta = sigmoid(b).

How many drafts are accepted is known only afterwards, so that nothing is committed: the pool comes
back as it was, and the buffer that a server would keep the states of each token in is not touched.
"""

import torch


@torch.no_grad()
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
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take each sequence's tokens in turn, reading its states after each.

    Args:
        q: [batch_size, seq_len, num_q_heads, head_size], bfloat16.
        k: [batch_size, seq_len, num_k_heads, head_size], bfloat16.
        v: [batch_size, seq_len, num_v_heads, head_size], bfloat16.
        initial_state: [pool_size, num_v_heads, head_size (value), head_size (key)], float32.
        initial_state_indices: [batch_size], int32; each sequence's place in the pool.
        A_log: [num_v_heads], float32.
        a: [batch_size, seq_len, num_v_heads], bfloat16.
        dt_bias: [num_v_heads], float32.
        b: [batch_size, seq_len, num_v_heads], bfloat16.
        scale: factor of the output.
        intermediate_states_buffer: [pool_size, seq_len, num_v_heads, head_size, head_size],
            float32; neither read nor written.

    Returns:
        The output, of v's shape and dtype, and a copy of initial_state.
    """
    shared = v.shape[2] // q.shape[2]
    query, key = (heads.float().repeat_interleave(shared, dim=2) for heads in (q, k))
    rate = A_log.float().exp() * torch.nn.functional.softplus(a.float() + dt_bias.float())
    decay, beta = (-rate).exp(), b.float().sigmoid()  # [sequence, token, value head]
    state = initial_state[initial_state_indices.long()].float()
    output = torch.empty_like(v)
    for token in range(v.shape[1]):
        state = decay[:, token, :, None, None] * state
        missing = v[:, token].float() - torch.einsum("bhvk,bhk->bhv", state, key[:, token])
        written = beta[:, token, :, None] * missing
        state = state + written.unsqueeze(3) * key[:, token].unsqueeze(2)
        output[:, token] = scale * torch.einsum("bhvk,bhk->bhv", state, query[:, token])
    return output, initial_state.clone()
