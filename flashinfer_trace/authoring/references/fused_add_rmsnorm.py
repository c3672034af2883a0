"""Residual addition followed by RMS normalisation, the sum kept in float32 throughout.

s = x + r;  y_j = w_j * s_j / sqrt(mean_i(s_i^2) + EPSILON), for each row.
"""

import torch

EPSILON = 1e-5


@torch.no_grad()
def run(hidden_states: torch.Tensor, residual: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Add the residual and normalise the sum; the sum itself is not an output.

    Args:
        hidden_states: [batch_size, hidden_size], bfloat16.
        residual: [batch_size, hidden_size], bfloat16.
        weight: [hidden_size], bfloat16.

    Returns:
        [batch_size, hidden_size], bfloat16.
    """
    total = hidden_states.float() + residual.float()
    mean_square = total.square().mean(dim=1, keepdim=True)
    normalised = total / torch.sqrt(mean_square + EPSILON)
    return (weight.float() * normalised).to(hidden_states.dtype)
