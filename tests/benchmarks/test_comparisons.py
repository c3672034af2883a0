"""``benchmarks/comparisons.py``: what it finds fault with, and a short round on the CPU device."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.comparisons import Group, problems
from engine.schema.run import ComparisonRecord, Verdict

ROOT = Path(__file__).parents[2]
SAME, SLOWER, UNCLEAR = Verdict.SAME, Verdict.SLOWER, Verdict.UNCLEAR


def group(*verdicts: Verdict, longer: bool = False, missing: int = 0) -> Group:
    records = [
        ComparisonRecord(
            evaluation=f"e{number}",
            definition="double",
            workload="w",
            axes={},
            a="a",
            b="b",
            a_version="",
            b_version="",
            device="cpu",
            hardware="CPU",
            verdict=verdict,
            t=0.0,
        )
        for number, verdict in enumerate(verdicts)
    ]
    return Group(title="", longer=longer, records=records, missing=["no verdict"] * missing)


def test_one_wrong_verdict_in_two_hundred_is_borne() -> None:
    good = [group(*[SAME] * 90, *[UNCLEAR] * 10), group(*[SAME] * 99, SLOWER)]
    assert not problems(good)
    assert problems([*good, group(Verdict.FASTER)]) == [
        "2 of 201 comparisons of a kernel with itself say neither same nor unclear"
    ]
    assert problems([*good, group(missing=1)])
    assert problems([*good, group(Verdict.FAILED)])


def test_one_in_twenty_that_is_not_called_slower_is_borne() -> None:
    assert not problems([group(*[SLOWER] * 19, UNCLEAR, longer=True)])
    assert problems([group(*[SLOWER] * 18, UNCLEAR, SAME, longer=True)]) == [
        "2 of 20 comparisons with the longer loop do not say slower"
    ]
    assert problems([group(SLOWER, longer=True, missing=1)])


@pytest.mark.slow
def test_a_loop_that_is_thrice_as_long_is_told_on_the_cpu() -> None:
    chosen = ["--device", "cpu", "--self", "4", "--slower", "2", "--percent", "200"]
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.comparisons", *chosen],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
    )
    rows = [[cell.strip() for cell in line.split("|")] for line in found.stdout.splitlines()]
    table = {row[1]: dict(zip(rows[0], row, strict=True)) for row in rows if len(row) > 1}
    itself, longer = table["loop with itself"], table["loop with longer_loop"]
    assert (itself["number"], itself["failed"]) == ("4", "0"), found.stdout + found.stderr
    assert (longer["number"], longer["slower"]) == ("2", "2"), found.stdout + found.stderr
    assert float(longer["lowest B/A"]) > 1.5
    # Others may use this machine: what they make of a loop and itself is not held against it.
    wrong = int(itself["faster"]) + int(itself["slower"])
    assert found.returncode == int(wrong > 1), found.stdout
