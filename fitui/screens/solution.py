"""Solution: its sources with highlighting, its traces, and what differs from another."""

from __future__ import annotations

import re
from typing import Any

from engine.store import TraceStore
from fitui import commands
from fitui.format import clean
from fitui.lookup import Lookup
from fitui.run_view import Target
from fitui.screens.diff_model import Side, diff_text, others, versions_before
from fitui.screens.documents import Line, fact, wrapped
from fitui.screens.page import Page
from fitui.screens.sources import SourceText
from fitui.screens.store_list import TraceList, without
from fitui.screens.targets import solution_target
from fitui.view import View
from fitui.where import exact
from fitui.widgets.lines import Span
from fitui.widgets.text import Document, Lines

SOLUTION_TABS = (
    ("", "sources"),
    ("versions", "versions"),
    ("traces", "traces"),
    ("diff", "diff"),
)


class SolutionText(Page):
    """What the tabs of a solution that are texts have in common."""

    body = "text"
    tabs = SOLUTION_TABS
    _name = ""
    _definition = ""

    def resized(self) -> None:
        """Wrap anew."""
        self.show()

    def scopes(self) -> set[str]:
        """A text, of something that can be run."""
        return {"text", "search", "tabs", "runnable", "definition", "sources", "copy"}

    def bar(self) -> tuple[list[Span], list[Span]]:
        """The tabs."""
        return self.tab_spans(), self.beside_tabs(self._definition, "dim")

    def definition(self) -> str:
        """The definition that it solves."""
        return self._definition

    def solution(self) -> str:
        """Its name."""
        return self._name

    def target(self) -> Target | None:
        """It, on all workloads."""
        return solution_target(self._definition, self._name)

    def copied(self) -> str:
        """Its name."""
        return self._name

    def diff_view(self) -> View:
        """Another tab of it."""
        return self.tab_view("diff")

    def do_diff(self) -> None:
        """To the tab with what differs."""
        self.bench.turn(self.diff_view())


class SolutionPage(SolutionText):
    """What a solution is, and its files one below the other."""

    _marked: int | None = None

    def show(self) -> None:
        """Read the solution, and begin at the line that the view names."""
        name, version = split_version(self.session.store, self.view.subject)
        solution = self.session.store.solution(name, version or None)
        self._name, self._definition = name, solution.definition
        spec = solution.spec
        style = "writes its outputs" if spec.destination_passing_style else "returns its outputs"
        lines: list[Line] = [[]]
        lines += wrapped(solution.description or solution.name, self.bench.text.size.width or 80)
        lines += [
            [],
            fact("definition", solution.definition),
            fact("author", solution.author),
            fact("language", f"{spec.language.value}   {style}"),
            fact("entry point", spec.entry_point),
            fact("hardware", " ".join(spec.target_hardware)),
            fact("version", solution.content_hash()),
        ]
        if spec.dependencies:
            lines.append(fact("needs", " ".join(spec.dependencies)))
        text = SourceText(solution, lines)
        path, _colon, number = self.view.at.rpartition(":")
        marked = text.line_of(path, int(number)) if number.isdecimal() else None
        self.bench.text.show(text.lines, keep=True)
        if marked is not None and marked != self._marked:
            self.bench.text.go_to(marked)
        self._marked = marked


class SolutionDiff(SolutionText):
    """A version of a solution against the one before it, another one, or another solution."""

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self._found: Lookup[tuple[Lines, list[str], str]] = Lookup(
            self._look_up, bench.looked_up, lambda: bench.shows(self)
        )
        self._asked = False
        self._width = bench.text.size.width or 80

    def show(self) -> None:
        """Show the difference, and look for it the first time."""
        name, version = split_version(self.session.store, self.view.subject)
        self._name = name
        self._definition = self.session.store.solution(name, version or None).definition
        if not self._asked:
            self._asked = True
            self._found.ask()
        found = self._found.found
        self.bench.text.show(found[0] if found else Document(), keep=True)

    def _look_up(self) -> tuple[Lines, list[str], str]:
        """The text, what else it can be held against, and what it is; on a thread."""
        store = self.session.store
        name, version = split_version(store, self.view.subject)
        this = Side(store.solution(name, version or None), self.view.subject)
        sides = [*versions_before(store, this.solution), *others(store, this.solution)]
        old: Side | None
        if self.view.against:
            old = next((side for side in sides if side.subject == self.view.against), None)
            if old is None:
                other, version = split_version(store, self.view.against)
                old = Side(store.solution(other, version or None), self.view.against)
        else:
            old = sides[0] if sides else None
        subjects = [side.subject for side in sides]
        return diff_text(old, this, self._width), subjects, old.subject if old else ""

    def found(self) -> None:
        """Show what was found."""
        self.show()

    def scopes(self) -> set[str]:
        """With changes to jump to."""
        return super().scopes() | {"changes"}

    def diff_view(self) -> View:
        """Against the next that it can be held against."""
        _lines, subjects, shown = self._found.found or (None, [], "")
        if not subjects:
            return self.view
        at = subjects.index(shown) if shown in subjects else -1
        return self.view.but(against=subjects[(at + 1) % len(subjects)])

    def hint(self) -> list[Span]:
        """How many it can be held against."""
        _lines, subjects, shown = self._found.found or (None, [], "")
        if len(subjects) < 2:
            return []
        at = subjects.index(shown) if shown in subjects else -1
        following = subjects[(at + 1) % len(subjects)]
        number = f"{at + 1} of {len(subjects)}: " if at >= 0 else ""
        key = commands.key_of("diff")
        return [(f" {number}{key} holds it against {clean(following)}", "dim")]

    def store_changed(self) -> None:
        """What is compared stays; another version has another view."""


def split_version(store: TraceStore, subject: str) -> tuple[str, str]:
    """A solution's name and the beginning of its hash, out of ``NAME@HASH`` or a name alone."""
    name, _at, version = subject.rpartition("@")
    if not name or not re.fullmatch(r"[0-9a-f]{6,64}", version):
        return subject, ""
    return (subject, "") if store.count("solutions", exact("name", subject)) else (name, version)


class SolutionTraces(TraceList):
    """The traces of a solution, newest first."""

    tabs = SOLUTION_TABS
    fields = without({"solution", "definition"})

    @property
    def _name(self) -> str:
        return split_version(self.session.store, self.view.subject)[0]

    def base(self) -> str:
        """Its own."""
        return exact("solution", self._name)

    def empty(self) -> list[str]:
        """How to get traces."""
        return [f"{self._name} has never been run.", "Press r to run it."]

    def definition(self) -> str:
        """The definition that it solves."""
        return self.session.store.solution(self._name).definition

    def solution(self) -> str:
        """Its own."""
        return self._name

    def target(self) -> Target | None:
        """The pair under the cursor, else the solution."""
        return super().target() or solution_target(self.definition(), self._name)

    def scopes(self) -> set[str]:
        """It can be run even where it has no traces."""
        return super().scopes() | {"runnable"}
