"""A top-k indexer is judged by the scores of what it chose: order and ties are free, no more."""

from __future__ import annotations

import math

import pytest
import torch

from engine.evaluate.facts import Check, Rule
from engine.evaluate.indexer import judge

RULE = Rule(atol=0.01, rtol=0.01)
TOPK = 6
LENGTHS = (0, 4, 6, 12)
PAGE_SIZE, WIDTH = 4, 8


def cache(keys: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Pages of keys and their scales, as bytes."""
    numbers = keys.to(torch.float8_e4m3fn).view(torch.int8).flatten(1)
    packed = torch.cat([numbers, scales.view(torch.int8).flatten(1)], dim=1)
    return packed.view(len(keys), PAGE_SIZE, 1, WIDTH + 4)


def inputs(seed: int = 1) -> dict[str, torch.Tensor]:
    bits = torch.Generator().manual_seed(seed)
    pages = 3 * len(LENGTHS)
    keys = torch.randn(pages, PAGE_SIZE, WIDTH, generator=bits)
    return {
        "q_index_fp8": torch.randn(len(LENGTHS), 2, WIDTH, generator=bits).to(torch.float8_e4m3fn),
        "k_index_cache_fp8": cache(keys, torch.rand(pages, PAGE_SIZE, generator=bits) + 0.5),
        "weights": torch.rand(len(LENGTHS), 2, generator=bits) + 0.5,
        "seq_lens": torch.tensor(LENGTHS, dtype=torch.int32),
        "block_table": torch.arange(pages, dtype=torch.int32).flip(0).view(len(LENGTHS), 3),
    }


def choose(values: dict[str, torch.Tensor]) -> torch.Tensor:
    """The best tokens, found one by one."""
    chosen = torch.full((len(LENGTHS), TOPK), -1, dtype=torch.int32)
    for row, length in enumerate(LENGTHS):
        scored = []
        for place in range(length):
            page, offset = int(values["block_table"][row, place // PAGE_SIZE]), place % PAGE_SIZE
            raw = values["k_index_cache_fp8"][page].flatten()
            key = raw[offset * WIDTH : (offset + 1) * WIDTH].view(torch.float8_e4m3fn).float()
            begin = PAGE_SIZE * WIDTH + 4 * offset
            scale = raw[begin : begin + 4].view(torch.float32)
            heads = (values["q_index_fp8"][row].float() @ (key * scale)).relu()
            scored.append((float(values["weights"][row] @ heads), page * PAGE_SIZE + offset))
        best = [token for _, token in sorted(scored, reverse=True)[:TOPK]]
        chosen[row, : len(best)] = torch.tensor(best, dtype=torch.int32)
    return chosen


def check(got: torch.Tensor, values: dict[str, torch.Tensor] | None = None) -> Check:
    return judge("topk_indices", inputs() if values is None else values, got, RULE)


def test_the_best_tokens_pass_in_any_order() -> None:
    best = choose(inputs())
    found = check(best)
    assert found.ok and found.upstream_ok and found.elements == best.numel()
    assert found.max_abs == pytest.approx(0.0, abs=1e-5)
    assert check(best.flip(1)).ok
    assert check(best[:, torch.randperm(TOPK)].long()).ok


def test_equally_good_tokens_may_be_swapped() -> None:
    values = inputs()
    values["k_index_cache_fp8"] = cache(torch.ones(12, PAGE_SIZE, WIDTH), torch.ones(12, PAGE_SIZE))
    values["q_index_fp8"] = torch.ones(len(LENGTHS), 2, WIDTH).to(torch.float8_e4m3fn)
    got = choose(values)
    pages = values["block_table"][3].long()
    got[3] = torch.cat([pages * PAGE_SIZE, pages * PAGE_SIZE + 3]).int()
    assert check(got, values).ok


def test_another_sets_choice_fails_where_there_is_a_choice() -> None:
    found = check(choose(inputs(2)))
    assert not found.ok and not found.upstream_ok and not found.message
    assert {index[0] for index, _, _ in found.worst} == {3}


@pytest.mark.parametrize(
    ("row", "change", "message"),
    [
        (3, {0: 12}, "row 3: 1 of 6 tokens are not of the sequence"),
        (1, {0: 47}, "row 1: 1 of 4 tokens are not of the sequence"),
        (2, {0: 10_000}, "row 2: 1 of 6 tokens are not of the sequence"),
        (2, {0: -2}, "row 2: 1 of 6 tokens are not of the sequence"),
        (2, {0: -1}, "row 2: 5 tokens are chosen instead of 6"),
        (0, {3: 5}, "row 0: 1 of 1 tokens are not of the sequence"),
        (3, {0: None}, "row 3: 1 tokens are chosen more than once"),
    ],
)
def test_what_cannot_be_chosen_is_named(
    row: int, change: dict[int, int | None], message: str
) -> None:
    got = choose(inputs())
    for place, token in change.items():
        got[row, place] = got[row, place + 1] if token is None else token
    found = check(got)
    assert not found.ok and not found.upstream_ok
    assert found.message == message


def test_zeros_and_rows_of_others_fail() -> None:
    best = choose(inputs())
    zeros = check(torch.zeros_like(best))
    assert not zeros.ok and zeros.message.endswith(", and 3 rows more")
    assert not check(best.roll(1, 0)).ok
    assert not check(torch.full_like(best, -1)).ok


def test_scores_as_good_within_the_tolerance_pass() -> None:
    values = inputs()
    got = choose(values)
    strict = judge("topk_indices", values, got, Rule(atol=0.0, rtol=1e-6))
    assert strict.ok
    everything = judge("topk_indices", values, choose(inputs(2)), Rule(atol=1e9, rtol=0.0))
    assert everything.ok and not math.isinf(float(everything.max_abs))
