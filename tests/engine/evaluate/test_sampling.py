"""The judge of samplers: it lets every correct one pass and refuses the wrong ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from engine.evaluate import random
from engine.evaluate.facts import Check
from engine.evaluate.sampling import REFUSED_BELOW, excess, judge, make_inputs, uniformity
from engine.schema import Definition, DType, Workload
from engine.schema.definition import AxisConst, AxisVar, TensorSpec
from engine.schema.workload import RandomInput

ROWS, VOCABULARY, CALLS = 8, 400, 250

Sampler = Callable[..., torch.Tensor]
Values = dict[str, Any]


def heavy(rows: int = ROWS, vocabulary: int = VOCABULARY) -> torch.Tensor:
    return torch.from_numpy(random.heavy_tailed_rows(random.stream("t", "probs"), rows, vocabulary))


def values(probs: torch.Tensor | None = None, **limits: float | list[float]) -> Values:
    chosen = heavy() if probs is None else probs
    result: Values = {"probs": chosen}
    for name, limit in limits.items():
        dtype = torch.int32 if name == "top_k" else torch.float32
        every = limit if isinstance(limit, list) else [limit] * len(chosen)
        result[name] = torch.tensor(every, dtype=dtype)
    return result


def keep_k(probs: torch.Tensor, top_k: torch.Tensor, *, last: bool = False) -> torch.Tensor:
    """Exactly k tokens of each row; of tied ones those of lowest (or highest) number."""
    kept = probs.clone()
    for row, limit in enumerate(top_k.tolist()):
        if 0 < limit < probs.shape[1]:
            turned = kept[row].flip(0) if last else kept[row]
            order = turned.argsort(descending=True, stable=True)
            turned[order[limit:]] = 0
            kept[row] = turned.flip(0) if last else turned
    return kept / kept.sum(1, keepdim=True)


def keep_at_least_kth(probs: torch.Tensor, top_k: torch.Tensor) -> torch.Tensor:
    """Every token as probable as the k-th."""
    kept = probs.clone()
    for row, limit in enumerate(top_k.tolist()):
        if 0 < limit < probs.shape[1]:
            kept[row][kept[row] < kept[row].sort(descending=True).values[limit - 1]] = 0
    return kept / kept.sum(1, keepdim=True)


def keep_p(probs: torch.Tensor, top_p: torch.Tensor, *, strict: bool = False) -> torch.Tensor:
    """The fewest tokens that reach p; the one that would only touch it is kept or not."""
    kept = probs.clone()
    for row, limit in enumerate(top_p.tolist()):
        if limit < 1:
            shares, order = kept[row].sort(descending=True, stable=True)
            before = shares.cumsum(0) - shares
            gone = before >= limit if strict else before > limit
            gone[0] = False
            kept[row][order[gone]] = 0
    return kept / kept.sum(1, keepdim=True)


def draw(weights: torch.Tensor, calls: int = CALLS, seed: int = 1) -> list[list[torch.Tensor]]:
    """Calls of a sampler of the given distribution."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.multinomial(weights, calls, replacement=True, generator=generator)
    return [[drawn[:, call]] for call in range(calls)]


def filtered(given: Values) -> torch.Tensor:
    """What the reference of real datasets draws from."""
    probs = given["probs"]
    if "top_k" in given:
        probs = keep_k(probs, given["top_k"])
    if "top_p" in given:
        probs = keep_p(probs, given["top_p"])
    return probs / probs.sum(1, keepdim=True)


LIMITS: list[dict[str, float]] = [
    {},
    {"top_k": 1},
    {"top_k": 20},
    {"top_k": VOCABULARY - 1},
    {"top_k": VOCABULARY},
    {"top_k": VOCABULARY + 5},
    {"top_k": 0},
    {"top_k": -1},
    {"top_p": 0.9},
    {"top_p": 0.3},
    {"top_p": 0.0},
    {"top_p": -0.5},
    {"top_p": 1.0},
    {"top_p": 1.5},
    {"top_k": 20, "top_p": 0.5},
    {"top_k": 0, "top_p": 0.5},
    {"top_k": 20, "top_p": 1.0},
]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_a_correct_sampler_passes(limits: dict[str, float]) -> None:
    given = values(**limits)
    check = judge("samples", given, draw(filtered(given)))
    assert check.ok, check.message
    assert (check.elements, check.bad, check.worst) == (ROWS * CALLS, 0, [])


