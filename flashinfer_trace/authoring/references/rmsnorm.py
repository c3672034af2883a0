"""Root mean square layer normalisation (Zhang and Sennrich, 2019), in float32.

y_j = w_j * x_j / sqrt(mean_i(x_i^2) + EPSILON), for each row x.
"""

import torch

EPSILON = 1e-5


@torch.no_grad()
def run(hidden_states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Normalise each row to unit mean square, then scale each column.

    Args:
        hidden_states: [batch_size, hidden_size], bfloat16.
        weight: [hidden_size], bfloat16.

    Returns:
        [batch_size, hidden_size], bfloat16.
    """
    rows = hidden_states.float()
    mean_square = rows.square().mean(dim=1, keepdim=True)
    normalised = rows / torch.sqrt(mean_square + EPSILON)
    return (weight.float() * normalised).to(hidden_states.dtype)
