"""Runs: every run of this user, newest first, going on or ended."""

from __future__ import annotations

from fitui import format as form
from fitui.screens.fields import RUN_FIELDS
from fitui.screens.listing import ListPage
from fitui.screens.rows import FetchedRows, keep_matching, listed_rows
from fitui.session import RunView
from fitui.view import View
from fitui.widgets.lines import Span


class RunsPage(ListPage):
    """Every run."""

    fields = RUN_FIELDS
    noun = "run"

    def load(self, words: str, sort: str) -> FetchedRows:
        """Runs in which every word occurs."""
        rows = keep_matching(self.fields, list(self.session.runs.values()), words)
        if sort.lstrip("-") == "run":
            rows.sort(key=lambda row: row.run, reverse=sort.startswith("-"))
        return listed_rows(self.fields, rows, lambda row: str(row.run))

    def empty(self) -> list[str]:
        """How to get a run."""
        return [
            "No runs yet.",
            "1 shows the definitions; r there runs all solutions of one in the background.",
        ]

    def _row(self) -> RunView | None:
        row = self.current()
        return row if isinstance(row, RunView) else None

    def opened(self) -> View | None:
        """The run's evaluations."""
        row = self._row()
        return View("run", row.run) if row else None

    def live_run(self) -> RunView | None:
        """The run under the cursor, if it goes on."""
        row = self._row()
        return row if row and row.live else None

    def scopes(self) -> set[str]:
        """A run can be run again."""
        scopes = super().scopes() | {"failures"}
        return scopes | {"runnable"} if self._row() else scopes

    def hint(self) -> list[Span]:
        """How it ended, or how far it is."""
        row = self._row()
        return [] if row is None else [(f" {run_words(row)}", "dim")]

    def is_failure(self, row: object) -> bool:
        """A run with failures."""
        return isinstance(row, RunView) and bool(row.failed or row.state in ("failed", "died"))

    def runs_changed(self, runs: frozenset[str]) -> None:
        """Show how far they are."""
        self.apply(self.view.filter)

    def store_changed(self) -> None:
        """Nothing here is from the dataset."""

    def do_run(self) -> None:
        """Run the same again."""
        row = self._row()
        if row is not None:
            again(self, row)


def again(page: ListPage, row: RunView) -> None:
    """Start a run like another, and go to it."""
    new = page.session.run_again(row)
    page.bench.go(View("run", new.run))
    page.bench.say(f"run {new.run} started")


def run_words(row: RunView) -> str:
    """A run in one sentence."""
    text = f"{row.state}: {row.ended} of {len(row.cells)} ended"
    if row.failed:
        text += f", {row.failed} failed"
    if row.message and row.message != row.state:
        text += f" - {form.clean(row.message)}"
    if row.state == "died":
        text += " - the runner is gone"
    if row.notices:
        text += f" - {form.clean(row.notices[-1])}"
    return text
