"""What comparisons on many workloads come to: mean, total, and subtotals by axis."""

from __future__ import annotations

import math

import pytest

from engine.measure.totals import Compared, by_axis, total
from engine.schema.run import Ratio, Verdict


def compared(
    verdict: Verdict, a_ms: float | None, ratio: float = 1.0, half: float = 0.0, **axes: int
) -> Compared:
    """A workload on which B takes ``ratio`` times as long, plus or minus ``half`` of that."""
    together = Ratio(value=ratio, low=ratio * math.exp(-half), high=ratio * math.exp(half))
    return Compared(
        workload="w",
        axes=axes,
        verdict=verdict,
        a_ms=a_ms,
        b_ms=None if a_ms is None else a_ms * ratio,
        time=together if half else None,
    )


def test_the_geomean_counts_workloads_and_the_total_counts_time() -> None:
    found = total(
        [
            compared(Verdict.SLOWER, 1.0, 2.0),
            compared(Verdict.FASTER, 9.0, 0.5),
            compared(Verdict.FAILED, None),
        ]
    )
    assert found.workloads == 2
    assert found.geomean == pytest.approx(1.0)
    assert found.weighted == pytest.approx(6.5 / 10)
    assert (found.a_ms, found.b_ms) == (10.0, 6.5)
    assert found.verdicts == {"faster": 1, "slower": 1, "failed": 1}


def test_errors_of_many_workloads_partly_cancel() -> None:
    found = total([compared(Verdict.SAME, 1.0, 1.1, half=0.02) for _ in range(4)])
    assert found.geomean == pytest.approx(1.1)
    assert found.low == pytest.approx(1.1 * math.exp(-0.01))
    assert found.high == pytest.approx(1.1 * math.exp(0.01))


def test_without_an_interval_for_each_there_is_none_for_all() -> None:
    found = total([compared(Verdict.SAME, 1.0, half=0.01), compared(Verdict.UNCLEAR, 1.0)])
    assert (found.low, found.high) == (None, None)


def test_nothing_measured_has_no_mean() -> None:
    found = total([compared(Verdict.FAILED, None)])
    assert (found.workloads, found.geomean, found.weighted) == (0, None, None)
    assert found.verdicts == {"failed": 1}


def test_axes_with_few_lengths_have_a_subtotal_for_each() -> None:
    rows = [
        compared(Verdict.SLOWER, 1.0, 2.0 if heads == 8 else 1.0, batch=batch, heads=heads, page=64)
        for batch in (1, 2, 3, 4, 5)
        for heads in (8, 16)
    ]
    found = by_axis(rows, most=4)
    assert list(found) == ["heads"]
    assert list(found["heads"]) == [8, 16]
    assert found["heads"][8].geomean == pytest.approx(2.0)
    assert found["heads"][16].workloads == 5


def test_an_axis_that_differs_in_every_workload_has_none() -> None:
    rows = [compared(Verdict.SAME, 1.0, batch=batch) for batch in (1, 2, 3)]
    assert by_axis(rows) == {}
