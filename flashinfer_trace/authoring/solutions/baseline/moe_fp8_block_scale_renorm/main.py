"""Block-scaled mixture of experts: sort the tokens by expert, dequantise, matmul in bfloat16."""

import torch
from torch.nn.functional import silu

TOP_K = 8


def _bfloat16(numbers: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    rows, columns = numbers.shape[0] // scales.shape[0], numbers.shape[1] // scales.shape[1]
    blocks = numbers.view(scales.shape[0], rows, scales.shape[1], columns).float()
    return (blocks * scales[:, None, :, None]).view(numbers.shape).bfloat16()


def run(
    routing_logits: torch.Tensor,
    hidden_states: torch.Tensor,
    hidden_states_scale: torch.Tensor,
    gemm1_weights: torch.Tensor,
    gemm1_weights_scale: torch.Tensor,
    gemm2_weights: torch.Tensor,
    gemm2_weights_scale: torch.Tensor,
) -> torch.Tensor:
    """Return the mixed outputs of the experts, [seq_len, hidden_size], bfloat16."""
    logits, experts = routing_logits.float().topk(TOP_K)
    weights = logits.softmax(dim=1)

    # Tokens of one expert side by side: a sorted list of (expert, token) pairs, cut by counts.
    order = experts.flatten().argsort()
    tokens, shares = order // experts.shape[1], weights.flatten()[order, None].float()
    counts = experts.flatten().bincount(minlength=gemm1_weights.shape[0]).tolist()
    hidden = _bfloat16(hidden_states, hidden_states_scale.t())
    output = torch.zeros(hidden_states.shape, device=hidden_states.device)
    begin = 0
    for number, count in enumerate(counts):
        mine = slice(begin, begin + count)
        begin += count
        if count == 0:
            continue
        first = _bfloat16(gemm1_weights[number], gemm1_weights_scale[number])
        second = _bfloat16(gemm2_weights[number], gemm2_weights_scale[number])
        linear, gate = (hidden[tokens[mine]] @ first.t()).chunk(2, dim=1)
        result = (silu(gate) * linear) @ second.t()
        output.index_add_(0, tokens[mine], result * shares[mine])
    return output.to(torch.bfloat16)
