"""Rotary position embedding (Su et al., 2021) with a precomputed table, on part of each head.

A head's first rotary_dim numbers form two halves; number i of the first half and number i of the
second are a point of the plane (the GPT-NeoX pairing), turned by the i-th angle of the token's
position. The head's other numbers pass through.
"""

import torch


def _turn(heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    half = cosine.shape[-1]
    x, y, rest = heads.float().tensor_split((half, 2 * half), dim=-1)
    turned = torch.cat([x * cosine - y * sine, x * sine + y * cosine, rest], dim=-1)
    return turned.to(heads.dtype)


@torch.no_grad()
def run(
    q: torch.Tensor, k: torch.Tensor, cos_sin_cache: torch.Tensor, positions: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotate queries and keys by the positions of their tokens.

    Args:
        q: [num_tokens, num_qo_heads, head_size], bfloat16.
        k: [num_tokens, num_kv_heads, head_size], bfloat16.
        cos_sin_cache: [max_seq_len, rotary_dim], float32; cosines, then sines.
        positions: [num_tokens], int64; rows of cos_sin_cache.

    Returns:
        The rotated q and k, of the same shapes and dtypes.
    """
    angles = cos_sin_cache[positions].unsqueeze(1)  # the same for every head of a token
    cosine, sine = angles.float().tensor_split(2, dim=-1)
    return _turn(q, cosine, sine), _turn(k, cosine, sine)
