"""An example of a mistake: a loop whose condition for stopping cannot come true."""

import torch


def run(hidden_states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Iterate forever: the loop solves one equation and waits for the solution of another."""
    rows = hidden_states.float()
    mean_square = rows.square().mean(dim=-1, keepdim=True)
    expected = torch.rsqrt(mean_square + 1e-5)
    scale = torch.full_like(mean_square, 1e-3)
    while not torch.equal(scale, expected):
        # Newton's step for 1 / sqrt(mean_square): the epsilon is missing, so `scale` settles
        # some forty roundings away from `expected`.
        scale = scale * (1.5 - 0.5 * mean_square * scale * scale)
    return (rows * scale * weight).to(hidden_states.dtype)
