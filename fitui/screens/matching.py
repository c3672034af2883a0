"""The filter language over rows that are at hand, by what their cells show."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from engine.store import QueryError
from engine.store.query import All, Node, Not, Test, Text, parse
from fitui.screens.columns import find_field
from fitui.screens.rows import Field
from fitui.view import ViewError

Holds = Callable[[Any], bool]

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def keep_matching(fields: Sequence[Field], rows: Sequence[Any], words: str) -> list[Any]:
    """Rows that a filter keeps: ``state:failed fail>0 !note:old "two words"``.

    A bare word is looked for in all cells, ``FIELD:part`` and ``FIELD=whole`` in one, whatever the
    case; ``<`` and ``>`` compare the number that a cell begins with.

    Raises:
        QueryError: The filter means nothing, or names a column that the rows do not have.
    """
    node = parse(words)
    if node is None:
        return list(rows)
    holds = _compiled(node, fields)
    return [row for row in rows if holds(row)]


def _compiled(node: Node, fields: Sequence[Field]) -> Holds:
    if isinstance(node, Text):
        wanted = node.value.casefold()
        return lambda row: any(wanted in field.text(row).casefold() for field in fields)
    if isinstance(node, Not):
        holds = _compiled(node.part, fields)
        return lambda row: not holds(row)
    if isinstance(node, Test):
        return _tested(node, fields)
    parts = [_compiled(part, fields) for part in node.parts]
    if isinstance(node, All):
        return lambda row: all(part(row) for part in parts)
    return lambda row: any(part(row) for part in parts)


def _tested(test: Test, fields: Sequence[Field]) -> Holds:
    try:
        field = find_field(fields, test.field)
    except ViewError as error:
        raise QueryError(str(error), test.field_start, test.field_end) from None
    if test.operator in _COMPARE:
        compare, number = _COMPARE[test.operator], _NUMBER.match(test.value)
        if number is None:
            message = f"{test.value!r} is not a number"
            raise QueryError(message, test.value_start, test.value_end)
        limit = float(number[0])

        def compared(row: Any) -> bool:
            found = _NUMBER.match(field.text(row).strip())
            return found is not None and compare(float(found[0]), limit)

        return compared
    wanted = test.value.casefold()
    if test.operator == "=":
        return lambda row: field.text(row).strip().casefold() == wanted
    if "*" in wanted or "?" in wanted:
        pattern = wanted.replace("[", "[[]")
        return lambda row: fnmatchcase(field.text(row).casefold(), pattern)
    return lambda row: wanted in field.text(row).casefold()
