"""Top-k sampling: mask below the k-th probability, then a race of exponential variables."""

import torch


def run(probs: torch.Tensor, top_k: torch.Tensor) -> torch.Tensor:
    """Return one token for each row, [batch_size], int64."""
    vocab_size = probs.shape[1]
    keeps_all = (top_k <= 0) | (top_k > vocab_size)
    k = top_k.long().masked_fill(keeps_all, vocab_size)
    pivot = probs.sort(dim=1, descending=True).values.gather(1, k[:, None] - 1)
    weights = probs.masked_fill(probs < pivot, 0.0)
    # The first of independent exponential clocks of rates w to ring is token i with chance
    # w_i / sum(w). Nothing here waits for the device, unlike torch.multinomial.
    clocks = torch.empty_like(weights).exponential_()
    return (weights / clocks).argmax(dim=1)
