"""Tables of rows of the store: definitions, workloads, solutions, traces, of everything or of one
thing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import replace

from engine.store import QueryError, TraceRow
from fitui.format import clean, flags_text
from fitui.run_view import Target
from fitui.screens.fields import axes_text, flags_mark
from fitui.screens.listing import ListPage
from fitui.screens.previews import trace_preview
from fitui.screens.rows import FetchedRows, Field
from fitui.screens.store_fields import TRACE_FIELDS
from fitui.screens.targets import marked_traces, pair_target
from fitui.session import Session
from fitui.view import View
from fitui.where import exact, shifted, within
from fitui.widgets.lines import Span
from fitui.widgets.text import Lines


class StoreTab(ListPage):
    """Rows of one kind of the store that belong to one thing."""

    kind = ""
    patient = True
    several_sorts = True
    counts = True
    freezes = True

    def base(self) -> str:
        """Expression that the rows obey whatever is typed."""
        return exact("definition", self.view.subject)

    def held_base(self) -> str:
        """The same, and that they were there when the rows were frozen."""
        return self.base()

    def key_of(self, row: Any) -> str:
        """What identifies a row."""
        raise NotImplementedError

    def load(self, words: str, sort: str) -> FetchedRows:
        """Rows from the store."""
        where, offset = within(self.held_base(), words)
        query = getattr(self.session.store, self.kind)

        def fetch(limit: int, start: int) -> list[Any]:
            try:
                return list(query(where=where, sort=sort, limit=limit, offset=start))
            except QueryError as error:
                raise shifted(error, offset) from None

        try:
            number = self.session.store.count(self.kind, where)
        except QueryError as error:
            raise shifted(error, offset) from None
        return FetchedRows(self.fields, number, fetch, self.key_of)

    def check(self, words: str) -> None:
        """Raise what is wrong with a filter, without looking for a single row."""
        where, offset = within(self.base(), words)
        try:
            getattr(self.session.store, self.kind)(where=where, limit=0)
        except QueryError as error:
            raise shifted(error, offset) from None

    def count_all(self) -> int:
        """Rows without the filter."""
        return self.session.store.count(self.kind, self.held_base())

    def count_now(self) -> int:
        """Rows that the filter keeps now, whatever is frozen."""
        return self.session.store.count(self.kind, within(self.base(), self.kept)[0])


class TraceRows:
    """What pages of traces share: what is under the cursor, and where it leads."""

    @staticmethod
    def view_of(row: object) -> View | None:
        """The trace of a row."""
        return View("trace", str(row.id)) if isinstance(row, TraceRow) else None

    @staticmethod
    def workload_of(row: object) -> str:
        """The workload of a row."""
        return row.workload if isinstance(row, TraceRow) else ""

    @staticmethod
    def target_of(row: object) -> Target | None:
        """The pair of a row, once more."""
        if not isinstance(row, TraceRow):
            return None
        return pair_target(row.definition, row.solution, row.workload, row.axes)

    @staticmethod
    def hint_of(session: Session, row: object) -> list[Span]:
        """Verdict in words, and why, or the whole names."""
        if not isinstance(row, TraceRow):
            return []
        if row.status != "PASSED" and (why := session.reason(row.id)):
            return [(f" {row.status}", "failed"), (f"  {why}", "dim")]
        style = "passed" if row.status == "PASSED" else "failed"
        where = f"  {clean(row.solution)} on {axes_text(row.axes)}"
        flags = f"  {flags_text(row.flags)}" if row.flags else ""
        return [(f" {row.status}", style), (flags, flags_mark(row.flags)), (where, "dim")]


class TraceList(StoreTab, TraceRows):
    """Traces, newest first."""

    kind = "traces"
    noun = "trace"
    fields: Sequence[Field] = TRACE_FIELDS
    default_sort = "-time"
    follows = True
    previews = True
    _newest: int | None = None

    def held_base(self) -> str:
        """Traces that have come in since have higher ids."""
        if not self.frozen:
            self._newest = None
            return self.base()
        if self._newest is None:
            newest = self.session.store.traces(sort="-id", limit=1)
            self._newest = newest[0].id if newest else 0
        return f"{self.base()} id<={self._newest}".strip()

    def _row(self) -> TraceRow | None:
        row = self.current()
        return row if isinstance(row, TraceRow) else None

    def key_of(self, row: Any) -> str:
        """Id."""
        return str(row.id)

    def mark_group(self) -> str:
        """One for all lists of traces."""
        return ":traces"

    def marked_target(self, keys: list[str]) -> Target | None:
        """The pairs of the marked traces."""
        return marked_traces(self.session.store, keys)

    def all_keys(self, rows: FetchedRows) -> list[str]:
        """Ids of all that the filter keeps."""
        where = within(self.held_base(), self.kept)[0]
        return [str(number) for number in self.session.store.ids(where)]

    def opened(self) -> View | None:
        """The trace."""
        return self.view_of(self._row())

    def definition(self) -> str:
        """The definition under the cursor."""
        row = self._row()
        return row.definition if row else ""

    def solution(self) -> str:
        """The solution under the cursor."""
        row = self._row()
        return row.solution if row else ""

    def workload(self) -> str:
        """The workload under the cursor."""
        return self.workload_of(self._row())

    def target(self) -> Target | None:
        """The pair under the cursor."""
        return self.target_of(self._row())

    def targets(self) -> list[Target]:
        """The marked ones, or the pair under the cursor."""
        return self.with_marked(super().targets())

    def hint(self) -> list[Span]:
        """Verdict and names."""
        return self.hint_of(self.session, self._row())

    def scopes(self) -> set[str]:
        """With failures to jump to."""
        return super().scopes() | {"failures"}

    def is_failure(self, row: object) -> bool:
        """Everything but PASSED."""
        return isinstance(row, TraceRow) and row.status != "PASSED"

    def preview_of(self, row: Any) -> Lines:
        """Why it failed, or what was measured."""
        return trace_preview(self.session.store, row)


def without(names: Collection[str]) -> tuple[Field, ...]:
    """The columns of traces, some only where they are asked for."""
    return tuple(
        replace(field, extra=True) if field.called in names else field for field in TRACE_FIELDS
    )
