"""An example of a mistake: the weight is taken and never used."""

import torch


def run(hidden_states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return normalised rows that lack the scale of each column."""
    rows = hidden_states.float()
    scale = torch.rsqrt(rows.square().mean(dim=-1, keepdim=True) + 1e-5)
    return (rows * scale).to(weight.dtype)
