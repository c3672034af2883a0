"""How often each value of a field occurs over all rows of a view: counted by the store where the
rows are traces, which may be a million, and row by row elsewhere."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from msgspec import Struct

from engine.store import TraceStore
from fitui.bins import MOST, Bin, age_bins, number_bins
from fitui.reading import Form, Reading, label_for, term_for

NOTHING = "(nothing)"


class Counts(Protocol):
    """A field whose values are counted."""

    @property
    def reading(self) -> Reading:
        """How its values read."""

    def value_of(self, row: Any) -> Any:
        """The value of a row."""


class Group(Struct, frozen=True):
    """Rows that read alike in a field.

    Args:
        label: What they read.
        count: How many there are.
        share: Of all rows, from 0 to 1.
        term: The filter that keeps them, "" where there is none.
        place: In the order of the values, from 0.
    """

    label: str
    count: int
    share: float
    term: str
    place: int


class Frequency(Struct, frozen=True):
    """The values of a field.

    Args:
        groups: The most frequent first; intervals in their own order.
        rows: How many rows there are.
    """

    groups: tuple[Group, ...]
    rows: int


def count_traces(store: TraceStore, where: str, field: Counts, now: float) -> Frequency:
    """Count a field of all traces that meet a filter, in the index.

    Raises:
        QueryError: The filter means nothing, or traces have no such field.
    """
    reading = field.reading
    name = reading.field
    if reading.form in (Form.NUMBER, Form.AGE, Form.WHOLE):
        span = store.span("traces", name, where)
        if span.low is None or span.high is None:
            return _frequency([(NOTHING, term_for(reading, None, now), span.rows)], ordered=True)
        positive = None
        if span.low == 0:
            positive = store.span(
                "traces", name, f"({where}) {name}>0" if where else f"{name}>0"
            ).low
        bins = _bins(reading, span.low, span.high, positive, now)
        edges = sorted({end for item in bins for end in (item.low, item.high)})
        counted = dict(zip(edges, store.bins("traces", name, where, edges), strict=False))
        counts = [(item, counted[item.low]) for item in bins]
        return _histogram(reading, counts, span.rows - span.known, now)
    values = store.facet("traces", name, where)
    decoded = reading.form in (Form.AXES, Form.WORDS)
    pairs = [(json.loads(value) if decoded else value, number) for value, number in values.items()]
    return _values(reading, pairs, now)


def count_rows(rows: Iterable[Any], field: Counts, now: float) -> Frequency:
    """Count a field of rows that are at hand."""
    reading = field.reading
    found = [field.value_of(row) for row in rows]
    if not reading.is_numeric and not _is_wide(reading, found):
        keys = {json.dumps(value, default=str): value for value in found}
        counted = Counter(json.dumps(value, default=str) for value in found)
        return _values(reading, [(keys[key], number) for key, number in counted.items()], now)
    known = sorted(value for value in found if value is not None)
    if not known:
        return _frequency([(NOTHING, term_for(reading, None, now), len(found))], ordered=True)
    positive = next((value for value in known if value > 0), None)
    bins = _bins(reading, known[0], known[-1], positive, now)
    edges = sorted({end for item in bins for end in (item.low, item.high)})
    counted_bins = Counter(edges[bisect_right(edges, value) - 1] for value in known)
    counts = [(item, counted_bins[item.low]) for item in bins]
    return _histogram(reading, counts, len(found) - len(known), now)


def _is_wide(reading: Reading, values: Sequence[Any]) -> bool:
    """True for so many different whole numbers that intervals say more."""
    return reading.form is Form.WHOLE and len(set(values)) > MOST


def _bins(
    reading: Reading, low: float, high: float, positive: float | None, now: float
) -> list[Bin]:
    if reading.form is Form.AGE:
        return age_bins(reading, low, high, now)
    return number_bins(reading, low, high, positive)


def _histogram(
    reading: Reading, counts: Sequence[tuple[Bin, int]], missing: int, now: float
) -> Frequency:
    items = [(item.label, item.term, number) for item, number in counts]
    if missing:
        items.append((NOTHING, term_for(reading, None, now), missing))
    return _frequency(items, ordered=True)


def _values(reading: Reading, pairs: Sequence[tuple[Any, int]], now: float) -> Frequency:
    """Values that read alike are one group: ages, and figures that differ in hidden digits."""
    items = [
        (label_for(reading, value, now) or NOTHING, term_for(reading, value, now), number)
        for value, number in sorted(pairs, key=lambda pair: _order(pair[0]))
    ]
    return _frequency(items, ordered=False)


def _order(value: Any) -> tuple[bool, float, str]:
    number = float(value) if isinstance(value, int | float) else 0.0
    return value is None, number, str(value)


def _frequency(items: Sequence[tuple[str, str, int]], *, ordered: bool) -> Frequency:
    rows = sum(number for _label, _term, number in items)
    groups = [
        Group(label, number, number / rows if rows else 0.0, term, place)
        for place, (label, term, number) in enumerate(items)
    ]
    if not ordered:
        groups.sort(key=lambda group: (-group.count, group.place))
    return Frequency(tuple(groups), rows)
