"""Rows that were marked, by what identifies them, and the keys that mark them and act on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from string import ascii_uppercase as LETTERS
from typing import Any

from fitui.format import clean, count
from fitui.run_view import Target
from fitui.screens.page import Page
from fitui.screens.patience import Wanted
from fitui.screens.rows import FetchedRows
from fitui.view import View

MOST = 10_000
"""Rows that are marked at once at most."""

_IN_A_RANGE = 2_000

MARKS = "marks"
"""Question about what is to be marked."""


class Marks:
    """What is marked, in the order of marking, in groups of the same kind of thing.

    The solutions of a definition are the group of its name, and are told apart by letters; every
    other group begins with ``:`` and has a star for each.
    """

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}

    def of(self, group: str) -> list[str]:
        """Everything in a group that is marked."""
        return list(self._names.get(group, ()))

    def number(self, group: str) -> int:
        """How many there are."""
        return len(self._names.get(group, ()))

    def toggle(self, group: str, name: str) -> bool:
        """Mark something, or take its mark off.

        Returns:
            True if it is marked now.
        """
        names = self._names.setdefault(group, {})
        if name in names:
            del names[name]
            return False
        names[name] = None
        return True

    def mark(self, group: str, names: Iterable[str]) -> None:
        """Mark several."""
        self._names.setdefault(group, {}).update(dict.fromkeys(names))

    def clear(self, group: str) -> None:
        """Take all marks of a group off."""
        self._names.pop(group, None)

    def sign(self, group: str, name: str) -> str:
        """What stands before something that is marked; "" before the others."""
        names = self._names.get(group, {})
        if name not in names:
            return ""
        if group.startswith(":") or len(names) > len(LETTERS):
            return "*"
        return LETTERS[list(names).index(name)]

    def label(self, group: str, name: str) -> str:
        """A name as it stands in a matrix: ``A name`` where it is marked."""
        sign = self.sign(group, name)
        return f"{sign} {clean(name)}" if sign else clean(name)


class Marking(Page):
    """What pages share on which solutions of a definition can be marked, and two compared."""

    def do_mark(self) -> None:
        """Mark the solution under the cursor, or take its mark off."""
        name, definition = self.solution(), self.definition()
        if name:
            self.bench.marks.toggle(definition, name)
            self._show_marks()
            self.bench.say(pair_words(self.bench.marks.of(definition)))

    def do_unmark(self) -> None:
        """Take all marks off."""
        self.bench.marks.clear(self.definition())
        self._show_marks()

    def _show_marks(self) -> None:
        (self.bench.matrix if self.body == "matrix" else self.bench.table).repaint()

    def do_compare(self) -> None:
        """Compare the two that are marked, or the one with that under the cursor."""
        names = self.bench.marks.of(self.definition())
        here = self.solution()
        if len(names) == 1 and here and here not in names:
            names.append(here)
        if len(names) < 2:
            self.bench.say("which two? Space marks a solution, and d compares it with another")
        elif len(names) > 2:
            self.bench.say(f"{len(names)} are marked, and d compares two: u takes all marks off")
        else:
            self.bench.go(View("compare", names[0], other=names[1]))


def pair_words(names: list[str]) -> str:
    """Which solutions are marked."""
    if not names:
        return "nothing is marked"
    if len(names) > 2:
        return f"{len(names)} marked: r runs them, u takes all marks off"
    words = [f"{letter} = {clean(one)}" for letter, one in zip(LETTERS, names, strict=False)]
    return ", ".join([*words, "d compares"])


class RowMarks(Page):
    """What tables share whose rows can be marked."""

    rows: FetchedRows | None
    noun: str
    _marked_last = ""

    def mark_group(self) -> str:
        """Group of :class:`Marks` that the rows belong to, "" where they cannot be marked."""
        return ""

    def marked(self) -> list[str]:
        """Keys of the marked rows, whether the filter shows them or not."""
        group = self.mark_group()
        return self.bench.marks.of(group) if group else []

    def marked_target(self, keys: list[str]) -> Target | None:
        """What ``r`` runs where rows are marked."""
        return None

    def all_keys(self, rows: FetchedRows) -> list[str]:
        """Keys of all rows that are shown, as long as that takes; of not too many."""
        return rows.keys(0, rows.row_count)

    def look(self, slot: str, find: Callable[[Wanted], Any], then: Callable[[Any], None]) -> None:
        """Find something out, on a thread where it may take long."""
        raise NotImplementedError

    def show_marks(self) -> None:
        """Paint what is marked now."""
        raise NotImplementedError

    def do_mark(self) -> None:
        """Mark the row under the cursor, or take its mark off."""
        group, key = self.mark_group(), self._key()
        if not group or not key:
            return
        on = self.bench.marks.toggle(group, key)
        self._marked_last = key if on else ""
        self.show_marks()
        if not group.startswith(":"):
            self.bench.say(pair_words(self.marked()))

    def do_mark_range(self) -> None:
        """Mark everything from the row that was marked last to that under the cursor."""
        group, here, rows = self.mark_group(), self.bench.table.current, self.rows
        if not group or here is None or rows is None:
            return
        began = self._marked_last
        self.look(MARKS, lambda _wanted: _range(rows, began, here), self._mark_range)

    def _mark_range(self, found: tuple[list[str], int]) -> None:
        keys, number = found
        if number >= _IN_A_RANGE:
            self.bench.say(f"{count(number, self.noun)} lie between: filter, then *")
            return
        self._mark(keys)
        if not number:
            self.bench.say("marked from here: V at the other end marks all between")

    def do_mark_all(self) -> None:
        """Mark every row that the filter keeps."""
        rows = self.rows
        if not self.mark_group() or rows is None:
            return
        if rows.row_count > MOST:
            number = count(rows.row_count, self.noun)
            self.bench.say(f"{number}: * marks {MOST} at most; filter first", "warn")
            return
        self.look(MARKS, lambda _wanted: self.all_keys(rows), self._mark)

    def do_unmark(self) -> None:
        """Take all marks off, also of rows that the filter hides."""
        self.bench.marks.clear(self.mark_group())
        self._marked_last = ""
        self.show_marks()

    def do_run(self) -> None:
        """Run the marked rows with one request, or what is missing of what is under the cursor."""
        marked = self._marks_target()
        target = marked or self.target()
        if target is not None:
            # A mark is a wish: what is marked is run again also where it has a result.
            self.bench.start_run(target, again=marked is not None)

    def _marks_target(self) -> Target | None:
        keys = self.marked()
        return self.marked_target(keys) if keys else None

    def with_marked(self, targets: list[Target]) -> list[Target]:
        """Targets of the run dialog, first of all the marked rows if there are any."""
        target = self._marks_target()
        return [target, *targets] if target is not None else targets

    def _mark(self, keys: list[str]) -> None:
        group = self.mark_group()
        self.bench.marks.mark(group, [key for key in keys if key])
        self._marked_last = self._key()
        self.show_marks()
        self.bench.say(f"{count(self.bench.marks.number(group), self.noun)} marked")

    def _key(self) -> str:
        index: Any = self.bench.table.current
        return self.rows.key(index) if self.rows is not None and index is not None else ""


def _range(rows: FetchedRows, began: str, here: int) -> tuple[list[str], int]:
    """Keys from a row that was marked to another, and how many rows that are.

    Returns:
        The key of the other alone, and 0, where the first is not there; no keys where they are
        too many.
    """
    rows.near = (here,)
    there = rows.locate(began) if began else None
    first, last = sorted((here, here if there is None else there))
    number = last - first + 1
    if number >= _IN_A_RANGE:
        return [], number
    return rows.keys(first, last + 1), 0 if there is None else number
