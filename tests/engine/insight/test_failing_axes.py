"""What failing workloads have in common."""

from __future__ import annotations

import pytest

from engine.insight.failing_axes import describe


def _axes(name: str, values: list[int], other: int = 7) -> list[dict[str, int]]:
    return [{"heads": other, name: value} for value in values]


@pytest.mark.parametrize(
    ("bad", "good", "name", "text"),
    [
        ([1, 16], [], "everywhere", "on every workload"),
        ([1024, 4096], [1, 512], "large M", "where M >= 1024"),
        ([1], [16, 64], "small M", "where M = 1"),
        ([1, 2], [16, 64], "small M", "where M <= 2"),
        ([17, 100], [16, 64, 128], "M is no multiple of 8", "where M is no multiple of 8"),
        ([16, 33], [17, 64], "somewhere", "on 2 of 4 workloads"),
    ],
)
def test_failing_workloads(bad: list[int], good: list[int], name: str, text: str) -> None:
    found = describe(_axes("M", bad), _axes("M", good))
    assert (found.name, found.text) == (name, text)


def test_an_axis_that_not_all_have_tells_nothing() -> None:
    found = describe([{"M": 8}], [{"N": 4}])
    assert found.text == "on 1 of 2 workloads"
