"""Mixture of experts, 8-bit floats in scaled blocks, DeepSeek V3's routing, in float32.

Experts compete by sigmoid(logit) + bias. They stand in N_GROUP groups of neighbours; only the
TOPK_GROUP groups whose two best experts sum highest stay, and a token goes to the TOP_K best
experts of those. Their weights are sigmoid(logit), without the bias, normalised to sum to
routed_scaling_factor. A rank holds some of the experts and sums what those contribute.

An expert is a gated network, the first matrix giving a linear half x and a gate g:

    expert(h) = W2 (x * silu(g)),  [x; g] = W1 h.

Numbers come in blocks that share a scale: 1 x 128 of the activations, 128 x 128 of the weights.
"""

import math

import torch

TOP_K = 8  # experts of a token
N_GROUP = 8  # groups of experts
TOPK_GROUP = 4  # groups of a token


def _scaled(numbers: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Return a matrix in float32, each block of it times its scale."""
    rows = numbers.shape[0] // scales.shape[0]
    columns = numbers.shape[1] // scales.shape[1]
    return numbers.float() * scales.repeat_interleave(rows, 0).repeat_interleave(columns, 1)


@torch.no_grad()
def run(
    routing_logits: torch.Tensor,
    routing_bias: torch.Tensor,
    hidden_states: torch.Tensor,
    hidden_states_scale: torch.Tensor,
    gemm1_weights: torch.Tensor,
    gemm1_weights_scale: torch.Tensor,
    gemm2_weights: torch.Tensor,
    gemm2_weights_scale: torch.Tensor,
    local_expert_offset: int,
    routed_scaling_factor: float,
) -> torch.Tensor:
    """Route each token and sum the weighted outputs of the experts of this rank.

    Args:
        routing_logits: [seq_len, num_experts], float32.
        routing_bias: [num_experts], bfloat16; moves the choice, not the weights.
        hidden_states: [seq_len, hidden_size], float8_e4m3fn.
        hidden_states_scale: [hidden blocks, seq_len], float32; the blocks are of one token.
        gemm1_weights: [experts, 2 * intermediate_size, hidden_size], float8_e4m3fn; the linear
            half's rows, then the gate's.
        gemm1_weights_scale: [experts, row blocks, column blocks], float32.
        gemm2_weights: [experts, hidden_size, intermediate_size], float8_e4m3fn.
        gemm2_weights_scale: as gemm1_weights_scale.
        local_expert_offset: number of the first expert whose weights are here.
        routed_scaling_factor: factor of the weights of a token.

    Returns:
        [seq_len, hidden_size], bfloat16.
    """
    scores = routing_logits.float().sigmoid()
    groups = (scores + routing_bias.float()).unflatten(1, (N_GROUP, -1))
    strength = groups.topk(2, dim=2).values.sum(dim=2)
    closed = torch.ones_like(strength, dtype=torch.bool)
    closed.scatter_(1, strength.topk(TOPK_GROUP, dim=1).indices, False)
    open_to_all = groups.masked_fill(closed.unsqueeze(2), -math.inf).flatten(1)
    experts = open_to_all.topk(TOP_K, dim=1).indices
    weights = scores.gather(1, experts)
    weights = weights / weights.sum(dim=1, keepdim=True) * routed_scaling_factor

    hidden = _scaled(hidden_states, hidden_states_scale.t())
    output = torch.zeros(hidden_states.shape, device=hidden_states.device)
    for expert in range(gemm1_weights.shape[0]):
        token, place = (experts == local_expert_offset + expert).nonzero(as_tuple=True)
        if token.numel() == 0:
            continue
        first = _scaled(gemm1_weights[expert], gemm1_weights_scale[expert])
        second = _scaled(gemm2_weights[expert], gemm2_weights_scale[expert])
        linear, gate = (hidden[token] @ first.t()).chunk(2, dim=1)
        inner = torch.nn.functional.silu(gate) * linear
        result = inner @ second.t()
        output.index_add_(0, token, result * weights[token, place, None])
    return output.to(torch.bfloat16)
