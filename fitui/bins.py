"""Intervals that the numbers of a field are counted by: round ends, at most a screenful of them.

Each end is a text as the filter language reads it, so that what is counted in an interval is
exactly what its filter keeps. Pure functions; knows no widgets and no store.
"""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import pairwise

from msgspec import Struct

from fitui.reading import Form, Reading

MOST = 30
"""Intervals, or different whole numbers, at most."""

_UNITS = {"": 1.0, "us": 1e-3}
"""What the filter language multiplies a number with a unit by."""

_AGES = (
    ("1m", 60.0),
    ("10m", 600.0),
    ("1h", 3600.0),
    ("6h", 21_600.0),
    ("1d", 86_400.0),
    ("2d", 172_800.0),
    ("7d", 604_800.0),
    ("30d", 2_592_000.0),
    ("90d", 7_776_000.0),
    ("365d", 31_536_000.0),
)


class Bin(Struct, frozen=True):
    """An interval: a number from ``low`` on and below ``high``, in the unit that is kept.

    Args:
        label: For people.
        term: The filter that keeps its rows.
    """

    low: float
    high: float
    label: str
    term: str


def number_bins(reading: Reading, low: float, high: float, positive: float | None) -> list[Bin]:
    """Intervals that numbers lie in.

    Args:
        reading: How they read.
        low: The smallest, in the unit that is kept.
        high: The largest.
        positive: The smallest above zero, where ``low`` is not.
    """
    first = positive if low == 0 and positive else low
    ends = [Decimal(0)] if low == 0 and positive else []
    low, high, first = (value * reading.scale for value in (low, high, first))
    if first > 0 and high / first >= 20:
        ends += _widening(first, high)
    else:
        ends = _even(low, high, whole=reading.form is Form.WHOLE)
    return [_number_bin(reading, one, two) for one, two in pairwise(ends)]


def _widening(low: float, high: float) -> list[Decimal]:
    """1, 2, 5, 10, ...; by tens where those were too many."""
    exponents = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    for digits in ((1, 2, 5), (1,)):
        ends = [Decimal(digit).scaleb(power) for power in exponents for digit in digits]
        begin = max(index for index, end in enumerate(ends) if end <= Decimal(low))
        stop = next(index for index, end in enumerate(ends) if end > Decimal(high))
        if stop - begin <= MOST:
            break
    return ends[begin : stop + 1]


def _even(low: float, high: float, *, whole: bool) -> list[Decimal]:
    """Steps of 1, 2 or 5 times a power of ten."""
    spread = (high - low) or abs(high) or 1.0
    power = math.floor(math.log10(spread / 10))
    step = next(
        Decimal(digit).scaleb(power)
        for digit in (1, 2, 5, 10)
        if digit * 10.0**power * 10 >= spread * 0.999
    )
    if whole:
        step = max(step, Decimal(1))
    end = Decimal(math.floor(low / float(step))) * step
    ends = [end]
    while end <= Decimal(high):
        end += step
        ends.append(end)
    return ends


def _number_bin(reading: Reading, low: Decimal, high: Decimal) -> Bin:
    name, unit = reading.field, reading.unit
    one, two = _text(low), _text(high)
    label = f"{one} to {two}{f' {unit}' if unit else ''}"
    term = f"{name}>={one}{unit} {name}<{two}{unit}"
    scale = _UNITS[unit]
    return Bin(float(one) * scale, float(two) * scale, label, term)


def _text(number: Decimal) -> str:
    if number and not -4 <= number.adjusted() <= 7:
        return f"{number.normalize():e}".replace("E", "e")
    return f"{number.normalize():f}"


def age_bins(reading: Reading, oldest: float, newest: float, now: float) -> list[Bin]:
    """Intervals that moments lie in, the newest first.

    Args:
        reading: How they read.
        oldest: Unix seconds.
        newest: Unix seconds.
        now: Unix seconds that ages count from.
    """
    name, bins = reading.field, []
    ends = [("", -math.inf), *_AGES, ("", math.inf)]
    for (one, low), (two, high) in pairwise(ends):
        if now - newest >= high or now - oldest < low:
            continue
        terms = [f"{name}>={one}"] if one else []
        terms += [f"{name}<{two}"] if two else []
        label = f"{one} to {two}" if one and two else f"under {two}" if two else f"over {one}"
        # Ages count backwards: what is younger is the greater number.
        bins.append(Bin(now - high, now - low, label, " ".join(terms)))
    return bins
