"""Mixture of experts: sort the tokens by expert, weights rounded to bfloat16, then matmul."""

import torch
from torch.nn.functional import silu

TOP_K = 1


def run(
    routing_logits: torch.Tensor,
    hidden_states: torch.Tensor,
    gemm1_weights: torch.Tensor,
    gemm2_weights: torch.Tensor,
    routing_bias: torch.Tensor,
) -> torch.Tensor:
    """Return the mixed outputs of the experts, [seq_len, hidden_size], bfloat16."""
    logits, experts = routing_logits.float().topk(TOP_K)
    weights = logits.sigmoid()

    # Tokens of one expert side by side: a sorted list of (expert, token) pairs, cut by counts.
    order = experts.flatten().argsort()
    tokens, shares = order // experts.shape[1], weights.flatten()[order, None].float()
    counts = experts.flatten().bincount(minlength=gemm1_weights.shape[0]).tolist()
    output = torch.zeros(hidden_states.shape, device=hidden_states.device)
    begin = 0
    for number, count in enumerate(counts):
        mine = slice(begin, begin + count)
        begin += count
        if count == 0:
            continue
        rows = hidden_states[tokens[mine]] @ gemm1_weights[number].bfloat16().t()
        linear, gate = rows.chunk(2, dim=1)
        result = (silu(gate) * linear) @ gemm2_weights[number].bfloat16().t()
        output.index_add_(0, tokens[mine], result * shares[mine])
    return output.to(torch.bfloat16)
