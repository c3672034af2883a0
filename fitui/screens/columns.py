"""Which columns a table shows, by the ``cols:`` of its view.

``cols:solution,latency,age`` are all columns in their order; ``cols:+run,-age`` are changes of the
usual ones. A column that is added stands where it stands among all that there are.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from fitui.screens.rows import Field, slug
from fitui.view import ViewError

ALIASES = {
    "gpu": "hardware",
    "hw": "hardware",
    "device": "hardware",
    "lat": "latency",
    "latency_ms": "latency",
    "speed": "speedup",
    "roof": "roofline",
    "def": "definition",
    "sol": "solution",
    "wl": "workload",
    "language": "lang",
    "time": "age",
    "max_absolute_error": "abs",
    "max_relative_error": "rel",
    "reference": "ref",
    "flag": "flags",
    "op_type": "op",
}
"""Other names of columns."""


def find_field(fields: Sequence[Field], name: str) -> Field:
    """A column by its name, its title or an alias, whatever the case.

    Raises:
        ViewError: There is none; the message names similar ones, or all.
    """
    wanted = name.lower()
    by_name = {slug(field.title): field for field in reversed(fields)}
    by_name |= {field.called.lower(): field for field in fields}
    if wanted in by_name:
        return by_name[wanted]
    if (other := ALIASES.get(wanted, "")) in by_name:
        return by_name[other]
    names = [field.called for field in fields]
    close = difflib.get_close_matches(wanted, names, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}"
    raise ViewError(f"no column {name!r} here: {hint}")


def usual_columns(fields: Sequence[Field]) -> tuple[Field, ...]:
    """The columns that are shown where nobody has chosen."""
    return tuple(field for field in fields if not field.extra)


def chosen_columns(fields: Sequence[Field], cols: str) -> tuple[Field, ...]:
    """The columns that a view shows.

    Args:
        fields: All that there are.
        cols: ``cols:`` of the view, "" for the usual ones.

    Raises:
        ViewError: A name is unknown, or none is left.
    """
    if not cols:
        return usual_columns(fields)
    parts = cols.split(",")
    if parts[0][0] not in "+-":
        return tuple(dict.fromkeys(find_field(fields, part) for part in parts))
    shown = {field.called for field in usual_columns(fields)}
    for part in parts:
        name = find_field(fields, part[1:]).called
        if part[0] == "+":
            shown.add(name)
        else:
            shown.discard(name)
    found = tuple(field for field in fields if field.called in shown)
    if not found:
        raise ViewError(f"cols:{cols} leaves no column")
    return found


def columns_text(fields: Sequence[Field], chosen: Sequence[Field]) -> str:
    """The shortest ``cols:`` that shows some columns: none, changes, or all their names.

    Args:
        fields: All that there are.
        chosen: At least one of them, in their order.
    """
    names = [field.called for field in chosen]
    usual = [field.called for field in usual_columns(fields)]
    in_order = [field.called for field in fields if field.called in names]
    if names != in_order:
        return ",".join(names)
    more = [f"+{name}" for name in names if name not in usual]
    less = [f"-{name}" for name in usual if name not in names]
    changes, whole = ",".join(more + less), ",".join(names)
    return changes if len(changes) <= len(whole) else whole
