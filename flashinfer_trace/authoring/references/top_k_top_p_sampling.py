"""Top-k, then top-p sampling: of the k most probable tokens, draw among those that reach p.

The k tokens of highest probability, of equal ones those of lower number, are kept and scaled to
sum to 1; a k below 1 or not below the vocabulary's size keeps every token. Of these, by falling
probability, tokens stay as long as those before them do not sum to more than p; a p of 1 or more
keeps all of them, one of 0 or less only the most probable. Sums are taken in float64, so that the
nucleus does not depend on their order.
"""

import math

import torch


@torch.no_grad()
def run(probs: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Draw one token for each row, from PyTorch's global random state.

    Args:
        probs: [batch_size, vocab_size], float32; rows that sum to 1.
        top_k: [batch_size], int32.
        top_p: [batch_size], float32.

    Returns:
        [batch_size], int64; token numbers.
    """
    vocab_size = probs.shape[1]
    keeps_all = (top_k < 1) | (top_k >= vocab_size)
    kept = top_k.long().masked_fill(keeps_all, vocab_size)
    limit = top_p.double().clamp(min=0.0).masked_fill(top_p >= 1.0, math.inf)

    weights, tokens = probs.float().sort(dim=1, descending=True, stable=True)
    rank = torch.arange(vocab_size, device=probs.device)
    weights = weights.masked_fill(rank >= kept.unsqueeze(1), 0.0)
    reached = weights.double().cumsum(dim=1)
    total = reached[:, -1:]
    weights[:, 1:] *= reached[:, :-1] <= limit.unsqueeze(1) * total
    weights /= weights.sum(dim=1, keepdim=True)
    return tokens.gather(1, torch.multinomial(weights, num_samples=1)).squeeze(1)
