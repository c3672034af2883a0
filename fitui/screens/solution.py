"""Solution: its sources with highlighting, and its traces."""

from __future__ import annotations

import re

from engine.store import TraceRow, TraceStore
from fitui.format import count
from fitui.run_view import Target
from fitui.screens.definition_tabs import StoreTab, TraceRows, solution_target
from fitui.screens.documents import Line, fact, heading, wrapped
from fitui.screens.fields import TRACE_FIELDS
from fitui.screens.page import Page
from fitui.screens.rows import Field
from fitui.view import View
from fitui.where import exact
from fitui.widgets.code import CodeLines, lexer_for
from fitui.widgets.lines import Span
from fitui.widgets.text import Document, Joined, Lines

SOLUTION_TABS = (("", "sources"), ("traces", "traces"))


class SolutionPage(Page):
    """What a solution is, and its files one below the other."""

    body = "text"
    tabs = SOLUTION_TABS
    _name = ""
    _definition = ""
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
        parts: list[Lines] = [Document(lines)]
        path, _colon, number = self.view.at.rpartition(":")
        marked: int | None = None
        for source in solution.sources:
            code = CodeLines(source.content, lexer_for(source.path))
            parts.append(Document([*heading(f"{source.path} ({count(len(code), 'line')})"), []]))
            if source.path == path and number.isdigit() and 1 <= int(number) <= len(code):
                marked = sum(map(len, parts)) + int(number) - 1
            parts.append(code)
        self.bench.text.show(Joined(parts), keep=True)
        if marked is not None and marked != self._marked:
            self.bench.text.go_to(marked)
        self._marked = marked

    def resized(self) -> None:
        """Wrap anew."""
        self.show()

    def scopes(self) -> set[str]:
        """A text, of something that can be run."""
        return {"text", "search", "tabs", "runnable", "definition", "copy"}

    def bar(self) -> tuple[list[Span], list[Span]]:
        """The tabs."""
        return self.tab_spans(), [(f"{self._definition} ", "dim")]

    def definition(self) -> str:
        """The definition that it solves."""
        return self._definition

    def target(self) -> Target | None:
        """It, on all workloads."""
        return solution_target(self._definition, self._name)

    def copied(self) -> str:
        """Its name."""
        return self._name


def split_version(store: TraceStore, subject: str) -> tuple[str, str]:
    """A solution's name and the beginning of its hash, out of ``NAME@HASH`` or a name alone."""
    name, _at, version = subject.rpartition("@")
    if not name or not re.fullmatch(r"[0-9a-f]{6,64}", version):
        return subject, ""
    return (subject, "") if store.count("solutions", exact("name", subject)) else (name, version)


class SolutionTraces(StoreTab, TraceRows):
    """The traces of a solution, newest first."""

    kind = "traces"
    noun = "trace"
    tabs = SOLUTION_TABS
    default_sort = "-time"
    fields = tuple(item for item in TRACE_FIELDS if item.title not in ("SOLUTION", "DEFINITION"))

    @property
    def _name(self) -> str:
        return split_version(self.session.store, self.view.subject)[0]

    def shown_fields(self) -> tuple[Field, ...]:
        """Without solution and definition."""
        return self.fields

    def base(self) -> str:
        """Its own."""
        return exact("solution", self._name)

    def key_of(self, row: object) -> str:
        """Id."""
        return str(row.id) if isinstance(row, TraceRow) else ""

    def empty(self) -> list[str]:
        """How to get traces."""
        return [f"{self._name} has never been run.", "Press r to run it."]

    def opened(self) -> View | None:
        """The trace."""
        return self.view_of(self.current())

    def definition(self) -> str:
        """The definition that it solves."""
        return self.session.store.solution(self._name).definition

    def solution(self) -> str:
        """Its own."""
        return self._name

    def workload(self) -> str:
        """The workload under the cursor."""
        return self.workload_of(self.current())

    def target(self) -> Target | None:
        """The pair under the cursor, else the solution."""
        return self.target_of(self.current()) or solution_target(self.definition(), self._name)

    def hint(self) -> list[Span]:
        """Verdict and names."""
        return self.hint_of(self.session, self.current())

    def scopes(self) -> set[str]:
        """With failures to jump to."""
        return super().scopes() | {"failures", "runnable"}

    def is_failure(self, row: object) -> bool:
        """Everything but PASSED."""
        return isinstance(row, TraceRow) and row.status != "PASSED"
