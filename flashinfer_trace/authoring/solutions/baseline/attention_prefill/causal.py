"""Causal attention of one sequence, in blocks of queries that leave out what they cannot see."""

import math

import torch

_SCORES = 1 << 26  # of a block, which bounds the memory


def attend(
    q: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, sm_scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output and the base-2 log-sum-exp of queries that belong to the last keys.

    `q` is [queries, heads, dim], `keys` and `values` are [tokens, KV heads, dim].
    """
    queries, heads, _ = q.shape
    tokens, kv_heads, width = values.shape
    output = q.new_zeros(queries, heads, width)
    lse = q.new_full((queries, heads), -math.inf, dtype=torch.float32)
    keys, values = keys.float().permute(1, 2, 0), values.float().transpose(0, 1)
    block = max(16, min(1024, _SCORES // (heads * max(1, tokens))))
    blind = max(0, queries - tokens)  # those before the first key
    for start in range(blind, queries, block):
        stop = min(start + block, queries)
        seen = tokens - queries + stop
        # [KV head, query and head of its group, dim]
        rows = q[start:stop].float().unflatten(1, (kv_heads, -1)).transpose(0, 1).flatten(1, 2)
        scores = rows @ keys[..., :seen] * sm_scale
        scores = scores.unflatten(1, (stop - start, -1))
        place = torch.arange(seen - (stop - start), seen, device=q.device)
        future = torch.arange(seen, device=q.device) > place[:, None]
        scores = scores.masked_fill(future[:, None, :], -math.inf)
        total = scores.logsumexp(dim=-1, keepdim=True)
        mixed = (scores - total).exp().flatten(1, 2) @ values[:, :seen]
        output[start:stop] = _by_query(mixed.unflatten(1, (stop - start, -1))).to(q.dtype)
        lse[start:stop] = _by_query(total).squeeze(-1) / math.log(2)
    return output, lse


def _by_query(found: torch.Tensor) -> torch.Tensor:
    """[KV head, query, head of its group, ...] to [query, head, ...]"""
    return found.transpose(0, 1).flatten(1, 2)
