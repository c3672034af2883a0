"""Sampling of one token for each row of probabilities."""

from __future__ import annotations

from collections import Counter

import torch

from engine.measure.facts import Work
from engine.measure.families.call import Call, Unfit, work


def sample(call: Call) -> Work:
    """Draws within the limits of each row: its k likeliest tokens, or those that reach p.

    Who is among the likeliest only the whole row tells. A row without a limit may be left at the
    first token at which a drawn share of the sum is reached: nothing of it is sure to be read.
    """
    rows, size = call.shape("probs", 2)
    limited = torch.zeros(rows, dtype=torch.bool)
    read = 0
    if call.has("top_k"):
        kept = call.table("top_k", 1)
        limited |= _one_each((kept > 0) & (kept < size), rows)
        read += call.nbytes("top_k")
    if call.has("top_p"):
        limited |= _one_each(call.tensor("top_p", 1).cpu() < 1.0, rows)
        read += call.nbytes("top_p")
    return work(read + int(limited.sum()) * call.row("probs"), call.written(), Counter())


def _one_each(limited: torch.Tensor, rows: int) -> torch.Tensor:
    if len(limited) != rows:
        raise Unfit("not one limit for each row")
    return limited
