"""Mixture of experts, 8-bit floats with scales per expert, renormalising routing, in float32.

A token goes to the TOP_K experts of highest logit, weighted by the softmax of those logits alone.

An expert is a gated network, the first matrix giving a linear half x and a gate g:

    expert(h) = W2 (x * silu(g)),  [x; g] = W1 h.

Each expert has three factors that undo its quantisation: of x, of g and of the result.
"""

import torch

TOP_K = 8  # experts of a token


@torch.no_grad()
def run(
    routing_logits: torch.Tensor,
    hidden_states: torch.Tensor,
    gemm1_weights: torch.Tensor,
    output1_scales_scalar: torch.Tensor,
    output1_scales_gate_scalar: torch.Tensor,
    gemm2_weights: torch.Tensor,
    output2_scales_scalar: torch.Tensor,
) -> torch.Tensor:
    """Route each token and sum the weighted outputs of its experts.

    Args:
        routing_logits: [seq_len, num_experts], bfloat16; no ties at the top_k-th place.
        hidden_states: [seq_len, hidden_size], float8_e4m3fn.
        gemm1_weights: [experts, 2 * intermediate_size, hidden_size], float8_e4m3fn; the linear
            half's rows, then the gate's.
        output1_scales_scalar: [num_experts], float32; factor of the linear half.
        output1_scales_gate_scalar: [num_experts], float32; factor of the gate.
        gemm2_weights: [experts, hidden_size, intermediate_size], float8_e4m3fn.
        output2_scales_scalar: [num_experts], float32; factor of the second product.

    Returns:
        [seq_len, hidden_size], bfloat16.
    """
    logits, experts = routing_logits.float().topk(TOP_K, dim=1)
    weights = logits.softmax(dim=1)
    hidden = hidden_states.float()
    output = torch.zeros(hidden_states.shape, device=hidden_states.device)
    for expert in range(gemm1_weights.shape[0]):
        token, place = (experts == expert).nonzero(as_tuple=True)
        if token.numel() == 0:
            continue
        linear, gate = (hidden[token] @ gemm1_weights[expert].float().t()).chunk(2, dim=1)
        linear = linear * output1_scales_scalar[expert]
        gate = gate * output1_scales_gate_scalar[expert]
        inner = torch.nn.functional.silu(gate) * linear
        result = (inner @ gemm2_weights[expert].float().t()) * output2_scales_scalar[expert]
        output.index_add_(0, token, result * weights[token, place, None])
    return output.to(torch.bfloat16)
