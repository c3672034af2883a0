"""Two solutions of a definition that were marked to be compared, and the keys that do it."""

from __future__ import annotations

from fitui.format import clean
from fitui.screens.page import Page
from fitui.view import View

LETTERS = "AB"


class Marks:
    """Up to two marked solutions of one definition, in the order of marking."""

    def __init__(self) -> None:
        self._definition = ""
        self._names: list[str] = []

    def of(self, definition: str) -> list[str]:
        """Names of those that are marked."""
        return list(self._names) if definition == self._definition else []

    def toggle(self, definition: str, name: str) -> None:
        """Mark a solution, or take its mark off; of three the oldest loses its mark."""
        names = self.of(definition)
        if name in names:
            names.remove(name)
        else:
            names = [*names[-1:], name]
        self._definition, self._names = definition, names

    def label(self, definition: str, name: str) -> str:
        """A name as it stands in a table: ``A name`` where it is marked."""
        names = self.of(definition)
        return f"{LETTERS[names.index(name)]} {clean(name)}" if name in names else clean(name)


class Marking(Page):
    """What pages share on which two solutions can be marked and compared."""

    def do_mark(self) -> None:
        """Mark the solution under the cursor, or take its mark off."""
        name, definition = self.solution(), self.definition()
        if not name:
            return
        self.bench.marks.toggle(definition, name)
        (self.bench.matrix if self.body == "matrix" else self.bench.table).repaint()
        names = self.bench.marks.of(definition)
        words = [f"{letter} = {clean(one)}" for letter, one in zip(LETTERS, names, strict=False)]
        self.bench.say(", ".join([*words, "d compares"]) if names else "nothing is marked")

    def do_compare(self) -> None:
        """Compare the two that are marked, or the one with that under the cursor."""
        names = self.bench.marks.of(self.definition())
        here = self.solution()
        if len(names) == 1 and here and here not in names:
            names.append(here)
        if len(names) < 2:
            self.bench.say("which two? Space marks a solution, and d compares it with another")
            return
        self.bench.go(View("compare", names[0], other=names[1]))
