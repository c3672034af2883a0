"""Judges samplers by what they may draw and how often, never by a shared seed.

Each draw is turned into a number that is uniform on [0, 1] exactly if the sampler follows the
filtered distribution (a randomised probability integral transform along tokens ordered by
falling probability), so draws of different rows and calls add up to one chi-squared test.

Samplers may rightly differ in which tokens they keep: of several as probable as the k-th, or
where rounding decides whether a sum has reached ``top_p``. Such tokens are *open*: they may be
drawn, but only what every reading keeps is tested for its distribution. Open tokens are tested
for how many they are at most and, where they are all equally probable, against each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.evaluate import inputs, random
from engine.evaluate.draw import HOST, Maker
from engine.evaluate.facts import Check
from engine.evaluate.inputs import Value
from engine.schema.definition import Definition
from engine.schema.workload import RandomInput, Workload

FEWEST_DRAWS = 64
"""Fewer draws say nothing about a distribution; then only the support is judged."""
REFUSED_BELOW = 1e-6
"""Chance of a correct sampler being refused by the test of its distribution."""
_NUCLEUS_SLACK = 1e-4
WORST = 8


def make_inputs(
    definition: Definition,
    workload: Workload,
    seed: str,
    blobs: Mapping[str, str],
    maker: Maker = HOST,
) -> dict[str, Value]:
    """Inputs as by default, but a random ``probs`` holds rows of probabilities."""
    values = inputs.make_inputs(definition, workload, seed, blobs, maker)
    for name, spec in definition.inputs.items():
        shape = definition.shape_of(name, workload.axes)
        drawn = isinstance(workload.inputs[name], RandomInput)
        if name == "probs" and drawn and shape is not None and len(shape) == 2:
            rows = maker.heavy_tailed_rows(random.stream(seed, name), *shape)
            values[name] = rows.to(inputs.torch_dtype(spec.dtype))
    return values


def judge(output: str, values: Mapping[str, Value], calls: list[list[torch.Tensor]]) -> Check:
    """Judge the samples of several calls on the same inputs.

    Args:
        output: Name of the output.
        values: The inputs: ``probs`` [batch, vocabulary] and, where there are, ``top_k`` and
            ``top_p`` [batch].
        calls: For each call its one output, samples [batch].
    """
    probs = _rows(values["probs"])
    samples = np.stack([outputs[0].cpu().numpy().reshape(-1) for outputs in calls])
    samples = samples.astype(np.int64)
    top_k, top_p = _limits(values, "top_k"), _limits(values, "top_p")
    wrong: list[tuple[list[int], float | str, float | str]] = []
    uniform: list[NDArray[np.float64]] = []
    jitter = np.random.Generator(np.random.Philox(key=int(samples.size)))
    bad = opened = 0
    most_opened = 0.0
    for row, weights in enumerate(probs):
        found = _filtered(weights, _at(top_k, row), _at(top_p, row))
        drawn = samples[:, row]
        inside = (drawn >= 0) & (drawn < len(weights))
        rank = np.empty(len(weights), dtype=np.int64)
        rank[found.order] = np.arange(len(weights))
        place = np.where(inside, rank[np.clip(drawn, 0, len(weights) - 1)], len(weights))
        good = place < found.allowed
        bad += int((~good).sum())
        for call in np.flatnonzero(~good)[:WORST]:
            wrong.append(([int(call), row], f"one of {found.allowed} tokens", float(drawn[call])))
        kept = place[good & (place < found.certain)]
        upper = np.cumsum(found.share[: found.certain]) / found.share[: found.certain].sum()
        width = np.diff(upper, prepend=0.0)
        uniform.append(upper[kept] - width[kept] * jitter.random(len(kept)))
        open_places = place[good & (place >= found.certain)]
        opened += len(open_places)
        most_opened += len(drawn) * found.open_share
        if found.slots and len(open_places):
            uniform.append(_among_ties(open_places, found, jitter))
    check = Check(output=output, ok=bad == 0, elements=int(samples.size), bad=bad)
    check.worst = wrong[:WORST]
    if bad:
        check.message = f"{bad} of {samples.size} samples lie outside the allowed tokens"
        return check
    if samples.size >= FEWEST_DRAWS:
        chance = excess(opened, int(samples.size), most_opened)
        tested = np.concatenate(uniform)
        if len(tested) >= FEWEST_DRAWS:
            chance = min(chance, uniformity(tested))
        if chance < REFUSED_BELOW:
            check.ok = False
            check.message = (
                f"{samples.size} samples do not follow the distribution (p = {chance:.1e})"
            )
    return check


def _rows(value: Value) -> NDArray[np.float64]:
    assert isinstance(value, torch.Tensor)
    result: NDArray[np.float64] = value.cpu().to(torch.float64).numpy()
    return result


def _limits(values: Mapping[str, Value], name: str) -> NDArray[np.float64] | None:
    value = values.get(name)
    if value is None:
        return None
    tensor = value if isinstance(value, torch.Tensor) else torch.tensor([value])
    result: NDArray[np.float64] = tensor.cpu().to(torch.float64).numpy().reshape(-1)
    return result


def _at(limits: NDArray[np.float64] | None, row: int) -> float | None:
    return None if limits is None else float(limits[min(row, len(limits) - 1)])


class _Filtered(NamedTuple):
    """What may be drawn from one row.

    Args:
        order: Tokens by falling probability.
        share: Their probabilities, before any filter.
        allowed: How many of the first may be drawn.
        certain: How many of the first every correct sampler keeps; the rest is open.
        slots: How many of the open tokens a sampler keeps that breaks ties; 0 where they are
            not simply ties.
    """

    order: NDArray[np.int64]
    share: NDArray[np.float64]
    allowed: int
    certain: int
    slots: int

    @property
    def open_share(self) -> float:
        """Probability of drawing an open token if all of them are kept."""
        total = float(self.share[: self.allowed].sum())
        return float(self.share[self.certain : self.allowed].sum()) / total if total > 0 else 0.0


def _filtered(weights: NDArray[np.float64], top_k: float | None, top_p: float | None) -> _Filtered:
    """Apply the limits of one row: first ``top_k``, then ``top_p`` of what it left.

    A ``top_k`` outside of 1 to the vocabulary's size and a ``top_p`` of 1 or more filter nothing;
    a ``top_p`` of 0 or less leaves the most probable token.
    """
    order = np.argsort(-weights, kind="stable")
    share = weights[order]
    positive = share > 0
    k = int(top_k) if top_k is not None and 0 < top_k < len(share) else len(share)
    # Tied tokens may come in any order, so each has a best and a worst rank and sum before it.
    best = np.searchsorted(-share, -share, side="left")
    worst = np.searchsorted(-share, -share, side="right") - 1
    allowed, certain = positive & (best < k), positive & (worst < k)
    slots = max(0, min(k, int(positive.sum())) - int(certain.sum()))
    if top_p is not None and top_p < 1:
        sums = np.concatenate(([0.0], np.cumsum(share)))
        most, least = (sums[int(allowed.sum())], sums[k]) if top_k is not None else (1.0, 1.0)
        slack = _NUCLEUS_SLACK if top_p > 0 else 0.0
        limit = max(top_p, 0.0)
        allowed &= sums[best] <= (limit + slack) * most
        certain &= sums[worst + 1] - share <= (limit - slack) * least
        slots = 0 if top_p > 0 else 1 - int(certain.sum())
    return _Filtered(order, share, int(allowed.sum()), int(certain.sum()), slots)


def _among_ties(
    places: NDArray[np.int64], found: _Filtered, jitter: np.random.Generator
) -> NDArray[np.float64]:
    """Draws among tied tokens as numbers that are uniform if the kept ones are drawn equally.

    Which ones are kept is the sampler's choice: those seen are dealt to the slots by lot. Where
    there are more than slots, all tied tokens count as kept.
    """
    seen, which = np.unique(places, return_inverse=True)
    slots = found.slots if len(seen) <= found.slots else found.allowed - found.certain
    lot = jitter.choice(slots, len(seen), replace=False)
    result: NDArray[np.float64] = (lot[which] + jitter.random(len(places))) / slots
    return result


def excess(count: int, draws: int, expected: float) -> float:
    """Bound on the chance of at least ``count`` hits where ``expected`` are due at most.

    The Chernoff-Hoeffding bound for a sum of independent hits, each with a chance of its own.
    """
    found, due = count / draws, expected / draws
    if found <= due or due >= 1.0:
        return 1.0
    if due <= 0.0:
        return 0.0
    distance = found * math.log(found / due)
    if found < 1.0:
        distance += (1.0 - found) * math.log((1.0 - found) / (1.0 - due))
    return math.exp(-draws * distance)


def uniformity(values: NDArray[np.float64]) -> float:
    """Chance of a chi-squared statistic at least this large if the values are uniform.

    The tail is Wilson and Hilferty's normal approximation of the chi-squared distribution.
    """
    bins = int(min(50, max(4, len(values) // 16)))
    counts, _ = np.histogram(values, bins=bins, range=(0.0, 1.0))
    expected = len(values) / bins
    statistic = float(((counts - expected) ** 2).sum() / expected)
    freedom = bins - 1
    spread = 2.0 / (9.0 * freedom)
    score = ((statistic / freedom) ** (1.0 / 3.0) - (1.0 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(score / math.sqrt(2.0))
