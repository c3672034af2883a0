"""Rotary embedding: copy the heads, then rotate the first numbers of each in place."""

import torch


def _rotate(
    heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor, out: torch.Tensor
) -> None:
    half = cosine.shape[-1]
    first, second = heads[..., :half].float(), heads[..., half : 2 * half].float()
    out[..., :half] = first * cosine - second * sine
    out[..., half : 2 * half] = second * cosine + first * sine
    out[..., 2 * half :] = heads[..., 2 * half :]


def run(
    q: torch.Tensor,
    k: torch.Tensor,
    cos_sin_cache: torch.Tensor,
    positions: torch.Tensor,
    q_out: torch.Tensor,
    k_out: torch.Tensor,
) -> None:
    """Write the rotated queries and keys to `q_out` and `k_out`."""
    cosine, sine = cos_sin_cache.index_select(0, positions)[:, None].chunk(2, dim=-1)
    _rotate(q, cosine, sine, q_out)
    _rotate(k, cosine, sine, k_out)
