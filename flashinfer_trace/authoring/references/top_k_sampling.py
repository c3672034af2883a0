"""Top-k sampling: draw a token among the k most probable ones, in proportion to probability.

Of tokens equally probable at the k-th place, those of lowest number are kept, so that exactly k
tokens remain. A k below 1 or not below the vocabulary's size keeps every token.
"""

import torch


@torch.no_grad()
def run(probs: torch.Tensor, top_k: torch.Tensor) -> torch.Tensor:
    """Draw one token for each row, from PyTorch's global random state.

    Args:
        probs: [batch_size, vocab_size], float32; rows that sum to 1.
        top_k: [batch_size], int32.

    Returns:
        [batch_size], int64; token numbers.
    """
    vocab_size = probs.shape[1]
    keeps_all = (top_k < 1) | (top_k >= vocab_size)
    kept = top_k.long().masked_fill(keeps_all, vocab_size)
    descending, tokens = probs.float().sort(dim=1, descending=True, stable=True)
    rank = torch.arange(vocab_size, device=probs.device)
    weights = descending.masked_fill(rank >= kept.unsqueeze(1), 0.0)
    weights /= weights.sum(dim=1, keepdim=True)
    return tokens.gather(1, torch.multinomial(weights, num_samples=1)).squeeze(1)
