"""flashinfer-bench's plan of timed calls, and the one figure that it makes of them.

Its evaluator times each of three trials on inputs of their own and reports the mean of the three
medians (``eval_performance`` in flashinfer_bench/bench/evaluators/default.py, ``time_runnable`` in
flashinfer_bench/bench/timing.py, version 0.1.2). Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from msgspec.structs import replace

from engine.measure.statistics import Summary, summarise

TRIALS = 3
FIRST_CALLS = 1
"""Calls of a trial before anything else, so that what happens once is not part of an estimate."""
ESTIMATE_CALLS = 5
"""Calls from which flashinfer estimates how long one takes, though the counts are given."""
WARMUP_CALLS = 10
TIMED_CALLS = 50

ALL_TIMED = TRIALS * TIMED_CALLS
ALL_UNTIMED = TRIALS * (FIRST_CALLS + ESTIMATE_CALLS + WARMUP_CALLS)


def summarise_trials(samples: Sequence[float]) -> Summary:
    """Summary of the timed calls of all trials, one trial after another.

    ``median`` is flashinfer-bench's figure, the mean of the trials' medians; ``low`` and ``high``
    are the means of the ends of their intervals, which lie around it. The rest is of all calls.

    Raises:
        ValueError: They are not of that many trials of the same length.
    """
    length, rest = divmod(len(samples), TRIALS)
    if rest or not length:
        raise ValueError(f"{len(samples)} calls are not {TRIALS} trials")
    trials = [summarise(samples[at : at + length]) for at in range(0, len(samples), length)]
    median = fmean(trial.median for trial in trials)
    low = fmean(trial.low for trial in trials)
    high = fmean(trial.high for trial in trials)
    return replace(
        summarise(samples),
        median=median,
        low=low,
        high=high,
        interval=(high - low) / 2 / median if median > 0 else None,
    )