def test_each_row_may_have_its_own_limits() -> None:
    given = values(
        top_k=[1, 2, 3, 0, 50, 399, 400, 7], top_p=[0.1, 0.9, 1.0, 0.5, 0.0, 0.7, 1.2, 0.3]
    )
    check = judge("samples", given, draw(filtered(given)))
    assert check.ok, check.message


def test_a_limit_may_be_one_number_for_all_rows() -> None:
    given = values(top_k=20)
    assert judge("samples", {**given, "top_k": 20}, draw(filtered(given))).ok
    everything = judge("samples", {**given, "top_k": 20}, draw(given["probs"]))
    assert not everything.ok


def test_a_correct_sampler_of_a_whole_vocabulary_passes() -> None:
    given = values(heavy(4, 128_256), top_k=50)
    assert judge("samples", given, draw(filtered(given), 500)).ok


def test_narrow_probabilities_are_judged_as_they_are() -> None:
    given = values(heavy().to(torch.bfloat16), top_k=60)
    wide = {**given, "probs": given["probs"].float()}
    assert judge("samples", given, draw(filtered(wide))).ok


class TestTies:
    """Of tokens as probable as the k-th one, samplers keep all, or any that fill up k."""

    SOME = torch.tensor([[0.3] + [0.1] * 5 + [0.02] * 10])
    ALL = torch.full((1, 16), 1 / 16)
    KEEP: tuple[Sampler, ...] = (
        keep_k,
        lambda probs, top_k: keep_k(probs, top_k, last=True),
        keep_at_least_kth,
    )

    @pytest.mark.parametrize("keep", KEEP)
    @pytest.mark.parametrize("probs", [SOME, ALL])
    @pytest.mark.parametrize("top_k", [1, 2, 4, 6, 9, 15])
    def test_every_way_of_keeping_them_passes(
        self, keep: Sampler, probs: torch.Tensor, top_k: int
    ) -> None:
        given = values(probs.repeat(ROWS, 1), top_k=top_k)
        check = judge("samples", given, draw(keep(given["probs"], given["top_k"])))
        assert check.ok, check.message

    def test_keeping_any_others_in_each_call_passes(self) -> None:
        given = values(self.ALL.repeat(ROWS, 1), top_k=4)
        assert judge("samples", given, draw(given["probs"])).ok

    def test_a_constant_among_equals_is_refused(self) -> None:
        given = values(self.ALL.repeat(ROWS, 1), top_k=4)
        assert not judge("samples", given, [[torch.zeros(ROWS, dtype=torch.int64)]] * CALLS).ok

    def test_drawing_them_too_often_is_refused(self) -> None:
        given = values(self.SOME.repeat(ROWS, 1), top_k=2)
        skewed = keep_at_least_kth(given["probs"], given["top_k"])
        skewed[:, 1:] *= 3
        check = judge("samples", given, draw(skewed))
        assert "do not follow the distribution" in check.message

    def test_a_token_below_them_is_refused(self) -> None:
        given = values(self.SOME.repeat(ROWS, 1), top_k=2)
        assert judge("samples", given, draw(given["probs"])).bad > 0


