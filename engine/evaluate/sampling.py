"""Judges samplers by what they may draw and how often, never by a shared seed.

Each draw is turned into a number that is uniform on [0, 1] exactly if the sampler follows the
filtered distribution (a randomised probability integral transform along tokens ordered by
falling probability), so draws of different rows and calls add up to one chi-squared test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from engine.evaluate import inputs, random
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
    definition: Definition, workload: Workload, seed: str, blobs: Mapping[str, str]
) -> dict[str, Value]:
    """Inputs as by default, but a random ``probs`` holds rows of probabilities."""
    values = inputs.make_inputs(definition, workload, seed, blobs)
    for name, spec in definition.inputs.items():
        shape = definition.shape_of(name, workload.axes)
        drawn = isinstance(workload.inputs[name], RandomInput)
        if name == "probs" and drawn and shape is not None and len(shape) == 2:
            rows = random.heavy_tailed_rows(random.stream(seed, name), *shape)
            values[name] = torch.from_numpy(rows).to(inputs.torch_dtype(spec.dtype))
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
    top_k, top_p = _limits(values, "top_k"), _limits(values, "top_p")
    wrong: list[tuple[list[int], float | str, float | str]] = []
    uniform: list[NDArray[np.float64]] = []
    jitter = np.random.Generator(np.random.Philox(key=int(samples.size)))
    for row, weights in enumerate(probs):
        order, share, allowed = _filtered(weights, _at(top_k, row), _at(top_p, row))
        drawn = samples[:, row]
        inside = (drawn >= 0) & (drawn < len(weights))
        rank = np.empty(len(weights), dtype=np.int64)
        rank[order] = np.arange(len(weights))
        place = np.where(inside, rank[np.clip(drawn, 0, len(weights) - 1)], len(weights))
        good = place < allowed
        for call in np.flatnonzero(~good)[:WORST]:
            wrong.append(([int(call), row], f"one of {allowed} tokens", float(drawn[call])))
        upper = np.cumsum(share[:allowed])
        kept = place[good]
        width = share[kept]
        uniform.append(upper[kept] - width * jitter.random(len(kept)))
    bad = int(samples.size - sum(len(part) for part in uniform))
    check = Check(output=output, ok=bad == 0, elements=int(samples.size), bad=bad)
    check.worst = wrong[:WORST]
    if bad:
        check.message = f"{bad} of {samples.size} samples lie outside the allowed tokens"
        return check
    if samples.size >= FEWEST_DRAWS:
        chance = uniformity(np.concatenate(uniform))
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


def _filtered(
    weights: NDArray[np.float64], top_k: float | None, top_p: float | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Tokens by falling probability, their filtered probabilities, how many are allowed.

    Tokens as probable as the last one within ``top_k`` are allowed too.
    """
    order = np.argsort(-weights, kind="stable")
    share = weights[order]
    allowed = int((share > 0).sum())
    if top_k is not None and 0 < top_k < len(weights):
        allowed = min(allowed, int((share >= share[int(top_k) - 1]).sum()))
    if top_p is not None and 0 < top_p < 1:
        before = np.cumsum(share[:allowed]) - share[:allowed]
        if top_k is not None:
            before /= max(share[:allowed].sum(), 1e-30)
        allowed = max(1, int((before < top_p + _NUCLEUS_SLACK).sum()))
    share = np.where(np.arange(len(share)) < allowed, share, 0.0)
    return order, share / share.sum(), allowed


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
