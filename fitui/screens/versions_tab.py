"""Solution, tab of its versions: what was kept and run, how it did, and what changed in between."""

from __future__ import annotations

import time
from typing import Any

from fitui import format as form
from fitui.format import clean
from fitui.lookup import Lookup
from fitui.run_view import Target
from fitui.screens.fields import share
from fitui.screens.listing import ListPage
from fitui.screens.matching import keep_matching
from fitui.screens.rows import FetchedRows, Field, listed_rows
from fitui.screens.solution import SOLUTION_TABS, split_version
from fitui.screens.targets import solution_target
from fitui.screens.versions import Version, versions_of
from fitui.view import View
from fitui.widgets.lines import Span


def _v(row: Any) -> Version:
    assert isinstance(row, Version)
    return row


def _since(row: Any) -> str:
    moment = _v(row).since
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _result_mark(row: Any) -> str:
    if _v(row).n_failed:
        return "failed"
    return "passed" if _v(row).n_passed else ""


def _where(row: Any) -> str:
    return "now" if _v(row).current else "kept" if _v(row).kept else "gone"


FIELDS = (
    Field("VERSION", 16, lambda r: _v(r).version),
    Field("SINCE", 16, _since),
    Field("IS", 4, _where, mark=lambda r: "warn" if not _v(r).kept else ""),
    Field(
        "PASSED",
        7,
        lambda r: share(_v(r).n_passed, _v(r).n_failed),
        right=True,
        mark=_result_mark,
    ),
    Field("GEOM", 6, lambda r: form.speedup(_v(r).geomean_speedup), right=True),
    Field("NOTE", 14, lambda r: clean(_v(r).note), grow=60),
    Field("COMMIT", 8, lambda r: clean(_v(r).commit), grow=32),
)


class SolutionVersions(ListPage):
    """The versions of a solution, newest first."""

    noun = "version"
    tabs = SOLUTION_TABS
    fields = FIELDS

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        store = self.session.store
        self._name = split_version(store, view.subject)[0]
        self._words = view.filter
        self._anchor = ""
        self._definition = store.solution(self._name).definition
        self._looked: Lookup[list[Version]] = Lookup(
            lambda: versions_of(store, self._name), bench.looked_up, lambda: bench.shows(self)
        )

    def show(self) -> None:
        """Show what is known, and look for more."""
        super().show()
        self._looked.ask()

    def apply(self, words: str) -> None:
        """Show the versions that a filter keeps."""
        self._words = words
        super().apply(words)

    def load(self, words: str, sort: str) -> FetchedRows:
        """Versions in whose cells every word occurs."""
        rows = keep_matching(self.fields, self._looked.found or [], words)
        return listed_rows(self.fields, rows, lambda row: row.version)

    def empty(self) -> list[str]:
        """What is being done."""
        if self._looked.found is None:
            return ["Looking for versions ..."]
        return [f"No version of {clean(self._name)} is known."]

    def found(self) -> None:
        """Show what was found."""
        self.apply(self._words)

    def store_changed(self) -> None:
        """There may be a new version, or new results."""
        self._looked.ask()

    def _version(self) -> Version | None:
        row = self.current()
        return row if isinstance(row, Version) else None

    def opened(self) -> View | None:
        """The sources of the version."""
        row = self._version()
        if row is None:
            return None
        if not row.kept:
            self.bench.say("its sources were not kept on this machine", "warn")
            return None
        return View("solution", f"{self._name}@{row.version}")

    def diff_view(self) -> View:
        """The version against the one before it."""
        row = self._version()
        subject = f"{self._name}@{row.version}" if row is not None and row.kept else self._name
        return View("solution", subject, "diff")

    def definition(self) -> str:
        """The definition that it solves."""
        return self._definition

    def solution(self) -> str:
        """Its own."""
        return self._name

    def target(self) -> Target | None:
        """The solution as it is now: another version has to be put in its place first."""
        return solution_target(self._definition, self._name)

    def is_failure(self, row: object) -> bool:
        """A version that failed somewhere."""
        return isinstance(row, Version) and row.n_failed > 0

    def hint(self) -> list[Span]:
        """What the words in the table mean, and the whole note."""
        row = self._version()
        if row is None:
            return []
        words = {
            "now": "what the dataset has now",
            "kept": "kept: Enter shows it",
            "gone": "its sources were not kept on this machine",
        }[_where(row)]
        note = f"  {row.note}" if row.note else ""
        return [(f" {words}", "dim"), (clean(note), "")]
