"""Element-wise comparison of a tensor with the reference's."""

from __future__ import annotations

import math

import torch

from engine.evaluate.facts import Check, Rule

WORST = 8
"""Elements that are kept as evidence."""
_TINY = 1e-8


def compare_tensors(name: str, wanted: torch.Tensor, got: torch.Tensor, rule: Rule) -> Check:
    """Compare one output.

    Args:
        name: Of the output.
        wanted: The reference's; any device.
        got: The solution's, of the same shape and dtype.
        rule: When an element counts as equal. Integers and booleans must be equal exactly.

    Returns:
        What was found. NaN and infinities must match in place and sign.
    """
    count = wanted.numel()
    if count == 0:
        return Check(output=name, ok=True, upstream_ok=True)
    got = got.to(wanted.device)
    exact = not wanted.dtype.is_floating_point
    wide = torch.float64 if exact or wanted.dtype is torch.float64 else torch.float32
    differs = got.reshape(-1) != wanted.reshape(-1)
    x, y = got.reshape(-1).to(wide), wanted.reshape(-1).to(wide)
    finite = torch.isfinite(x) & torch.isfinite(y)
    same_odd = (x == y) | (torch.isnan(x) & torch.isnan(y))
    odd = ~finite & ~same_odd
    error = torch.where(finite, (x - y).abs(), torch.zeros((), dtype=wide, device=x.device))
    relative = error / (y.abs() + _TINY)
    relative = torch.where(finite, relative, torch.zeros_like(relative))
    # Not by the error: float64 cannot tell all 64-bit integers apart.
    bad = differs if exact else error > rule.atol + rule.rtol * y.abs()
    bad = (bad & finite) | odd
    upstream_bad = (error > rule.atol) & (relative > rule.rtol) & finite
    bad_count, odd_count = int(bad.sum()), int(odd.sum())
    allowed = math.floor((1.0 - rule.matched_ratio) * count + 1e-9)
    upstream_ok = bool(torch.isfinite(x).all()) and int(upstream_bad.sum()) <= allowed
    return Check(
        output=name,
        ok=bad_count <= allowed and odd_count == 0,
        elements=count,
        bad=bad_count,
        max_abs=_number(float(error.max())),
        max_rel=_number(float(relative.max())),
        non_finite=odd_count,
        upstream_ok=upstream_ok,
        worst=_worst(x, y, error, odd, bad, wanted.shape) if bad_count else [],
    )


def _worst(
    x: torch.Tensor,
    y: torch.Tensor,
    error: torch.Tensor,
    odd: torch.Tensor,
    bad: torch.Tensor,
    shape: torch.Size,
) -> list[tuple[list[int], float | str, float | str]]:
    badness = torch.where(odd, torch.full_like(error, math.inf), error)
    badness = torch.where(bad, badness, torch.full_like(error, -1.0))
    places = torch.topk(badness, min(WORST, int(bad.sum()))).indices.tolist()
    return [
        (_unravel(place, shape), _number(float(y[place])), _number(float(x[place])))
        for place in places
    ]


def _unravel(place: int, shape: torch.Size) -> list[int]:
    index: list[int] = []
    for length in reversed(shape):
        place, position = divmod(place, length)
        index.append(position)
    return index[::-1]


def _number(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
