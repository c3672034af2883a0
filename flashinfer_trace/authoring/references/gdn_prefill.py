"""Whole prompts of the gated delta rule (Yang et al., 2024), token by token, in float32.

Sequence n owns the tokens cu_seqlens[n] to cu_seqlens[n + 1] - 1 and starts from its own states.
With S the state of a value head, [value, key], a token does

    S' = g S;  S = S' + beta (v - S' k) k^T;  output = scale * S q,
    g = exp(-exp(A_log) * softplus(a + dt_bias)),  beta = sigmoid(b).

Query and key heads are each shared by as many neighbouring value heads as it takes.
"""

from itertools import pairwise

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
    cu_seqlens: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the tokens of every sequence in turn, reading its states after each.

    Args:
        q: [total_seq_len, num_q_heads, head_size], bfloat16.
        k: [total_seq_len, num_k_heads, head_size], bfloat16.
        v: [total_seq_len, num_v_heads, head_size], bfloat16.
        state: [num_seqs, num_v_heads, head_size (value), head_size (key)], float32.
        A_log: [num_v_heads], float32.
        a: [total_seq_len, num_v_heads], bfloat16.
        dt_bias: [num_v_heads], float32.
        b: [total_seq_len, num_v_heads], bfloat16.
        cu_seqlens: [num_seqs + 1], int64; where sequences begin and end.
        scale: factor of the output.

    Returns:
        The output, of v's shape and dtype, and the states after the last tokens, of state's shape
        and dtype; those of a sequence without tokens are its old ones.
    """
    shared = v.shape[1] // q.shape[1]
    rate = A_log.float().exp() * torch.nn.functional.softplus(a.float() + dt_bias.float())
    decay, beta = (-rate).exp(), b.float().sigmoid()  # [token, value head]
    output, new_state = torch.empty_like(v), state.clone()
    for sequence, (begin, end) in enumerate(pairwise(cu_seqlens.tolist())):
        memory = new_state[sequence].float()
        for token in range(begin, end):
            query = q[token].float().repeat_interleave(shared, dim=0)
            key = k[token].float().repeat_interleave(shared, dim=0)
            memory = decay[token, :, None, None] * memory
            missing = v[token].float() - torch.einsum("hvk,hk->hv", memory, key)
            memory = memory + (beta[token, :, None] * missing).unsqueeze(2) * key.unsqueeze(1)
            output[token] = scale * torch.einsum("hvk,hk->hv", memory, query)
        new_state[sequence] = memory
    return output, new_state
