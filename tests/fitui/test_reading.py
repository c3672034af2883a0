"""Values as filters: what is kept by a value is what reads like it, and nothing else."""

from __future__ import annotations

import random
import re

import pytest

from fitui import format as form
from fitui.reading import Form, Reading, label_for, narrowed, opposite, term_for

NOW = 1_700_000_000.0
LATENCY = Reading("latency", Form.NUMBER, form.latency, "us", 1000.0)
SPEEDUP = Reading("speedup", Form.NUMBER, form.speedup)
ERROR = Reading("abs", Form.NUMBER, form.error)
AGE = Reading("age", Form.AGE)

_UNITS = {"": 1.0, "us": 1e-3, "ms": 1.0, "s": 1e3}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def holds(term: str, value: float, units: dict[str, float]) -> bool:
    """What a term of comparisons says of a number."""
    found = re.findall(r"(>=|<)([\d.]+(?:e[+-]?\d+)?)([a-z]*)", term)
    assert found, term
    limits = [(sign, float(number) * units[unit]) for sign, number, unit in found]
    return all(value >= limit if sign == ">=" else value < limit for sign, limit in limits)


@pytest.mark.parametrize("seed", range(300))
def test_a_number_keeps_exactly_what_reads_like_it(seed: int) -> None:
    chance = random.Random(seed)
    reading, power = chance.choice([(LATENCY, -2), (SPEEDUP, 0), (ERROR, -6)])
    value = chance.uniform(1, 10) * 10 ** (power + chance.randrange(-1, 4))
    units = _UNITS if reading is LATENCY else {"": 1.0}
    term = term_for(reading, value, NOW)
    assert holds(term, value, units)
    for _ in range(50):
        other = value * (1 + chance.gauss(0, 0.01))
        if reading.show(other) == reading.show(value):
            assert holds(term, other, units), (term, other)
        elif abs(other - value) > 1e-9 * value:
            assert not holds(term, other, units), (term, other, reading.show(other))


@pytest.mark.parametrize(
    "age_s", [0, 59, 60, 61, 3599, 3600, 86_399, 86_400, 9 * 86_400, 400 * 86_400, 8e8]
)
def test_an_age_keeps_what_has_the_same_number(age_s: float) -> None:
    term = term_for(AGE, NOW - age_s, NOW)
    shown = form.age(NOW - age_s, NOW)
    for other in (age_s, age_s * 0.5, age_s * 0.999, age_s * 1.001, age_s + 60, age_s * 2):
        alike = form.age(NOW - other, NOW) == shown
        assert holds(term, other, _SECONDS) == alike, (term, other)


@pytest.mark.parametrize(
    ("reading", "value", "term"),
    [
        (Reading("status"), "PASSED", "status=PASSED"),
        (Reading("author"), 'two "words"', 'author="two \\"words\\""'),
        (Reading("timer"), "", "!timer:?*"),
        (LATENCY, None, "!latency>=0"),
        (AGE, None, "!age>=0s"),
        (SPEEDUP, 0.001, "speedup<0.01"),
        (Reading("roofline", Form.NUMBER, form.roofline), 2000.0, "roofline>=999.5"),
        (Reading("workloads", Form.WHOLE), 4, "workloads=4"),
        (Reading("axes", Form.AXES), {"M": 16, "page_size": 1}, "axis.M=16 axis.page_size=1"),
        (Reading("axes", Form.AXES), {}, ""),
        (Reading("flags", Form.WORDS), ["low clock", "host_sync"],
         'flags="low clock" flags=host_sync'),
        (Reading("flags", Form.WORDS), [], "!flags:?*"),
        (Reading("failed", Form.SHARE), (3, 6), "passed=3 failed=6"),
    ],
)  # fmt: skip
def test_terms(reading: Reading, value: object, term: str) -> None:
    assert term_for(reading, value, NOW) == term


@pytest.mark.parametrize(
    ("term", "other"),
    [
        ("status=PASSED", "!status=PASSED"),
        ("!timer:?*", "timer:?*"),
        ("latency>=1us latency<2us", "!(latency>=1us latency<2us)"),
        ("(a | b)", "!((a | b))"),
    ],
)
def test_opposites(term: str, other: str) -> None:
    assert opposite(term) == other


def test_a_term_is_added_to_a_filter() -> None:
    assert narrowed("", "a=1") == "a=1"
    assert narrowed(" b ", "a=1") == "b a=1"
    assert narrowed("b | c", "a=1") == "(b | c) a=1"
    assert narrowed("b a=1 c", "a=1") == "b a=1 c"


def test_labels() -> None:
    assert label_for(Reading("axes", Form.AXES), {"M": 16, "page_size": 1}, NOW) == "M=16 ps=1"
    assert label_for(Reading("failed", Form.SHARE), (3, 6), NOW) == "3/9"
    assert label_for(LATENCY, 0.0125, NOW) == "12.5"
    assert label_for(Reading("author"), None, NOW) == ""
