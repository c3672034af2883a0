"""Keys that are about the selected column of a table: sort, keep, drop, count, show and hide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.store import QueryError
from fitui import clock
from fitui.reading import narrowed, opposite, term_for
from fitui.screens.chooser import ColumnChooser
from fitui.screens.columns import chosen_columns, columns_text
from fitui.screens.page import Page
from fitui.screens.rows import Field
from fitui.view import ViewError


class ColumnsError(QueryError):
    """The ``cols:`` of a view name what the rows do not have."""


class ColumnKeys(Page):
    """What tables share whose columns can be chosen, sorted and filtered by."""

    fields: Sequence[Field]

    several_sorts = False
    """True where rows can be sorted by several fields."""

    _columns: tuple[Field, ...] = ()

    def columns(self) -> tuple[Field, ...]:
        """The columns that are shown.

        Raises:
            ColumnsError: The view names one that there is not.
        """
        if not self._columns:
            try:
                self._columns = chosen_columns(self.fields, self.view.cols or self._usual())
            except ViewError as error:
                raise ColumnsError(str(error), 0, 0) from None
        return self._columns

    def _usual(self) -> str:
        """Columns that the settings have for this kind of view, as far as it has them."""
        cols = self.session.settings.config.columns.get(self.view.kind, "")
        try:
            chosen_columns(self.fields, cols)
        except ViewError as error:
            file = self.session.settings.file.name
            self.bench.say(f"{file}: columns.{self.view.kind}: {error}", "warn")
            return ""
        return cols

    def current(self) -> Any:
        """The row under the cursor, or None."""
        raise NotImplementedError

    def selected(self) -> Field:
        """The selected column."""
        columns = self.columns()
        return columns[min(self.bench.table.column, len(columns) - 1)]

    # Sorting

    def do_sort(self) -> None:
        """Sort by the selected column alone: once, reversed, off."""
        field = self.selected()
        if not field.sort:
            self.bench.say(f"{field.title} cannot be sorted by")
            return
        first, second = _directions(field)
        following = {first: second, second: ""}
        self._turn_sort(following.get(self.view.sort, first))

    def do_sort_more(self) -> None:
        """Sort by the selected column within what is equal so far: once, reversed, off."""
        field = self.selected()
        if not field.sort or not self.several_sorts:
            words = "by several columns" if field.sort else f"by {field.title}"
            self.bench.say(f"these rows cannot be sorted {words}")
            return
        first, second = _directions(field)
        parts = self.view.sort.split(",") if self.view.sort else []
        if first in parts:
            parts[parts.index(first)] = second
        elif second in parts:
            parts.remove(second)
        else:
            parts.append(first)
        self._turn_sort(",".join(parts))

    def _turn_sort(self, sort: str) -> None:
        self.bench.turn(self.view.but(sort=sort, follow=""))

    # Filtering

    def do_keep_value(self) -> None:
        """Keep the rows that read like the one under the cursor in the selected column."""
        self._narrow(drop=False)

    def do_drop_value(self) -> None:
        """Drop the rows that read like the one under the cursor in the selected column."""
        self._narrow(drop=True)

    def _narrow(self, *, drop: bool) -> None:
        row, field = self.current(), self.selected()
        if row is None:
            return
        term = term_for(field.reading, field.value_of(row), clock.now())
        if not term:
            self.bench.say(f"{field.title} says nothing here to filter by")
            return
        words = narrowed(self.view.filter, opposite(term) if drop else term)
        if words == self.view.filter:
            self.bench.say(f"the filter says so already: {words}")
            return
        self.bench.turn(self.view.but(filter=words))

    def do_frequency(self) -> None:
        """Count the values of the selected column, over all rows of the view."""
        self.bench.go(self.view.but(group=self.selected().called, sort="", follow=""))

    # Choosing columns

    def do_columns(self) -> None:
        """Choose which columns are shown, and in what order."""
        self.bench.show_dialog(ColumnChooser(self.fields, self.columns()), self._take_columns)

    def _take_columns(self, chosen: tuple[Field, ...] | None) -> None:
        if chosen is None:
            return
        selected = self.selected().called
        cols = columns_text(self.fields, chosen)
        if not cols and self._usual():
            # Those of the program, where the settings have others: they have to be named.
            cols = ",".join(field.called for field in chosen)
        if cols != self.view.cols:
            self.bench.turn(self.view.but(cols=cols))
        names = [field.called for field in chosen]
        if selected in names:
            self.bench.table.select_column(names.index(selected))


def _directions(field: Field) -> tuple[str, str]:
    """How a column is sorted first, and how the other way: the largest numbers come first."""
    name = field.sort
    return (f"-{name}", name) if field.right else (name, f"-{name}")
