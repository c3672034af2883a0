"""How the values of a field read in a table, and the filter that keeps what reads like one of them.

A person sees ``12.5``, not 12.4837: keeping "this value" means everything that is shown as it,
which for a number or an age is an interval. Knows no widgets and no store.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any

from msgspec import Struct

from engine.store.query import All, Not, parse
from engine.store.query import Any as Alternatives
from fitui import format as form


class Form(Enum):
    """What kind of value it is."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    AGE = "moment, shown as an age"
    AXES = "axes of a workload"
    WORDS = "list of words"
    SHARE = "passed and failed"


class Reading(Struct, frozen=True):
    """How the values of a field read, and are filtered by.

    Args:
        field: Its name in the filter language.
        form: Kind of value.
        show: What a table shows of a number.
        unit: Of a number as shown where the text has none, for the filter ("us").
        scale: What the number that is kept is multiplied by to have that unit.
    """

    field: str
    form: Form = Form.TEXT
    show: Callable[[Any], str] = str
    unit: str = ""
    scale: float = 1.0

    @property
    def is_numeric(self) -> bool:
        """True where values are best counted by intervals."""
        return self.form in (Form.NUMBER, Form.AGE)


def quoted(text: str) -> str:
    """A value for the right side of a term."""
    if re.fullmatch(r"[^\s()|\"\\]+", text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def term_for(reading: Reading, value: Any, now: float) -> str:
    """The filter that keeps the rows that read like a value in this field.

    Args:
        reading: How the field reads.
        value: A value of the field, of the form that the reading says; None where there is none.
        now: Unix seconds that ages are shown against.
    """
    name = reading.field
    match reading.form:
        case Form.TEXT:
            # No text at all also where the index has no row to hold one.
            return f"{name}={quoted(value)}" if value else f"!{name}:?*"
        case Form.WORDS:
            return _words_term(name, value)
        case Form.AXES:
            return " ".join(f"axis.{axis}={length}" for axis, length in dict(value or {}).items())
        case Form.SHARE:
            return f"passed={value[0]} failed={value[1]}"
        case Form.AGE:
            return _age_term(name, value, now)
        case Form.WHOLE:
            return f"!{name}>=0" if value is None else f"{name}={int(value)}"
        case Form.NUMBER:
            return _number_term(reading, value)


def _words_term(name: str, words: Sequence[str]) -> str:
    return " ".join(f"{name}={quoted(word)}" for word in words) or f"!{name}:?*"


_SHOWN = re.compile(r"([<>]?)(\d+(?:\.\d+)?)(?:e([+-]\d+))?(ns|us|ms|s)?\D*")


def _number_term(reading: Reading, value: float | None) -> str:
    name = reading.field
    match = _SHOWN.fullmatch(reading.show(value))
    if value is None or match is None:
        return f"!{name}>=0"
    sign, digits, exponent, unit = match.groups()
    unit = unit or reading.unit
    shown = Decimal(digits)
    half = Decimal(5).scaleb(shown.as_tuple().exponent - 1)  # type: ignore[operator]
    # Where a digit is lost, what lies just below is shown with one more.
    below = half / 10 if digits in ("10.0", "100") else half
    power = int(exponent or 0)
    low = f"{(shown - below).scaleb(power):f}{unit}"
    high = f"{(shown + half).scaleb(power):f}{unit}"
    if sign == "<":
        return f"{name}<{shown.scaleb(power):f}{unit}"
    if sign == ">":
        return f"{name}>={(shown + half).scaleb(power):f}{unit}"
    return f"{name}>={low} {name}<{high}"


_LENGTHS = {"m": (60.0, "m", 1.0), "h": (3600.0, "h", 1.0), "d": (86_400.0, "d", 1.0)}
_LENGTHS["y"] = (31_557_600.0, "d", 365.25)


def _age_term(name: str, moment: float | None, now: float) -> str:
    text = form.age(moment, now)
    if not text:
        return f"!{name}>=0s"
    if text == "now":
        return f"{name}<1m"
    _seconds, unit, factor = _LENGTHS[text[-1]]
    number = int(text[:-1])
    return f"{name}>={number * factor:g}{unit} {name}<{(number + 1) * factor:g}{unit}"


def label_for(reading: Reading, value: Any, now: float) -> str:
    """A value of a field as text.

    Args:
        reading: How the field reads.
        value: As for :func:`term_for`.
        now: Unix seconds that ages are shown against.
    """
    match reading.form:
        case Form.AXES:
            axes: Mapping[str, int] = value or {}
            return " ".join(f"{form.short_axis(name)}={length}" for name, length in axes.items())
        case Form.WORDS:
            return form.flags_text(value)
        case Form.SHARE:
            return f"{value[0]}/{value[0] + value[1]}" if sum(value) else ""
        case Form.AGE:
            return form.age(value, now)
        case Form.NUMBER:
            return reading.show(value)
        case _:
            return form.clean("" if value is None else str(value))


def opposite(term: str) -> str:
    """The filter that drops what a term keeps."""
    node = parse(term)
    if isinstance(node, Not):
        return term[1:]
    return f"!({term})" if isinstance(node, All | Alternatives) else f"!{term}"


def narrowed(words: str, term: str) -> str:
    """A filter with a term added, which must hold as well; as it is where it has that term."""
    if not words.strip():
        return term
    node = parse(words)
    if isinstance(node, Alternatives):
        return f"({words.strip()}) {term}"
    if f" {term} " in f" {words} ":
        return words
    return f"{words.strip()} {term}"
