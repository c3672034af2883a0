"""Mixture of experts with a scale per expert: sort the tokens by expert, matmul in bfloat16."""

import torch
from torch.nn.functional import silu

TOP_K = 8


def run(
    routing_logits: torch.Tensor,
    hidden_states: torch.Tensor,
    gemm1_weights: torch.Tensor,
    output1_scales_scalar: torch.Tensor,
    output1_scales_gate_scalar: torch.Tensor,
    gemm2_weights: torch.Tensor,
    output2_scales_scalar: torch.Tensor,
) -> torch.Tensor:
    """Return the mixed outputs of the experts, [seq_len, hidden_size], bfloat16."""
    logits, experts = routing_logits.float().topk(TOP_K)
    weights = logits.softmax(dim=1)

    # Tokens of one expert side by side: a sorted list of (expert, token) pairs, cut by counts.
    order = experts.flatten().argsort()
    tokens, shares = order // experts.shape[1], weights.flatten()[order, None].float()
    counts = experts.flatten().bincount(minlength=gemm1_weights.shape[0]).tolist()
    hidden = hidden_states.bfloat16()
    output = torch.zeros(hidden_states.shape, device=hidden_states.device)
    begin = 0
    for number, count in enumerate(counts):
        mine = slice(begin, begin + count)
        begin += count
        if count == 0:
            continue
        linear, gate = (hidden[tokens[mine]] @ gemm1_weights[number].bfloat16().t()).chunk(2, dim=1)
        linear = linear.float() * output1_scales_scalar[number]
        gate = gate.float() * output1_scales_gate_scalar[number]
        inner = (silu(gate) * linear).bfloat16()
        result = (inner @ gemm2_weights[number].bfloat16().t()).float() * output2_scales_scalar[
            number
        ]
        output.index_add_(0, tokens[mine], result * shares[mine])
    return output.to(torch.bfloat16)
