"""The run dialog: what, where, how thoroughly, and live what that means; Enter starts."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.strip import Strip

from fitui import format as form
from fitui.estimates import time_words
from fitui.run_view import Choice, Plan, Repeat, Target
from fitui.screens.dialog import Dialog
from fitui.screens.frame import FAULTS, error_words
from fitui.screens.run_form import DEVICE, LABELS, TYPED, WHAT, RunForm
from fitui.widgets.lines import LineWidget, Span, fit

PLANNING = "planning"
"""Group of the threads on which it is found out what a run means."""

PlanOf = Callable[[Target, Choice], Plan]

_LABEL = max(map(len, LABELS)) + 1
_LINES = len(LABELS)


class RunLines(LineWidget):
    """The form, one of its lines under the cursor, and what it means.

    Args:
        asked: True if the form appears because of the cost.
    """

    DEFAULT_CSS = f"RunLines {{ height: {_LINES + 3}; width: 100%; }}"

    def __init__(self, form: RunForm, asked: bool) -> None:
        super().__init__(id="run-form")
        self.form = form
        self.line = 0
        self.plan: Plan | None = None
        self.problem = ""
        self._asked = asked

    def paint(self, y: int) -> Strip:
        """The title, a line of the form, what it means, or the keys."""
        if y == 0:
            return self.strip([(" run how", "title")])
        if y <= _LINES:
            return self._paint_line(y - 1)
        if y == _LINES + 1:
            return self.strip(self._meaning())
        keys = "Enter runs   arrows choose   type on: only, note   Esc leaves"
        return self.strip([(f" {keys}", "dim")])

    def _paint_line(self, number: int) -> Strip:
        line = self.form.lines()[number]
        on = self.line == number
        style = "cursor" if on else "" if line.open else "dim"
        caret: list[Span] = [(" ", "match")] if on and number in TYPED else []
        label = (f" {line.label:<{_LABEL}}", "cursor" if on else "dim")
        value, room = line.value, self.size.width - _LABEL - 4 - len(line.more)
        if number == WHAT and len(value) > room:
            value = fit(value, room)
        return self.strip([label, (value, style), *caret, (f"  {line.more}", "dim")])

    def _meaning(self) -> list[Span]:
        plan = self.plan
        if self.problem:
            return [(f" {form.clean(self.problem)}", "failed")]
        if plan is None:
            return [(" counting ...", "dim")]
        if not plan.asked:
            return [(" nothing to run: no solution, or no such workload", "warn")]
        if not plan.cost.count:
            doing = " but what is being run" if plan.under_way else ""
            return [(f" nothing is missing{doing}; all again runs it once more", "warn")]
        sizes = f"{form.count(plan.solutions, 'solution')} on {plan.workloads}"
        counts = f" {form.count(plan.cost.count, 'evaluation')} ({sizes}), {time_words(plan.cost)}"
        left_out = plan.asked - plan.cost.count
        tail = f"; {left_out} have a result" if left_out > 0 else ""
        return [(counts, "warn" if self._asked else "title"), (tail, "dim")]


class Counted(Message):
    """What a form said that was asked for under a number, or why it says nothing."""

    def __init__(self, number: int, plan: Plan | None, problem: str) -> None:
        super().__init__()
        self.number, self.plan, self.problem = number, plan, problem


class RunDialog(Dialog[Plan | None]):
    """Asks how to run.

    Args:
        form: What can be chosen, and the defaults; what is most likely is the first of its targets.
        plan: Says what a choice means; asked on another thread.
        asked: True if it is asked because it costs much.
    """

    DEFAULT_CSS = "RunDialog > #box { max-height: 100%; }"

    def __init__(self, form: RunForm, plan: PlanOf, *, asked: bool = False) -> None:
        super().__init__()
        self.lines = RunLines(form, asked)
        self._plan_of = plan
        self._asked_for = 0
        self._known = self._wanted = self._touched = False

    def compose(self) -> ComposeResult:
        """The form in a box."""
        with Vertical(id="box"):
            yield self.lines

    def on_mount(self) -> None:
        """Begin to count."""
        self._changed()

    # What it means

    def _changed(self) -> None:
        """Have it found out on a thread what the form says now; until then the former stands."""
        self._asked_for += 1
        self._known = self._wanted = False
        number, target, choice = self._asked_for, self.lines.form.chosen, self.lines.form.choice

        def find() -> None:
            try:
                plan, problem = self._plan_of(target, choice), ""
            except FAULTS as error:
                plan, problem = None, error_words(error)
            self.post_message(Counted(number, plan, problem))

        self.run_worker(find, thread=True, group=PLANNING, exit_on_error=False)
        self.lines.repaint()

    def on_counted(self, message: Counted) -> None:
        """Show what the form says, unless it has been changed meanwhile."""
        message.stop()
        if message.number != self._asked_for:
            return
        lines, plan = self.lines, message.plan
        lines.plan, lines.problem, self._known = plan, message.problem, True
        if plan is not None and plan.asked and not plan.cost.count and not self._touched:
            # Asked for what is all there, it is to be run again.
            lines.form.choice = replace(lines.form.choice, repeat=Repeat.ALL)
            self._touched = True
            self._changed()
            return
        lines.repaint()
        if self._wanted:
            self._start()

    def _start(self) -> None:
        """Start what is planned, once that is known and is something."""
        plan = self.lines.plan
        self._wanted = not self._known
        if self._known and plan is not None and plan.cost.count:
            note = self.lines.form.choice.note
            self.dismiss(replace(plan, choice=replace(plan.choice, note=note)))

    # Keys

    def on_key(self, event: events.Key) -> None:
        """Choose, type, start or leave."""
        event.stop()
        lines, key = self.lines, event.key
        typed = lines.line in TYPED
        if key in ("escape", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif key == "enter":
            self._start()
        elif key in ("down", "tab") or (key == "j" and not typed):
            self._move(1)
        elif key in ("up", "shift+tab") or (key == "k" and not typed):
            self._move(-1)
        elif typed:
            self._type(event)
        elif key in ("left", "h", "right", "l", "space"):
            self._edit(lambda: lines.form.turn(lines.line, -1 if key in ("left", "h") else 1))
        elif lines.line == DEVICE and key.isdigit():
            self._edit(lambda: lines.form.toggle(int(key)))

    def _move(self, by: int) -> None:
        lines, form = self.lines, self.lines.form
        while True:
            lines.line = (lines.line + by) % _LINES
            if form.lines()[lines.line].open:
                break
        lines.repaint()

    def _type(self, event: events.Key) -> None:
        lines = self.lines
        text = lines.form.text(lines.line)
        if event.key in ("backspace", "ctrl+h"):
            text = text[:-1]
        elif event.key == "ctrl+u":
            text = ""
        elif event.character and event.is_printable:
            text += event.character
        self._edit(lambda: lines.form.type(lines.line, text))

    def on_paste(self, event: events.Paste) -> None:
        """Into the line that is typed."""
        event.stop()
        lines = self.lines
        if lines.line in TYPED:
            text = lines.form.text(lines.line) + form.clean(event.text.strip())
            self._edit(lambda: lines.form.type(lines.line, text))

    def _edit(self, edit: Callable[[], None]) -> None:
        form = self.lines.form
        target, before = form.chosen, form.choice
        edit()
        self._touched = True
        if form.chosen != target or replace(form.choice, note=before.note) != before:
            self._changed()
        self.lines.repaint()
