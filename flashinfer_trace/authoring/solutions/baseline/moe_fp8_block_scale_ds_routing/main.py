"""Block-scaled mixture of experts: sort the tokens by expert, dequantise, matmul in bfloat16."""

import math

import torch
from torch.nn.functional import silu

TOP_K = 8
N_GROUP = 8
TOPK_GROUP = 4


def _bfloat16(numbers: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    rows, columns = numbers.shape[0] // scales.shape[0], numbers.shape[1] // scales.shape[1]
    blocks = numbers.view(scales.shape[0], rows, scales.shape[1], columns).float()
    return (blocks * scales[:, None, :, None]).view(numbers.shape).bfloat16()


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
    """Return the mixed outputs of the experts, [seq_len, hidden_size], bfloat16."""
    scores = routing_logits.sigmoid()
    groups = (scores + routing_bias).view(len(scores), N_GROUP, -1)
    best = groups.topk(2).values.sum(dim=2).topk(TOPK_GROUP).indices
    penalty = torch.full_like(groups[:, :, 0], -math.inf).scatter_(1, best, 0.0)
    experts = (groups + penalty[:, :, None]).flatten(1).topk(TOP_K).indices
    weights = scores.gather(1, experts)
    weights *= routed_scaling_factor / weights.sum(dim=1, keepdim=True)

    # Tokens of one expert side by side: a sorted list of (expert, token) pairs, cut by counts.
    order = experts.flatten().argsort()
    tokens, shares = order // experts.shape[1], weights.flatten()[order, None].float()
    counts = experts.flatten().bincount(minlength=routing_logits.shape[1]).tolist()
    held = range(local_expert_offset, local_expert_offset + gemm1_weights.shape[0])
    hidden = _bfloat16(hidden_states, hidden_states_scale.t())
    output = torch.zeros(hidden_states.shape, device=hidden_states.device)
    begin = 0
    for number, count in enumerate(counts):
        mine = slice(begin, begin + count)
        begin += count
        if count == 0 or number not in held:
            continue
        expert = number - local_expert_offset
        first = _bfloat16(gemm1_weights[expert], gemm1_weights_scale[expert])
        second = _bfloat16(gemm2_weights[expert], gemm2_weights_scale[expert])
        linear, gate = (hidden[tokens[mine]] @ first.t()).chunk(2, dim=1)
        result = (silu(gate) * linear) @ second.t()
        output.index_add_(0, tokens[mine], result * shares[mine])
    return output.to(torch.bfloat16)
