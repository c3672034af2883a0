"""How long an evaluation will take on a slow device, from what has been seen to run."""

from __future__ import annotations

import math
from collections.abc import Mapping

from engine.evaluate.registry import Plan
from engine.measure.statistics import fewest_samples
from engine.run.timing import WARMUP_CALLS
from engine.schema.run import Settings


class CallTimes:
    """Seconds per call by lengths of the axes, for one solution or reference."""

    def __init__(self) -> None:
        self._seen: dict[tuple[tuple[str, int], ...], float] = {}

    def add(self, axes: Mapping[str, int], seconds: float) -> None:
        """Remember one call."""
        self._seen[tuple(sorted(axes.items()))] = seconds

    def predict(self, axes: Mapping[str, int]) -> float | None:
        """Seconds that a call will take, or None where nothing is known.

        Scales the nearest workload seen by the axis that grew most, and never below what that
        took: right where time is linear in one axis, too little only where it grows in several
        at once.
        """
        guesses = [(_growth(dict(seen), axes), seconds) for seen, seconds in self._seen.items()]
        if not guesses:
            return None
        growth, seconds = min(guesses, key=lambda guess: abs(math.log(max(guess[0], 1e-9))))
        return seconds * max(growth, 1.0)


def _growth(seen: Mapping[str, int], axes: Mapping[str, int]) -> float:
    ratios = [axes[name] / seen[name] for name in axes if seen.get(name, 0) > 0]
    return max(ratios, default=1.0)


def solution_seconds(call_s: float, plan: Plan, settings: Settings) -> float:
    """Seconds that a solution's calls take in one evaluation, at ``call_s`` each."""
    repeats = plan.repeat if plan.repeat > 1 else 0
    verifying = 3
    return reference_seconds(call_s, plan, settings) + call_s * (repeats + verifying)


def reference_seconds(call_s: float, plan: Plan, settings: Settings) -> float:
    """Seconds that the reference's calls take for one workload, at ``call_s`` each."""
    return call_s * (plan.sets + WARMUP_CALLS + fewest_samples(settings, call_s))
