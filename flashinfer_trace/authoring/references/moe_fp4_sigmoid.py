"""Mixture of experts with weights meant for 4-bit floats, Llama 4's routing, in float32.

A token goes to the TOP_K experts of highest logit. The weight is the sigmoid of the logit and
multiplies what comes out of the expert.

An expert is a gated network, the first matrix giving a linear half x and a gate g:

    expert(h) = W2 (x * silu(g)),  [x; g] = W1 h.

The weights are given in float32, of which a kernel may keep 4-bit floats in scaled blocks.
"""

import torch

TOP_K = 1  # experts of a token


@torch.no_grad()
def run(
    routing_logits: torch.Tensor,
    hidden_states: torch.Tensor,
    gemm1_weights: torch.Tensor,
    gemm2_weights: torch.Tensor,
    routing_bias: torch.Tensor,
) -> torch.Tensor:
    """Route each token and sum the weighted outputs of its experts.

    Args:
        routing_logits: [seq_len, num_experts], bfloat16; no ties at the top_k-th place.
        hidden_states: [seq_len, hidden_size], bfloat16.
        gemm1_weights: [num_experts, 2 * intermediate_size, hidden_size], float32; the linear
            half's rows, then the gate's.
        gemm2_weights: [num_experts, hidden_size, intermediate_size], float32.
        routing_bias: [num_experts], bfloat16; this routing has no use for it.

    Returns:
        [seq_len, hidden_size], bfloat16.
    """
    logits, experts = routing_logits.float().topk(TOP_K, dim=1)
    weights = logits.sigmoid()
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
