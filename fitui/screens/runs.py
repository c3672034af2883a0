"""Runs: every run of this user, newest first, queued, going on or ended."""

from __future__ import annotations

from fitui import format as form
from fitui.run_view import RunView
from fitui.screens.fields import RUN_FIELDS
from fitui.screens.listing import ListPage
from fitui.screens.matching import keep_matching
from fitui.screens.rows import FetchedRows, listed_rows
from fitui.screens.run_keys import RunKeys
from fitui.view import View
from fitui.widgets.lines import Span


class RunsPage(RunKeys, ListPage):
    """Every run."""

    fields = RUN_FIELDS
    noun = "run"
    counts = True

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

    def run_here(self) -> RunView | None:
        """The run under the cursor."""
        row = self.current()
        # As it is now: a row shows how it was when it was painted.
        return self.session.runs.get(row.run) if isinstance(row, RunView) else None

    def opened(self) -> View | None:
        """The run's evaluations."""
        row = self.run_here()
        return View("run", row.run) if row else None

    def scopes(self) -> set[str]:
        """Keys of the run under the cursor."""
        return super().scopes() | {"failures"} | self.run_scopes()

    def hint(self) -> list[Span]:
        """How it ended, or how far it is."""
        row = self.run_here()
        if row is None:
            return []
        return [(f" {run_words(row)}", "dim")] if not row.broken else [(f" {trouble(row)}", "warn")]

    def is_failure(self, row: object) -> bool:
        """A run with failures."""
        return isinstance(row, RunView) and bool(row.failed or row.broken)

    def runs_changed(self, runs: frozenset[str]) -> None:
        """Show how far they are."""
        self.apply(self.view.filter)

    def store_changed(self) -> None:
        """Nothing here is from the dataset."""


def run_words(row: RunView) -> str:
    """A run in one sentence."""
    seen = row.survey
    text = f"{seen.standing}: {row.ended} of {len(row.cells)} ended"
    if row.failed:
        text += f", {row.failed} failed"
    if row.state == "stopped":
        text += ", the runner is gone"
    if seen.left_s is not None:
        text += f", about {form.rough(seen.left_s)} left"
    if seen.waits_for:
        text += f", waits for {form.clean(seen.waits_for)}"
    if row.priority:
        text += f", priority {row.priority}"
    if row.message and row.message != row.state:
        text += f" - {form.clean(row.message)}"
    if row.state == "paused":
        text += " - p has it go on"
    if row.notices:
        text += f" - {form.clean(row.notices[-1])}"
    return text


def trouble(row: RunView) -> str:
    """Why a run did not get to its end, and what to do about it."""
    log = form.clean(str(row.log_file))
    if row.state == "stopped":
        return f"the runner is gone; p starts it again; its log: {log}"
    return f"{form.clean(row.message) or 'failed'}; p tries again; the runner's log: {log}"
