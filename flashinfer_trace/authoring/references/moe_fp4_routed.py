"""Mixture of experts with weights meant for 4-bit floats, the routing given, in float32.

Each token comes with its experts and their weights.

An expert is a gated network, the first matrix giving a linear half x and a gate g:

    expert(h) = W2 (x * silu(g)),  [x; g] = W1 h.

The weights are given in float32, of which a kernel may keep 4-bit floats in scaled blocks.
"""

import torch


@torch.no_grad()
def run(
    topk_ids: torch.Tensor,
    hidden_states: torch.Tensor,
    gemm1_weights: torch.Tensor,
    gemm2_weights: torch.Tensor,
) -> torch.Tensor:
    """Sum the weighted outputs of each token's experts.

    Args:
        topk_ids: [seq_len, top_k], int32; expert number in the upper 16 bits, the bits of its
            bfloat16 weight in the lower 16.
        hidden_states: [seq_len, hidden_size], bfloat16.
        gemm1_weights: [num_experts, 2 * intermediate_size, hidden_size], float32; the linear
            half's rows, then the gate's.
        gemm2_weights: [num_experts, hidden_size, intermediate_size], float32.

    Returns:
        [seq_len, hidden_size], bfloat16.
    """
    experts = topk_ids >> 16
    weights = (topk_ids << 16).view(torch.float32)  # a bfloat16 is the upper half of a float32
    output = torch.zeros(hidden_states.shape, device=hidden_states.device)
    for expert in range(gemm1_weights.shape[0]):
        token, place = (experts == expert).nonzero(as_tuple=True)
        if token.numel() == 0:
            continue
        linear, gate = (hidden_states[token].float() @ gemm1_weights[expert].t()).chunk(2, dim=1)
        inner = torch.nn.functional.silu(gate) * linear
        result = inner @ gemm2_weights[expert].t()
        output.index_add_(0, token, result * weights[token, place, None])
    return output.to(torch.bfloat16)
