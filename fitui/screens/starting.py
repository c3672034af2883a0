"""Starting runs: what is missing by one key, anything else by a dialog, and cancelling them.

What a run means is found out on another thread, since it reads the traces; the screen is told by
a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec.structs import replace
from textual.message import Message

from fitui import commands
from fitui import format as form
from fitui.first_use import overlay_trouble, state_trouble
from fitui.run_view import Choice, Plan, Repeat, RunView, Target
from fitui.screens.frame import FAULTS, Frame, error_words
from fitui.screens.run_dialog import PLANNING, RunDialog
from fitui.screens.run_form import RunForm
from fitui.view import View
from fitui.where import exact

T = TypeVar("T")


class FoundOut(Message):
    """A thread has ended; ``then`` says what that means for the screen."""

    def __init__(self, then: Callable[[], None]) -> None:
        super().__init__()
        self.then = then


class Starting(Frame, inherit_bindings=False):
    """The part of the screen that starts runs."""

    def do_run(self) -> None:
        """Run what is missing or stale of what is shown."""
        target = self.page.target()
        if target is not None:
            self.start_run(target)

    def do_run_dialog(self) -> None:
        """Ask how, then run."""
        targets = self.page.targets()
        if targets:
            self._find_out(
                lambda: (*self._ways(), self._axis_of(targets[0])),
                lambda ways: self._ask_how(targets, *ways),
            )

    def start_run(self, target: Target, *, again: bool = False) -> None:
        """Run what is missing of something as it is usually run; where that takes long, ask first.

        Args:
            target: What to run.
            again: All of it, also what has a result.
        """
        session, others = self.session, self.page.targets()

        def plan() -> tuple[Plan, list[tuple[str, ...]], str]:
            devices, choice = self._ways()
            repeat = Repeat.ALL if again else Repeat.MISSING
            planned = session.plan(target, replace(choice, repeat=repeat))
            return planned, devices, self._axis_of(target)

        def planned(found: tuple[Plan, list[tuple[str, ...]], str]) -> None:
            plan, devices, axis = found
            if not plan.cost.count:
                self.say(nothing_words(plan))
            elif plan.cost.seconds < session.ask_above_s:
                self._start(plan)
            else:
                offered = [target, *(item for item in others if item != target)]
                self._ask_how(offered, devices, plan.choice, axis, asked=True)

        self._find_out(plan, planned)

    def _ways(self) -> tuple[list[tuple[str, ...]], Choice]:
        """Devices that can be chosen, and how runs usually are."""
        return self.session.device_choices, self.session.default_choice

    def _axis_of(self, target: Target) -> str:
        """An axis by which its workloads can be chosen; "" for those of several definitions."""
        rows = self.session.store.definitions(exact("name", target.definition), limit=1)
        return next(iter(rows[0].var_axes), "") if rows else ""

    def _ask_how(
        self,
        targets: Sequence[Target],
        devices: Sequence[tuple[str, ...]],
        choice: Choice,
        axis: str,
        *,
        asked: bool = False,
    ) -> None:
        form = RunForm(targets=targets, devices=devices, choice=choice, axis=axis)
        dialog = RunDialog(form, self.session.plan, asked=asked)
        self.app.push_screen(dialog, self._dialog_ended)

    def _dialog_ended(self, plan: Plan | None) -> None:
        if plan is not None:
            self._start(plan)

    def _find_out(self, find: Callable[[], T], then: Callable[[T], None]) -> None:
        """Find something out on a thread, and go on with it here."""

        def run() -> None:
            try:
                found = find()
            except FAULTS as error:
                words = error_words(error)
                self.post_message(FoundOut(lambda: self.say(words, "failed")))
            else:
                self.post_message(FoundOut(lambda: then(found)))

        self.run_worker(run, thread=True, group=PLANNING, exit_on_error=False)

    def on_found_out(self, message: FoundOut) -> None:
        """Go on with what was found out."""
        message.then()

    def _start(self, plan: Plan) -> None:
        """Start a run and show where it fills."""
        session = self.session
        state, overlay = session.state, session.overlay_folder()
        if trouble := state_trouble(state) or overlay_trouble(overlay):
            self.say(trouble, "failed")
            return
        try:
            view = session.submit(plan.target, plan.choice)
        except OSError as error:
            self.say(f"the run could not be started: {error_words(error)}", "failed")
            return
        shown, here = _shown_by(plan.target, view), self.navigator.view
        if (shown.kind, shown.subject, shown.other) != (here.kind, here.subject, here.other):
            self.go(shown)
        else:
            self.page.runs_changed(frozenset({view.run}))
            self.refresh_chrome()
        choice = plan.choice
        how = f"{form.devices(choice.devices)}, {'quick' if choice.quick else 'full'}"
        what = f"{form.count(plan.cost.count, 'evaluation')} of {form.clean(plan.target.title)}"
        self.say(f"started on {how}; goes on if you leave: {what}")

    def do_cancel(self) -> None:
        """Cancel the run under view, if the answer is yes."""
        view = self.page.live_run()
        if view is None:
            return

        def cancel() -> None:
            self.session.cancel(view.run)
            self.page.runs_changed(frozenset({view.run}))
            self.say(f"asked run {view.run} to stop")

        self.ask(f"cancel run {view.run} ({view.ended}/{len(view.cells)} ended)?", cancel)


def nothing_words(plan: Plan) -> str:
    """Why there is nothing to run, and what to do about it."""
    if not plan.asked:
        return "nothing to run: no solution, or no workload that can be run"
    how = f"{commands.key_of('run_dialog')} runs again"
    if plan.under_way:
        return f"nothing is missing but what is being run; {how}"
    target = plan.target
    if plan.choice.quick and not (target.workloads or target.pairs) and plan.asked > 1:
        return f"nothing is missing of a quick run's workloads; {how}, or all of them"
    return f"nothing is missing; {how}"


def _shown_by(target: Target, run: RunView) -> View:
    """Where a run fills."""
    if target.compare:
        return View("compare", target.compare[0], other=target.compare[1])
    return View("matrix", target.definition) if target.definition else View("run", run.run)
