"""What a list is made of: its fields with their SQL, and where its rows come from.

``sql`` is what a field shows and sorts by. ``subject`` and ``within`` are how it is filtered: the
condition is put on ``subject``, and the result into ``within``, or for ``=`` into ``exact``, which
an index can use. Traces hold numbers in place of texts, so that a condition on a text looks at
each different text once and not at each trace.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection
from enum import Enum

from msgspec import Struct, field

from engine.schema import Problem
from engine.store.query import QueryError
from engine.store.rows import CellRow, DefinitionRow, SolutionRow, TraceRow, WorkloadRow

_ALIAS = re.compile(r"\b(\w+)\.")

Row = DefinitionRow | SolutionRow | WorkloadRow | TraceRow | CellRow | Problem

Members = Callable[[str], Collection[int]]
"""Numbers of the rows that a word's value stands for; LookupError where it stands for nothing."""


class Form(Enum):
    """How a field's value is compared."""

    TEXT = "text"
    TAGS = "tags"
    NUMBER = "number"
    LATENCY = "latency"
    AGE = "age"
    AXES = "axes"


class Field(Struct, frozen=True):
    """One field of one kind of row."""

    sql: str
    form: Form = Form.TEXT
    subject: str = ""
    within: str = "{}"
    exact: str = ""


class Table(Struct, frozen=True, kw_only=True):
    """One kind of row.

    Args:
        kind: Its name as in a view's text.
        row: What a query returns.
        source: Tables that conditions are about.
        joins: Tables that only the shown columns need, by the name that their SQL has for them.
        always: Condition that every row meets.
        fields: By the name of the row's field, and others to filter and sort by.
        aliases: Other names of fields.
        search: Fields that a bare word is looked for in.
        order: Sort text that is used where none is given.
        key: What orders rows that are otherwise equal; no two rows have the same.
        latest: Condition of ``is:latest``, or "".
        stale: Condition of ``is:stale``, or "".
        alarm: Condition of ``is:alarm``, or "".
        new: Condition of ``is:new`` with a place for the time of the last visit, or "".
        members: What ``set:NAME`` looks for in the set, or "".
        words: Words that stand for rows in a way that others work out (``cause:KEY``), each with
            what gives the numbers of those rows.
    """

    kind: str
    row: type[Row]
    source: str
    fields: dict[str, Field]
    order: str
    key: str
    search: tuple[str, ...]
    joins: dict[str, str] = field(default_factory=dict)
    always: str = "1"
    aliases: dict[str, str] = field(default_factory=dict)
    latest: str = ""
    stale: str = ""
    alarm: str = ""
    new: str = ""
    members: str = ""
    words: dict[str, Members] = field(default_factory=dict)

    def find(self, name: str, start: int, end: int) -> tuple[str, Field]:
        """A field by its name or alias.

        Raises:
            QueryError: There is none; the message names similar ones.
        """
        wanted = self.aliases.get(name.lower(), name.lower())
        if wanted in self.fields:
            return wanted, self.fields[wanted]
        known = sorted({*self.fields, *self.aliases})
        close = difflib.get_close_matches(name.lower(), known, n=3)
        hint = f"; did you mean {' or '.join(close)}?" if close else f": {', '.join(known)}"
        raise QueryError(f"{self.kind} have no field {name!r}{hint}", start, end)

    def joined(self, *sql: str) -> str:
        """The joins that some SQL of this table needs."""
        used = {name for text in sql for name in _ALIAS.findall(text)}
        return " ".join(join for name, join in self.joins.items() if name in used)