class TestTheNucleus:
    """Where rounding decides whether a token is kept, both ways are right."""

    HALVES = torch.tensor([[0.5, 0.25, 0.25]]).repeat(ROWS, 1)

    @pytest.mark.parametrize("strict", [True, False])
    def test_a_sum_that_touches_p_may_count_either_way(self, strict: bool) -> None:
        given = values(self.HALVES, top_p=0.5)
        kept = keep_p(given["probs"], given["top_p"], strict=strict)
        assert judge("samples", given, draw(kept)).ok

    def test_several_most_probable_tokens_are_a_choice_at_p_zero(self) -> None:
        given = values(self.HALVES.flip(1)[:, :2].contiguous(), top_p=0.0)
        for token in (0, 1):
            assert judge("samples", given, [[torch.full((ROWS,), token)]] * CALLS).ok

    def test_only_the_most_probable_token_is_right_at_p_zero(self) -> None:
        given = values(top_p=0.0)
        assert not judge("samples", given, draw(given["probs"])).ok

    def test_p_counts_within_what_k_left(self) -> None:
        # Of the two kept by k, the first alone has 2/3 and reaches p.
        given = values(torch.tensor([[0.2, 0.1] + [0.07] * 10]).repeat(ROWS, 1), top_k=2, top_p=0.6)
        assert judge("samples", given, [[torch.zeros(ROWS, dtype=torch.int64)]] * CALLS).ok
        assert not judge("samples", given, [[torch.ones(ROWS, dtype=torch.int64)]] * CALLS).ok


def uniform_over_k(given: Values) -> torch.Tensor:
    return (keep_k(given["probs"], given["top_k"]) > 0).float()


def too_hot(given: Values) -> torch.Tensor:
    return keep_k(given["probs"], given["top_k"]) ** (1 / 1.5)


def one_token_missing(given: Values) -> torch.Tensor:
    kept = keep_k(given["probs"], given["top_k"])
    return kept.scatter(1, kept.argmax(1, keepdim=True), 0.0)


def one_token_too_many(given: Values) -> torch.Tensor:
    return keep_k(given["probs"], given["top_k"] + 1)


@pytest.mark.parametrize("wrong", [uniform_over_k, too_hot, one_token_missing])
def test_a_wrong_distribution_over_the_right_tokens_is_refused(
    wrong: Callable[[Values], torch.Tensor],
) -> None:
    given = values(top_k=20)
    check = judge("samples", given, draw(wrong(given)))
    assert (check.ok, check.bad) == (False, 0)
    assert check.message.startswith("2000 samples do not follow the distribution (p = ")


def test_taking_the_most_probable_token_always_is_refused() -> None:
    given = values(top_k=20)
    assert not judge("samples", given, [[given["probs"].argmax(1)]] * CALLS).ok


def test_ignoring_the_limit_is_refused_with_evidence() -> None:
    given = values(top_k=20)
    check = judge("samples", given, draw(given["probs"]))
    assert (check.ok, check.bad > 0) == (False, True)
    assert f"{check.bad} of 2000 samples lie outside the allowed tokens" in check.message
    (call, row), expected, got = check.worst[0]
    assert expected == "one of 20 tokens"
    assert 0 <= call < CALLS
    assert 0 <= row < ROWS
    assert isinstance(got, float)


def test_one_token_more_than_allowed_is_refused() -> None:
    given = values(top_k=20)
    assert judge("samples", given, draw(one_token_too_many(given), 1000)).bad > 0


def test_ignoring_the_probabilities_limit_is_refused() -> None:
    given = values(top_p=0.3)
    assert judge("samples", given, draw(given["probs"])).bad > 0


def test_a_constant_is_refused() -> None:
    given = values()
    assert not judge("samples", given, [[torch.full((ROWS,), 7)]] * CALLS).ok


def test_the_samples_of_another_row_are_refused() -> None:
    given = values(top_k=20)
    rolled = [[outputs[0].roll(1)] for outputs in draw(filtered(given))]
    assert not judge("samples", given, rolled).ok


@pytest.mark.parametrize("token", [-1, VOCABULARY, 2**31 - 1, -(2**31)])
@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_a_token_that_does_not_exist_is_refused(token: int, dtype: torch.dtype) -> None:
    given = values()
    calls = [[outputs[0].to(dtype)] for outputs in draw(given["probs"])]
    calls[3][0][2] = token
    check = judge("samples", given, calls)
    assert (check.ok, check.bad) == (False, 1)
    assert check.worst == [([3, 2], f"one of {VOCABULARY} tokens", float(token))]


def test_a_token_of_probability_zero_is_refused() -> None:
    probs = torch.tensor([[0.5, 0.5, 0.0]])
    assert judge("samples", values(probs), [[torch.tensor([2])]]).bad == 1


