"""Top-k, then nucleus sampling: sort, cut by rank and by sum, race exponential variables."""

import torch


def run(probs: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Return one token for each row, [batch_size], int64."""
    vocab_size = probs.shape[1]
    weights, tokens = probs.sort(dim=1, descending=True)
    keeps_all = (top_k <= 0) | (top_k > vocab_size)
    k = top_k.masked_fill(keeps_all, vocab_size)
    rank = torch.arange(vocab_size, device=probs.device)
    weights.masked_fill_(rank >= k[:, None], 0.0)
    sums = weights.cumsum(dim=1)
    limit = (top_p * sums[:, -1]).clamp(min=0.0).masked_fill(top_p >= 1.0, torch.inf)
    weights.masked_fill_(sums - weights > limit[:, None], 0.0)
    # The first of independent exponential clocks of rates w to ring is token i with chance
    # w_i / sum(w). Nothing here waits for the device, unlike torch.multinomial.
    clocks = torch.empty_like(weights).exponential_()
    place = (weights / clocks).argmax(dim=1, keepdim=True)
    return tokens.gather(1, place).squeeze(1)
