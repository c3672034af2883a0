"""Steering a run: what the table of runs and the page of one have in common."""

from __future__ import annotations

from collections.abc import Callable

from engine.run.cost import Cost
from fitui import format as form
from fitui.estimates import cost_words
from fitui.run_view import RunView
from fitui.screens.page import Page
from fitui.view import View


class RunKeys(Page):
    """A page with a run on it that can be paused, cancelled, put forward and run again."""

    def run_here(self) -> RunView | None:
        """The run that keys are about."""
        raise NotImplementedError

    def run_scopes(self) -> set[str]:
        """What can be done with it as it stands."""
        row = self.run_here()
        if row is None:
            return set()
        scopes = {"runnable"}
        if row.unended:
            scopes.add("live")
        if row.state != "finished":
            scopes.add("unfinished")
        if row.failed and row.request.compare is None:
            scopes.add("retriable")
        return scopes

    def live_run(self) -> RunView | None:
        """The run, unless it has ended."""
        row = self.run_here()
        return row if row is not None and row.unended else None

    def do_pause(self) -> None:
        """Pause a run that goes on; have one go on that does not."""
        row = self.run_here()
        if row is None:
            return
        if row.state in ("queued", "running"):
            self.session.pause(row.run)
            self.bench.say("paused once the evaluation at work has ended; p has it go on")
        else:
            left = form.count(len(row.cells) - row.ended, "evaluation")
            self.session.resume(row.run)
            self.bench.say(f"run {row.run} goes on: {left} left")
        self._show(row.run)

    def do_sooner(self) -> None:
        """Before others."""
        self._prefer(1)

    def do_later(self) -> None:
        """After others."""
        self._prefer(-1)

    def _prefer(self, by: int) -> None:
        row = self.run_here()
        if row is not None:
            self.session.set_priority(row.run, row.priority + by)
            self.bench.say(f"run {row.run} has priority {row.priority + by}; others have 0")
            self._show(row.run)

    def _show(self, run: str) -> None:
        self.runs_changed(frozenset({run}))

    def do_run(self) -> None:
        """Run the same again; asks first where that takes long."""
        row = self.run_here()
        if row is None:
            return
        session = self.session
        self._once_more("run this again", session.cost_again(row), lambda: session.run_again(row))

    def do_retry(self) -> None:
        """Run what failed once more; asks first where that takes long."""
        row = self.run_here()
        if row is None:
            return
        session, what = self.session, "run what failed once more"
        self._once_more(what, session.cost_of_failed(row), lambda: session.retry_failed(row))

    def _once_more(self, what: str, cost: Cost, start: Callable[[], RunView]) -> None:
        def started() -> None:
            new = start()
            self.bench.go(View("run", new.run))
            self.bench.say(f"run {new.run} started: {cost_words(cost, guess=True)}")

        if cost.seconds < self.session.ask_above_s:
            started()
        else:
            self.bench.ask(f"{what} ({cost_words(cost, guess=True)})?", started)
