"""A filter's tree, or a sort text, to SQL with parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from engine.store import visits
from engine.store.cells import NEVER
from engine.store.fields import Field, Form, Table
from engine.store.query import All, Any, Node, Not, QueryError, Test, Text, parse
from engine.store.sets import read_set

Sql = tuple[str, list[object]]

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([A-Za-zµμ]*)")
_MILLISECONDS = {"": 1.0, "ns": 1e-6, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ms": 1.0, "s": 1e3}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LAST_RUN = (
    "t.run = (SELECT n.id FROM name n WHERE n.kind = 'run' AND n.text != '' "
    "AND EXISTS (SELECT 1 FROM trace r WHERE r.run = n.id) "
    "ORDER BY (SELECT max(r.time) FROM trace r WHERE r.run = n.id) DESC, n.text DESC LIMIT 1)"
)


def compile_filter(text: str, table: Table, now: float) -> Sql:
    """The condition that a filter stands for.

    Args:
        text: Filter as typed.
        table: Kind of row that it is about.
        now: Unix seconds that ages count from.

    Returns:
        SQL and its parameters.

    Raises:
        QueryError: With the place in ``text``.
    """
    node = parse(text)
    return ("1", []) if node is None else _node(node, table, now)


def compile_sort(text: str, table: Table) -> str:
    """The ORDER BY terms of a sort text such as ``definition,-latency``.

    Rows without a value come last either way; rows that are equal keep a fixed order.

    Raises:
        QueryError: With the place in ``text``.
    """
    terms, position, descending = [], 0, False
    source = text if text.strip() else table.order
    for part in source.split(","):
        start, position = position, position + len(part) + 1
        name = part.strip()
        if not name:
            raise QueryError("a field to sort by is missing here", start, start + len(part) + 1)
        start += len(part) - len(part.lstrip())
        descending = name.startswith("-")
        name = name.lstrip("+-")
        end = start + len(part.strip())
        sql = _sort_key(name, table, start, end)
        if name.lower() == "age":
            descending = not descending
        terms.append(f"{sql} DESC" if descending else f"{sql} ASC NULLS LAST")
    return ", ".join([*terms, f"{table.key} {'DESC' if descending else 'ASC'}"])


def _sort_key(name: str, table: Table, start: int, end: int) -> str:
    axis = re.fullmatch(r"axis\.(\w+)", name)
    if axis and "axis" in table.fields:
        return f"json_extract({table.fields['axis'].sql}, '$.\"{axis[1]}\"')"
    return table.find(name, start, end)[1].sql


def _node(node: Node, table: Table, now: float) -> Sql:
    if isinstance(node, Text):
        return _join([_text(table.fields[name], ":", node.value) for name in table.search], "OR")
    if isinstance(node, Test):
        return _test(node, table, now)
    if isinstance(node, Not):
        sql, values = _node(node.part, table, now)
        return f"NOT ifnull({sql}, 0)", values
    word = "AND" if isinstance(node, All) else "OR"
    assert isinstance(node, All | Any)
    return _join([_node(part, table, now) for part in node.parts], word)


def _join(parts: Sequence[Sql], word: str) -> Sql:
    text = f" {word} ".join(sql for sql, _ in parts)
    return f"({text})", [value for _, values in parts for value in values]


def _test(test: Test, table: Table, now: float) -> Sql:
    name = test.field.lower()
    if name == "is":
        return _is(test, table)
    if name == "set" and table.members:
        return _in_set(test, table)
    if name in table.words:
        return _among(test, table)
    if name.startswith("axis.") and "axis" in table.fields:
        return _axis(test, table.fields["axis"])
    known, field = table.find(test.field, test.field_start, test.field_end)
    if field.form is Form.AXES:
        raise QueryError("name the axis, as in axis.M>=1024", test.field_start, test.value_end)
    if field.form in (Form.TEXT, Form.TAGS):
        return _named(known, field, test, table.kind)
    operator, value = _comparison(test, field.form, now)
    return field.within.format(f"{field.subject or field.sql} {operator} ?"), [value]


def _is(test: Test, table: Table) -> Sql:
    word = test.value.lower()
    if word == "latest" and table.latest:
        return table.latest, []
    if word == "stale" and table.stale:
        return table.stale, []
    if word == "alarm" and table.alarm:
        return table.alarm, []
    if word == "new" and table.new:
        return table.new, [visits.read().last]
    raise QueryError(f"{table.kind} know no is:{test.value}", test.field_start, test.value_end)


def _in_set(test: Test, table: Table) -> Sql:
    try:
        members = read_set(test.value)
    except LookupError as error:
        raise QueryError(str(error), test.value_start, test.value_end) from None
    return f"{table.members} IN (SELECT value FROM json_each(?))", [json.dumps(members)]


def _among(test: Test, table: Table) -> Sql:
    try:
        numbers = table.words[test.field.lower()](test.value)
    except LookupError as error:
        raise QueryError(str(error), test.value_start, test.value_end) from None
    return f"{table.key} IN (SELECT value FROM json_each(?))", [json.dumps(list(numbers))]


def _named(name: str, field: Field, test: Test, table_kind: str) -> Sql:
    if test.operator not in (":", "="):
        raise QueryError(
            f"{test.field} is a text: use `:` or `=`", test.field_start, test.value_end
        )
    value = test.value.lower()
    if name == "status" and value == "failed":
        subject = field.subject or field.sql
        return field.within.format(f"{subject} NOT IN ('PASSED', '{NEVER}')"), []
    if name == "status" and value == NEVER and table_kind != "cells":
        raise QueryError(
            "a trace has a status; list cells to find what was never run",
            test.field_start,
            test.value_end,
        )
    if name == "run" and value == "last":
        return _LAST_RUN, []
    return _text(field, test.operator, test.value)


def _text(field: Field, operator: str, value: str) -> Sql:
    """``=`` is exact. ``:`` with ``*`` or ``?`` is a pattern for the whole text, else a part."""
    subject = field.subject or field.sql
    if field.form is Form.TAGS:
        condition, values = _compare_text("value", operator, value)
        condition = f"EXISTS (SELECT 1 FROM json_each({subject}) WHERE {condition})"
    else:
        condition, values = _compare_text(subject, operator, value)
    within = field.exact if field.exact and operator == "=" else field.within
    return within.replace("{}", condition), values


def _compare_text(subject: str, operator: str, value: str) -> Sql:
    if operator == "=":
        return f"{subject} = ?", [value]
    if "*" in value or "?" in value:
        return f"lower({subject}) GLOB lower(?)", [value.replace("[", "[[]")]
    return f"instr(lower({subject}), lower(?)) > 0", [value]


def _axis(test: Test, field: Field) -> Sql:
    axis = test.field[len("axis.") :]
    if not re.fullmatch(r"\w+", axis):
        raise QueryError("name the axis, as in axis.M>=1024", test.field_start, test.field_end)
    operator, value = _comparison(test, Form.NUMBER, 0.0)
    subject = f"json_extract({field.subject or field.sql}, ?)"
    path = f"$.{json.dumps(axis)}"
    return field.within.replace("{}", f"{subject} {operator} ?"), [path, value]


def _comparison(test: Test, form: Form, now: float) -> tuple[str, float]:
    """Operator and number in the unit that the index keeps."""
    match = _NUMBER.fullmatch(test.value)
    if not match:
        raise QueryError(f"{test.value!r} is not a number", test.value_start, test.value_end)
    number, unit = float(match[1]), match[2]
    operator = "=" if test.operator == ":" else test.operator
    if form is Form.AGE:
        if unit not in _SECONDS:
            raise QueryError(
                "an age needs one of the units s, m, h, d, w", test.value_start, test.value_end
            )
        turned = operator.translate(str.maketrans("<>", "><"))
        return turned, now - number * _SECONDS[unit]
    if form is Form.LATENCY:
        if unit not in _MILLISECONDS:
            raise QueryError(
                "a latency has one of the units ns, us, ms, s", test.value_start, test.value_end
            )
        return operator, number * _MILLISECONDS[unit]
    if unit:
        raise QueryError(f"{test.field} has no unit", test.value_start, test.value_end)
    return operator, number