def test_few_samples_are_judged_by_their_tokens_alone() -> None:
    given = values(top_k=20)
    assert judge("samples", given, [[given["probs"].argmax(1)]]).ok
    assert not judge("samples", given, [[given["probs"].argmin(1)]]).ok


def test_no_rows_are_no_mistake() -> None:
    check = judge("samples", values(heavy(0)), [[torch.empty(0, dtype=torch.int64)]] * 4)
    assert (check.ok, check.elements) == (True, 0)


@pytest.mark.parametrize(
    "limits", [{"top_k": 30}, {"top_p": 0.8}, {"top_k": 30, "top_p": 0.8}], ids=str
)
def test_a_correct_sampler_is_never_refused_by_bad_luck(limits: dict[str, float]) -> None:
    given = values(heavy(4, 100), **limits)
    weights = filtered(given)
    refused = [seed for seed in range(200) if not judge("s", given, draw(weights, 64, seed)).ok]
    assert refused == []


def test_a_correct_sampler_is_never_refused_for_its_ties() -> None:
    given = values(TestTies.SOME.repeat(4, 1), top_k=3)
    weights = keep_k(given["probs"], given["top_k"])
    refused = [seed for seed in range(200) if not judge("s", given, draw(weights, 64, seed)).ok]
    assert refused == []


def test_the_figure_of_the_test_is_a_chance() -> None:
    chances = [uniformity(np.random.default_rng(seed).random(500)) for seed in range(500)]
    assert min(chances) > REFUSED_BELOW
    for share in (0.1, 0.5, 0.9):
        assert np.mean(np.array(chances) < share) == pytest.approx(share, abs=0.07)


def test_uniform_values_look_uniform_and_others_do_not() -> None:
    generator = np.random.default_rng(5)
    assert uniformity(generator.random(2000)) > 0.001
    assert uniformity(generator.random(2000) ** 1.3) < REFUSED_BELOW
    assert uniformity(np.full(2000, 0.5)) < REFUSED_BELOW


@pytest.mark.parametrize(
    ("count", "draws", "expected", "refused"),
    [
        (0, 100, 0.0, False),
        (10, 100, 10.0, False),
        (14, 100, 10.0, False),
        (60, 100, 10.0, True),
        (100, 100, 10.0, True),
        (100, 100, 100.0, False),
        (1, 100, 0.0, True),
    ],
)
def test_more_hits_than_chance_allows_are_told_apart(
    count: int, draws: int, expected: float, refused: bool
) -> None:
    assert (excess(count, draws, expected) < REFUSED_BELOW) is refused


class TestInputs:
    DEFINITION = Definition(
        name="d",
        op_type="sampling",
        axes={"batch_size": AxisVar(), "vocab_size": AxisConst(value=500)},
        inputs={
            "probs": TensorSpec(shape=["batch_size", "vocab_size"], dtype=DType.FLOAT32),
            "top_p": TensorSpec(shape=["batch_size"], dtype=DType.FLOAT32),
        },
        outputs={},
        reference="def run(probs, top_p): ...",
    )

    def make(self) -> Values:
        workload = Workload(
            uuid="w",
            axes={"batch_size": 3},
            inputs={name: RandomInput() for name in ("probs", "top_p")},
        )
        return dict(make_inputs(self.DEFINITION, workload, "seed", {}))

    def test_random_probabilities_are_rows_that_sum_to_one(self) -> None:
        probs = self.make()["probs"]
        assert probs.shape == (3, 500)
        assert probs.sum(1).tolist() == pytest.approx([1, 1, 1], abs=1e-5)
        assert (probs > 0).all()

    def test_other_inputs_are_as_by_default(self) -> None:
        assert self.make()["top_p"].shape == (3,)

    def test_the_seed_decides(self) -> None:
        assert torch.equal(self.make()["probs"], self.make()["probs"])


def test_a_check_names_its_output() -> None:
    check: Check = judge("chosen", values(), draw(values()["probs"]))
    assert check.output == "chosen"
