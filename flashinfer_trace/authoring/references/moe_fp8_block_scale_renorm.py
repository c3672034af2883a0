"""Mixture of experts, 8-bit floats in scaled blocks, renormalising routing, in float32.

A token goes to the TOP_K experts of highest logit, weighted by the softmax of those logits alone.

An expert is a gated network, the first matrix giving a linear half x and a gate g:

    expert(h) = W2 (x * silu(g)),  [x; g] = W1 h.

Numbers come in blocks that share a scale: 1 x 128 of the activations, 128 x 128 of the weights.
"""

import torch

TOP_K = 8  # experts of a token


def _scaled(numbers: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Return a matrix in float32, each block of it times its scale."""
    rows = numbers.shape[0] // scales.shape[0]
    columns = numbers.shape[1] // scales.shape[1]
    return numbers.float() * scales.repeat_interleave(rows, 0).repeat_interleave(columns, 1)


@torch.no_grad()
def run(
    routing_logits: torch.Tensor,
    hidden_states: torch.Tensor,
    hidden_states_scale: torch.Tensor,
    gemm1_weights: torch.Tensor,
    gemm1_weights_scale: torch.Tensor,
    gemm2_weights: torch.Tensor,
    gemm2_weights_scale: torch.Tensor,
) -> torch.Tensor:
    """Route each token and sum the weighted outputs of its experts.

    Args:
        routing_logits: [seq_len, num_experts], bfloat16; no ties at the top_k-th place.
        hidden_states: [seq_len, hidden_size], float8_e4m3fn.
        hidden_states_scale: [hidden blocks, seq_len], float32; the blocks are of one token.
        gemm1_weights: [experts, 2 * intermediate_size, hidden_size], float8_e4m3fn; the linear
            half's rows, then the gate's.
        gemm1_weights_scale: [experts, row blocks, column blocks], float32.
        gemm2_weights: [experts, hidden_size, intermediate_size], float8_e4m3fn.
        gemm2_weights_scale: as gemm1_weights_scale.

    Returns:
        [seq_len, hidden_size], bfloat16.
    """
    logits, experts = routing_logits.float().topk(TOP_K, dim=1)
    weights = logits.softmax(dim=1)

    hidden = _scaled(hidden_states, hidden_states_scale.t())
    output = torch.zeros(hidden_states.shape, device=hidden_states.device)
    for expert in range(gemm1_weights.shape[0]):
        token, place = (experts == expert).nonzero(as_tuple=True)
        if token.numel() == 0:
            continue
        first = _scaled(gemm1_weights[expert], gemm1_weights_scale[expert])
        second = _scaled(gemm2_weights[expert], gemm2_weights_scale[expert])
        linear, gate = (hidden[token] @ first.t()).chunk(2, dim=1)
        inner = torch.nn.functional.silu(gate) * linear
        result = inner @ second.t()
        output.index_add_(0, token, result * weights[token, place, None])
    return output.to(torch.bfloat16)
