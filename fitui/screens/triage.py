"""Triage, the home: what fails now, clustered by its true cause, and below it what runs now."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from engine.insight.causes import CauseKind
from engine.insight.clusters import Cluster, sort_clusters
from engine.insight.mutes import toggle_mute
from engine.insight.triage import WORD, take_apart
from engine.store import QueryError
from fitui import clock
from fitui import format as form
from fitui.copying.subject import Subject
from fitui.format import clean, count
from fitui.run_view import RunView, Target
from fitui.screens.fields import LETTERS, phase_words, status_words
from fitui.screens.listing import ListPage
from fitui.screens.previews import WIDTH
from fitui.screens.rows import FetchedRows, Field, listed_rows
from fitui.screens.runs import run_words
from fitui.screens.triage_preview import preview_lines
from fitui.view import View
from fitui.widgets.lines import Span
from fitui.widgets.text import Document, Lines

_PLACE = re.compile(r"^(?:\S+: )?error: ")


class Fold(Struct, frozen=True):
    """The row that stands for everything that is muted."""

    causes: int
    traces: int


def _number(name: str) -> Callable[[Any], str]:
    return lambda row: f"{getattr(row, name):,}".replace(",", " ") if hasattr(row, name) else ""


def _age(name: str) -> Callable[[Any], str]:
    return lambda row: form.age(getattr(row, name, None), clock.now())


def _line(row: Cluster | Fold) -> str:
    if isinstance(row, Cluster):
        # One of many places; the status line has it.
        return clean(_PLACE.sub("", row.line) if row.kind == CauseKind.COMPILE else row.line)
    return f"{count(row.causes, 'cause')} muted; Enter shows {'it' if row.causes == 1 else 'them'}"


def _new(row: Cluster | Fold) -> str:
    if isinstance(row, Fold) or not row.new:
        return ""
    return "new" if row.new == row.traces else f"+{row.new}"


def _quiet(row: Cluster | Fold) -> str:
    return "dim" if isinstance(row, Fold) or row.muted else ""


CLUSTER_FIELDS = (
    Field(
        "S",
        1,
        lambda row: LETTERS.get(getattr(row, "status", ""), ""),
        sort="status",
        mark=lambda row: _quiet(row) or "failed",
    ),
    Field("N", 6, _number("traces"), right=True, sort="traces", mark=_quiet),
    Field("CAUSE", 33, _line, grow=140, sort="line", mark=_quiet),
    Field("SOL", 4, _number("solutions"), right=True, sort="solutions", mark=_quiet),
    Field("WL", 4, _number("workloads"), right=True, sort="workloads", mark=_quiet),
    Field("DEF", 4, _number("definitions"), right=True, sort="definitions", mark=_quiet),
    Field("SINCE", 5, _age("since"), right=True, sort="since", mark=_quiet),
    Field("LAST", 4, _age("last"), right=True, sort="last", mark=_quiet),
    Field("NEW", 5, _new, right=True, sort="new", mark=lambda row: "live"),
)


class TriagePage(ListPage):
    """Causes of failures, the most frequent first."""

    fields = CLUSTER_FIELDS
    noun = "cause"
    previews = True
    freezes = True
    several_sorts = True

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self._words = view.filter

    # Rows

    def load(self, words: str, sort: str) -> FetchedRows:
        """What is known of the failures that a filter keeps; the rest is looked at meanwhile."""
        feed = self.session.triage
        feed.ask(words)
        self._words = words
        try:
            clusters = sort_clusters(feed.shown.clusters, sort)
        except LookupError as error:
            raise QueryError(str(error), 0, len(sort)) from None
        rows: list[Cluster | Fold] = list(clusters)
        muted = [row for row in clusters if row.muted]
        if muted and not take_apart(words).muted:
            rows = [row for row in clusters if not row.muted]
            rows.append(Fold(len(muted), sum(row.traces for row in muted)))
        return listed_rows(self.fields, rows, _key)

    def count_all(self) -> int:
        """Causes without the filter."""
        return self.session.triage.shown.every

    def empty(self) -> list[str]:
        """Good news, or where to begin."""
        shown = self.session.triage.shown
        if shown.left is None or shown.left:
            return ["Looking at what fails ..."]
        if self.session.store.indexing:
            return ["Reading the dataset: what fails is shown as it is found."]
        if not self.session.store.traces(sort="id", limit=1):
            return [
                "Nothing has been run yet, so nothing fails.",
                "1 shows the definitions; r there runs all solutions of one.",
            ]
        return [
            "Nothing fails: the latest evaluation of every solution on every workload passed.",
            "1 shows the definitions, 2 all traces; `is:ever` after / what failed before.",
        ]

    def store_changed(self) -> None:
        """There are other traces: have them looked at."""
        if not self.frozen:
            self.apply(self._words)

    def triage_changed(self) -> None:
        """Show what is known now."""
        if not self.frozen:
            self.apply(self._words)

    # What is under the cursor

    def _cluster(self) -> Cluster | None:
        row = self.current()
        return row if isinstance(row, Cluster) else None

    def opened(self) -> View | None:
        """The traces of the cause, as far as the filter keeps them."""
        row = self._cluster()
        if row is None:
            return None
        asked = take_apart(self._words)
        where = f"{WORD}:{row.key}"
        if asked.where and not asked.words:
            where += f" ({asked.where.strip()})"
        return View("traces", filter=where)

    def do_open(self) -> None:
        """Enter the cause, or unfold what is muted."""
        if isinstance(self.current(), Fold):
            self.bench.go(self.view.but(filter=f"{self.view.filter} is:muted".strip()))
        else:
            super().do_open()

    def do_mute(self) -> None:
        """Mute the cause under the cursor, or have it seen again."""
        row = self._cluster()
        if row is None:
            return
        muted = toggle_mute(row.key, row.line)
        self.session.triage.again()
        self.apply(self._words)
        words = "muted, until m is pressed on it again" if muted else "heard again"
        self.bench.say(f"{words}: {clean(row.line)}")

    def target(self) -> Target | None:
        """The failing pairs of the cause, once more."""
        row = self._cluster()
        if row is None:
            return None
        found = self.session.triage.pairs(row.key)
        definitions = tuple(dict.fromkeys(definition for definition, _s, _w in found))
        return Target(
            title=f"{count(len(found), 'failing pair')} of this cause",
            definition=definitions[0] if len(definitions) == 1 else "",
            definitions=definitions,
            pairs=tuple((solution, workload) for _d, solution, workload in found),
        )

    def copied(self) -> str:
        """The cause."""
        row = self._cluster()
        return row.line if row else ""

    def subject(self) -> Subject:
        """The newest failure of the cause."""
        row = self._cluster()
        if row is None:
            return Subject()
        error = f"{row.line}: {row.hint}" if row.hint else row.line
        return Subject(name=row.key, trace=row.example, error=clean(error))

    # Chrome

    def scopes(self) -> set[str]:
        """A table of causes."""
        scopes = {"rows", "columns", "choosing", "filter", "freeze"}
        if self._cluster():
            scopes |= {"causes", "copy", "runnable", "values"}
        return scopes

    def bar(self) -> tuple[list[Span], list[Span]]:
        """Filter, counts, and how much is still to be looked at."""
        left, right = super().bar()
        shown = self.session.triage.shown
        if shown.left is None:
            return left, [("looking ", "live")]
        if shown.left:
            done, every = shown.failures, shown.failures + shown.left
            return left, [(f"looked at {done:,} of {every:,} failures ".replace(",", " "), "live")]
        return left, [(f"{count(shown.failures, 'failure')}, ", "dim"), *right]

    def hint(self) -> list[Span]:
        """The whole cause, and what to try."""
        row = self._cluster()
        if row is None:
            return []
        hint: list[Span] = [(f"  {row.hint}", "accent")] if row.hint else []
        return [(f" {status_words(row.status)}", "failed"), *hint, (f"  {clean(row.line)}", "dim")]

    def preview_of(self, row: Any) -> Lines:
        """The newest failure of the cause: its log and its source, where they tell of it."""
        if not isinstance(row, Cluster):
            return Document()
        return preview_lines(self.session.store, row, WIDTH)

    def below(self) -> list[list[Span]]:
        """What runs now, a line for each run."""
        return [_run_line(view) for view in self.session.live_runs()]

    def runs_changed(self, runs: frozenset[str]) -> None:
        """The lines below are painted with everything else around the page."""


def _key(row: Cluster | Fold) -> str:
    return row.key if isinstance(row, Cluster) else "muted"


def _run_line(view: RunView) -> list[Span]:
    line: list[Span] = [(" runs ", "live"), (f"{clean(view.subject)}  ", "title")]
    line.append((run_words(view), ""))
    active = view.survey.active
    if active is not None:
        line.append((f"  {phase_words(active)}: {clean(active.solution)}", "dim"))
    return line
