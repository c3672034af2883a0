"""Gated delta rule over prompts, 64 tokens at a time.

Within a chunk, what each token writes depends on what those before it wrote: a triangular system
of 64 equations, the same for all columns of the values. Only the state passes between chunks.
"""

from itertools import pairwise

import torch
from torch.nn.functional import softplus

CHUNK = 64


def run(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    state: torch.Tensor,
    A_log: torch.Tensor,
    a: torch.Tensor,
    dt_bias: torch.Tensor,
    b: torch.Tensor,
    cu_seqlens: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the output, of v's shape, and the states after the last tokens."""
    shared = v.shape[1] // q.shape[1]
    # [head, token, number]
    query, key = (x.float().repeat_interleave(shared, 1).transpose(0, 1) for x in (q, k))
    value = v.float().transpose(0, 1)
    log_decay = -(A_log.exp() * softplus(a + dt_bias)).t()
    rate = b.float().sigmoid().t()[:, :, None]
    earlier = torch.ones(CHUNK, CHUNK, dtype=torch.bool, device=q.device).tril(-1)

    output, new_state = torch.empty_like(v), torch.empty_like(state)
    for sequence, (first, last) in enumerate(pairwise(cu_seqlens.tolist())):
        memory = state[sequence].mT  # [head, key, value]
        for begin in range(first, last, CHUNK):
            part = slice(begin, min(begin + CHUNK, last))
            size = part.stop - part.start
            past = log_decay[:, part].cumsum(1)
            gaps = past[:, :, None] - past[:, None, :]  # log of the decay from column to row
            below = earlier[:size, :size]
            keys, queries, since = key[:, part], query[:, part], past.exp()[:, :, None]
            between = gaps.masked_fill(~below, -torch.inf).exp()
            system = rate[:, part] * between * (keys @ keys.mT)
            wanted = rate[:, part] * (value[:, part] - since * (keys @ memory))
            written = torch.linalg.solve_triangular(system, wanted, upper=False, unitriangular=True)
            seen = between + torch.eye(size, device=q.device)
            read = since * (queries @ memory) + (seen * (queries @ keys.mT)) @ written
            output[part] = (read * scale).transpose(0, 1)
            left = (past[:, -1:] - past).exp()[:, :, None]
            memory = since[:, -1:] * memory + (left * keys).mT @ written
        new_state[sequence] = memory.mT
    return output, new_state
