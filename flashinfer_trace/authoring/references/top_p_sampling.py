"""Top-p (nucleus) sampling (Holtzman et al., 2019): draw among the likeliest tokens that reach p.

By falling probability, tokens are kept as long as those before them do not sum to more than p. Of
equally probable ones, those of lower number come first. A p of 1 or more keeps every token, one
of 0 or less only the most probable. Sums are taken in float64, so that the nucleus does not depend
on their order.
"""

import math

import torch


@torch.no_grad()
def run(probs: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Draw one token for each row, from PyTorch's global random state.

    Args:
        probs: [batch_size, vocab_size], float32; rows that sum to 1.
        top_p: [batch_size], float32.

    Returns:
        [batch_size], int64; token numbers.
    """
    limit = top_p.double().clamp(min=0.0).masked_fill(top_p >= 1.0, math.inf)
    weights, tokens = probs.float().sort(dim=1, descending=True, stable=True)
    reached = weights.double().cumsum(dim=1)
    weights[:, 1:] *= reached[:, :-1] <= limit.unsqueeze(1)
    weights /= weights.sum(dim=1, keepdim=True)
    return tokens.gather(1, torch.multinomial(weights, num_samples=1)).squeeze(1)
