"""Nucleus sampling: sort, keep what comes before the sum p, race exponential variables."""

import torch


def run(probs: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Return one token for each row, [batch_size], int64."""
    weights, tokens = probs.sort(dim=1, descending=True)
    before = weights.cumsum(dim=1) - weights
    limit = top_p.clamp(min=0.0).masked_fill(top_p >= 1.0, torch.inf)
    weights.masked_fill_(before > limit[:, None], 0.0)
    # The first of independent exponential clocks of rates w to ring is token i with chance
    # w_i / sum(w). Nothing here waits for the device, unlike torch.multinomial.
    clocks = torch.empty_like(weights).exponential_()
    place = (weights / clocks).argmax(dim=1, keepdim=True)
    return tokens.gather(1, place).squeeze(1)
