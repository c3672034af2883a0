"""Which workloads fail, said by their axes: the large ones, those that are no multiple of 16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

Axes = Mapping[str, int]

_BLOCKS = (2, 4, 8, 16, 32, 64, 128, 256)


class Pattern(Struct, frozen=True):
    """What failing workloads have in common that passing ones have not.

    Args:
        name: Without the numbers, which depend on the workloads that were tried.
        text: With them, for a person; completes "wrong".
    """

    name: str
    text: str


EVERYWHERE = Pattern("everywhere", "on every workload")


def describe(failing: Sequence[Axes], passing: Sequence[Axes]) -> Pattern:
    """What tells the failing workloads of one solution from those that pass.

    Args:
        failing: Axes of the workloads that fail, at least one.
        passing: Axes of those that pass.
    """
    if not passing:
        return EVERYWHERE
    names = [name for name in failing[0] if all(name in axes for axes in (*failing, *passing))]
    for name in names:
        bad, good = [axes[name] for axes in failing], [axes[name] for axes in passing]
        if min(bad) > max(good):
            return Pattern(f"large {name}", f"where {name} >= {min(bad)}")
        if max(bad) < min(good):
            sign = "<=" if min(bad) < max(bad) else "="
            return Pattern(f"small {name}", f"where {name} {sign} {max(bad)}")
    for name in names:
        for block in _BLOCKS:
            split = all(axes[name] % block for axes in failing)
            if split and not any(axes[name] % block for axes in passing):
                text = f"{name} is no multiple of {block}"
                return Pattern(text, f"where {text}")
    number = len(failing) + len(passing)
    return Pattern("somewhere", f"on {len(failing)} of {number} workloads")
