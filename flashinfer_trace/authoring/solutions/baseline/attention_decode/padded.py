"""Decoding attention over sequences that are padded to the longest of the batch."""

import math

import torch


def positions(
    kv_indptr: torch.Tensor, kv_indices: torch.Tensor, lengths: torch.Tensor, page_size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the page of each token, its place in the page, and which tokens are padding.

    All are [sequences, tokens of the longest]; the places are the same for all sequences. Padding
    is in page 0.
    """
    step = torch.arange(int(lengths.max()), device=lengths.device)
    absent = step >= lengths[:, None]
    pages = kv_indptr[:-1, None] + step // page_size
    return kv_indices[pages.masked_fill(absent, 0)], step % page_size, absent


def attend(
    q: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    absent: torch.Tensor,
    sm_scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output and the base-2 log-sum-exp.

    `q` is [sequences, heads, dim], `keys` and `values` are [sequences, tokens, KV heads, dim].
    """
    heads = q.float().unflatten(1, (keys.shape[2], -1)) * sm_scale
    scores = torch.einsum("bkgd,btkd->bkgt", heads, keys.float())
    scores = scores.masked_fill(absent[:, None, None, :], -math.inf)
    lse = scores.logsumexp(dim=-1, keepdim=True)
    # A sequence without tokens has lse = -inf, and -inf - -inf would be NaN.
    shares = (scores - lse.masked_fill(lse == -math.inf, 0)).exp()
    output = torch.einsum("bkgt,btkd->bkgd", shares, values.float())
    return output.flatten(1, 2).to(q.dtype), lse.flatten(1) / math.log(2)


def nothing(q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the result of a batch without any tokens."""
    return torch.zeros_like(q), q.new_full(q.shape[:2], -math.inf, dtype=torch.float32)
