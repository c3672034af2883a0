"""Judges what a top-k indexer has chosen: as a set, by the scores of its members."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from engine.evaluate.compare import compare_tensors
from engine.evaluate.facts import Check, Rule
from engine.evaluate.inputs import Value

_SCALE_BYTES = 4


def judge(name: str, values: Mapping[str, Value], got: torch.Tensor, rule: Rule) -> Check:
    """Judge one output.

    Each row must name as many tokens of its sequence as there are to choose, none twice, and
    otherwise -1. The scores of the chosen tokens, in falling order, must be those of the best:
    their order does not matter, nor which of equally good tokens are chosen.

    Args:
        name: Of the output.
        values: Inputs, called as in the definition of DeepSeek's indexer.
        got: Chosen tokens, [batch_size, topk]; page * page_size + place in the page.
        rule: When two scores count as equal.

    Returns:
        What was found; elements are scores.
    """
    tensors = {key: value for key, value in values.items() if isinstance(value, torch.Tensor)}
    table = tensors["block_table"]
    got = got.to(table.device).long()
    wanted = torch.zeros(got.shape, dtype=torch.float32, device=got.device)
    found = torch.zeros_like(wanted)
    messages = []
    for row, length in enumerate(tensors["seq_lens"].tolist()):
        tokens, scores = _score(tensors, row, length)
        due = min(got.shape[1], length)
        chosen = got[row][got[row] != -1]
        place = _places(tokens, chosen)
        mine = scores[place[place >= 0].unique()].sort(descending=True).values
        wanted[row, :due] = scores.topk(due).values
        found[row, :due] = -math.inf
        found[row, : min(due, len(mine))] = mine[:due]
        complaint = _complain(len(chosen), due, int((place < 0).sum()), len(mine))
        if complaint:
            messages.append(f"row {row}: {complaint}")
    check = compare_tensors(name, wanted, found, rule)
    if messages:
        check.ok = check.upstream_ok = False
        more = f", and {len(messages) - 1} rows more" if len(messages) > 1 else ""
        check.message = messages[0] + more
    return check


def _complain(count: int, due: int, foreign: int, different: int) -> str:
    if foreign:
        return f"{foreign} of {count} tokens are not of the sequence"
    if different < count:
        return f"{count - different} tokens are chosen more than once"
    if count != due:
        return f"{count} tokens are chosen instead of {due}"
    return ""


def _places(tokens: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Where in a sequence each chosen token stands, or -1."""
    if len(tokens) == 0:
        return torch.full_like(chosen, -1)
    order = tokens.argsort()
    nearest = torch.searchsorted(tokens[order], chosen).clamp(max=len(tokens) - 1)
    place = order[nearest]
    return place.masked_fill(tokens[place] != chosen, -1)


def _score(
    values: Mapping[str, torch.Tensor], row: int, length: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The tokens of a sequence and their scores, in order."""
    cache = values["k_index_cache_fp8"]
    page_size, width = cache.shape[1], cache.shape[3] - _SCALE_BYTES
    pages = values["block_table"][row, : -(-length // page_size)].long()
    tokens = pages.unsqueeze(1) * page_size + torch.arange(page_size, device=pages.device)
    packed = cache[pages].reshape(len(pages), page_size * (width + _SCALE_BYTES))
    numbers, scales = packed.split([page_size * width, page_size * _SCALE_BYTES], dim=1)
    keys = numbers.contiguous().view(torch.float8_e4m3fn).float().reshape(-1, width)
    keys = keys * scales.contiguous().view(torch.float32).reshape(-1, 1)
    heads = (values["q_index_fp8"][row].float() @ keys[:length].t()).relu()
    return tokens.flatten()[:length], values["weights"][row].float() @ heads
