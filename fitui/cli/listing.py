"""What ``fitui ls`` lists, by the text of a view: ``traces status:failed sort:-age cols:+run``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct

from engine.store import TraceStore
from fitui import clock
from fitui.cli.output import NOTHING, Column, print_json, print_table
from fitui.frequency import Frequency, count_rows, count_traces
from fitui.screens.columns import chosen_columns, find_field
from fitui.screens.fields import PROBLEM_FIELDS
from fitui.screens.rows import Field
from fitui.screens.store_fields import (
    DEFINITION_FIELDS,
    SOLUTION_FIELDS,
    TRACE_FIELDS,
    WORKLOAD_FIELDS,
)
from fitui.view import KINDS as VIEWS
from fitui.view import View, ViewError, parse_view
from fitui.where import exact, within

KINDS = ("definitions", "solutions", "workloads", "traces", "cells", "problems", "triage")

_FIELDS: dict[str, Sequence[Field]] = {
    "definitions": DEFINITION_FIELDS,
    "solutions": SOLUTION_FIELDS,
    "workloads": WORKLOAD_FIELDS,
    "traces": TRACE_FIELDS,
    "problems": PROBLEM_FIELDS,
}

Layout = tuple[Sequence[Column], Callable[[Any], list[str]]]


class Listing(Struct, frozen=True):
    """A list of rows.

    Args:
        kind: One of :data:`KINDS`.
        where: Filter.
        sort: Fields to sort by.
        cols: The view's columns, "" for those of ``fitui ls``.
        group: Field whose values are counted instead, or "".
    """

    kind: str
    where: str = ""
    sort: str = ""
    cols: str = ""
    group: str = ""

    def layout(self) -> Layout | None:
        """Headings, and the cells of a row, where the view names columns.

        Raises:
            LookupError: It names one that there is not.
        """
        if not self.cols:
            return None
        try:
            fields = chosen_columns(self._fields(), self.cols)
        except ViewError as error:
            raise LookupError(str(error)) from None
        columns = [
            Column(field.title.lower(), field.right, shrinks=field.grow > 0) for field in fields
        ]
        return columns, lambda row: [field.text(row) or NOTHING for field in fields]

    def _fields(self) -> Sequence[Field]:
        if self.kind not in _FIELDS:
            raise LookupError(f"{self.kind} have no cols: and no group: here")
        return _FIELDS[self.kind]

    def frequency(self, store: TraceStore, rows: Callable[[], Iterable[Any]]) -> Frequency:
        """How often each value of the field that the view is grouped by occurs.

        Args:
            store: The dataset.
            rows: Gives the rows, where they are no traces.

        Raises:
            LookupError: There is no such field.
            QueryError: The filter means nothing.
        """
        try:
            field = find_field(self._fields(), self.group)
        except ViewError as error:
            raise LookupError(str(error)) from None
        if self.kind == "traces":
            return count_traces(store, self.where, field, clock.now())
        return count_rows(rows(), field, clock.now())


class ReadListing(argparse.Action):
    """Reads the words of a view's text into ``listing``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Read them."""
        assert isinstance(values, list)
        try:
            namespace.listing = listing_of(" ".join(values))
        except ViewError as error:
            parser.error(str(error))


def listing_of(text: str) -> Listing:
    """The list that the text of a view means.

    Raises:
        ViewError: It means no view, or a view that is no list.
    """
    view = parse_view(text, tuple(dict.fromkeys((*KINDS, *VIEWS))))
    kind, base = _place(view)
    return Listing(kind, within(base, view.filter)[0], view.sort, view.cols, view.group)


def _place(view: View) -> tuple[str, str]:
    """The kind of row that a view shows, and what all of its rows obey."""
    if view.kind in KINDS:
        return view.kind, ""
    if view.kind == "definition" and view.tab in ("workloads", "solutions", "traces"):
        return view.tab, exact("definition", view.subject)
    if view.kind == "matrix":
        return "cells", exact("definition", view.subject)
    if (view.kind == "solution" and view.tab == "traces") or view.kind == "history":
        workload = f" {exact('workload', view.other)}" if view.other else ""
        return "traces", exact("solution", view.subject) + workload
    hint = " Try it with tab:traces." if view.kind in ("definition", "solution") else ""
    raise ViewError(f"{view.place} is no list; one of {', '.join(KINDS)} is.{hint}")


def print_frequency(found: Frequency, heading: str, limit: int | None, *, as_json: bool) -> None:
    """Print values with their counts, as a table or a JSON object a line."""
    groups = found.groups[:limit]
    if as_json:
        for group in groups:
            print_json(
                {
                    "value": group.label,
                    "rows": group.count,
                    "share": group.share,
                    "filter": group.term,
                }
            )
        return
    columns = (
        Column(heading, shrinks=True),
        Column("rows", right=True),
        Column("share", right=True),
    )
    rows = [[item.label, str(item.count), f"{100 * item.share:.1f}%"] for item in groups]
    print_table(columns, rows)
