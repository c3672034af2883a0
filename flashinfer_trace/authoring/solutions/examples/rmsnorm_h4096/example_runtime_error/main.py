"""An example of a mistake: sizes of another model, which fail at the first call."""

import torch

HEADS, HEAD_DIM = 40, 128  # of a model 5120 wide


def run(hidden_states: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Raise RuntimeError: 4096 numbers do not make 40 heads of 128."""
    heads = hidden_states.float().view(hidden_states.shape[0], HEADS, HEAD_DIM)
    mean_square = heads.square().sum(dim=(1, 2), keepdim=True) / (HEADS * HEAD_DIM)
    normalised = heads * torch.rsqrt(mean_square + 1e-5)
    return (normalised.flatten(1) * weight).to(hidden_states.dtype)
