"""The run dialog: what, where, how thoroughly, and what it will cost; Enter starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.strip import Strip

from engine.run.cost import Cost
from fitui import format as form
from fitui.estimates import cost_words
from fitui.run_view import Choice, Target
from fitui.screens.dialog import Dialog
from fitui.widgets.lines import LineWidget, Span

_MODES = ("quick", "full")
_MODE_WORDS = {
    "quick": "few small workloads, short timing",
    "full": "every workload, timed until the interval is narrow",
}
_AGAIN = (
    "everything, also what has a result",
    "missing only: what has no result of this kind",
)
_WHAT, _DEVICE, _MODE, _REPEAT, _NOTE = range(5)
_LINES = 5

CostOf = Callable[[Target, Choice], Cost]


class RunForm(LineWidget):
    """Five lines, one of them under the cursor, and the cost of what they say.

    Args:
        targets: What can be run; at least one.
        devices: What it can be run on; at least one.
        choice: The default.
        cost: Estimates.
        asked: True if the form appears because of the cost.
    """

    DEFAULT_CSS = "RunForm { height: 9; width: 100%; }"

    def __init__(
        self,
        targets: Sequence[Target],
        devices: Sequence[tuple[str, ...]],
        choice: Choice,
        cost: CostOf,
        asked: bool,
    ) -> None:
        super().__init__(id="run-form")
        self._choices = (targets, devices, _MODES, _AGAIN)
        self._cost_of, self._asked = cost, asked
        device = devices.index(choice.devices) if choice.devices in devices else 0
        self._at = [0, device, 0 if choice.quick else 1, int(choice.missing)]
        self.line = 0
        self.note = choice.note
        self._cost = self._find_cost()

    @property
    def result(self) -> tuple[Target, Choice]:
        """What was chosen."""
        targets, devices, modes, _again = self._choices
        choice = Choice(
            devices=devices[self._at[_DEVICE]],
            quick=modes[self._at[_MODE]] == "quick",
            missing=bool(self._at[_REPEAT]),
            note=self.note,
        )
        return targets[self._at[_WHAT]], choice

    def _find_cost(self) -> Cost:
        return self._cost_of(*self.result)

    def _rows(self) -> list[tuple[str, str, str]]:
        target, choice = self.result
        mode = _MODES[self._at[_MODE]]
        device = form.devices(choice.devices)
        if len(choice.devices) > 1:
            device += ", as they are free"
        return [
            ("what", form.clean(target.title), self._of(_WHAT)),
            ("device", device, self._of(_DEVICE)),
            ("mode", f"{mode}: {_MODE_WORDS[mode]}", self._of(_MODE)),
            ("again", _AGAIN[self._at[_REPEAT]], self._of(_REPEAT)),
            ("note", self.note, "type"),
        ]

    def _of(self, line: int) -> str:
        number = len(self._choices[line])
        return f"<{self._at[line] + 1}/{number}>" if number > 1 else ""

    def paint(self, y: int) -> Strip:
        """The title, a line of the form, the cost, or the keys."""
        rows = self._rows()
        if y == 0:
            return self.strip([(" run how", "title")])
        if y <= _LINES:
            label, value, more = rows[y - 1]
            on = self.line == y - 1
            caret: list[Span] = [(" ", "match")] if on and label == "note" else []
            style = "cursor" if on else ""
            return self.strip(
                [(f" {label:<7}", style or "dim"), (value, style), *caret, (f"  {more}", "dim")]
            )
        if y == _LINES + 2:
            return self.strip(self._cost_spans())
        if y == _LINES + 3:
            return self.strip([(" Enter runs   up down left right choose   Esc leaves", "dim")])
        return self.strip([])

    def _cost_spans(self) -> list[Span]:
        if not self._cost.count and self._at[_REPEAT]:
            return [(" nothing is missing: all of it has such a result", "warn")]
        if not self._cost.count:
            return [(" nothing to run: no solution or no workload", "warn")]
        words = cost_words(self._cost, guess=True)
        if self._asked:
            return [(f" {words}: Enter runs it", "warn")]
        return [(f" {words}", "title")]

    def move(self, by: int) -> None:
        """Another line."""
        self.line = (self.line + by) % _LINES
        self.repaint()

    def choose(self, by: int) -> None:
        """Another value on this line."""
        if self.line != _NOTE:
            number = len(self._choices[self.line])
            self._at[self.line] = (self._at[self.line] + by) % number
            self._cost = self._find_cost()
        self.repaint()

    def write(self, note: str) -> None:
        """Another note; the cursor goes to it."""
        self.note, self.line = note, _NOTE
        self.repaint()


class RunDialog(Dialog[tuple[Target, Choice] | None]):
    """Asks how to run.

    Args:
        targets: What can be run, most likely first; at least one.
        devices: Where; at least one.
        choice: The default.
        cost: Estimates what a choice will cost.
        asked: True if it is asked because it costs much.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        devices: Sequence[tuple[str, ...]],
        choice: Choice,
        cost: CostOf,
        *,
        asked: bool = False,
    ) -> None:
        super().__init__()
        self.form = RunForm(targets, devices, choice, cost, asked)

    def compose(self) -> ComposeResult:
        """The form in a box."""
        with Vertical(id="box"):
            yield self.form

    def on_key(self, event: events.Key) -> None:
        """Choose, type, start or leave."""
        event.stop()
        form, key = self.form, event.key
        on_note = form.line == _NOTE
        if key in ("escape", "ctrl+c", "ctrl+q"):
            self.dismiss(None)
        elif key == "enter":
            self.dismiss(form.result)
        elif key in ("down", "tab") or (key == "j" and not on_note):
            form.move(1)
        elif key in ("up", "shift+tab") or (key == "k" and not on_note):
            form.move(-1)
        elif not on_note and key in ("left", "h", "right", "l", "space"):
            form.choose(-1 if key in ("left", "h") else 1)
        elif key in ("backspace", "ctrl+h"):
            form.write(form.note[:-1])
        elif key == "ctrl+u":
            form.write("")
        elif on_note and event.character and event.is_printable:
            form.write(form.note + event.character)

    def on_paste(self, event: events.Paste) -> None:
        """Into the note."""
        event.stop()
        self.form.write(self.form.note + event.text.strip().replace("\n", " "))
