"""Counting with the tables that sequences and pages are described by. All in host memory, int64."""

from __future__ import annotations

import torch

from engine.measure.families.call import Unfit


def spans(bounds: torch.Tensor, limit: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where sequences begin in a shared tensor, and how long each is.

    Args:
        bounds: [sequences + 1], where each begins and the last ends.
        limit: Length of the shared tensor.

    Raises:
        Unfit: These are no such bounds.
    """
    lengths = bounds.diff()
    if len(bounds) == 0 or bounds[0] < 0 or bounds[-1] > limit or bool((lengths < 0).any()):
        raise Unfit("sequences do not lie one after another")
    return bounds[:-1], lengths


def different_tokens(
    table: torch.Tensor, begins: torch.Tensor, tokens: torch.Tensor, num_pages: int, page_size: int
) -> int:
    """Tokens of a cache that sequences use, those that several share counted once.

    Args:
        table: Page numbers; a sequence's follow one another, all but the last of them full.
        begins: [sequences], where each one's first page stands in the table.
        tokens: [sequences], how many of its first tokens each uses.
        num_pages: Pages of the cache.
        page_size: Tokens of a page.

    Raises:
        Unfit: There is no such page.
    """
    counts = page_counts(tokens, page_size)
    before = counts.cumsum(0) - counts
    inside = torch.arange(int(counts.sum())) - before.repeat_interleave(counts)
    pages = table[begins.repeat_interleave(counts) + inside]
    if bool(((pages < 0) | (pages >= num_pages)).any()):
        raise Unfit("a page is not in the cache")
    used = (tokens.repeat_interleave(counts) - inside * page_size).clamp(max=page_size)
    most = torch.zeros(num_pages, dtype=torch.int64).scatter_reduce_(0, pages, used, "amax")
    return int(most.sum())


def page_counts(tokens: torch.Tensor, page_size: int) -> torch.Tensor:
    """How many pages hold so many tokens."""
    return (tokens + page_size - 1) // page_size
