"""The run dialog: what, where, how thoroughly, and a note; arrows choose, Enter starts."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.strip import Strip

from fitui.screens.dialog import Dialog
from fitui.session import Choice, Target
from fitui.widgets.lines import LineWidget, Span

_MODES = ("quick", "full")
_MODE_WORDS = {
    "quick": "few small workloads, short timing",
    "full": "every workload, timed until the interval is narrow",
}


class RunForm(LineWidget):
    """Four lines, one of them under the cursor."""

    DEFAULT_CSS = "RunForm { height: 7; width: 100%; }"

    def __init__(self, targets: list[Target], devices: list[str], choice: Choice) -> None:
        super().__init__(id="run-form")
        self._targets, self._devices = targets, devices
        self.line = 0
        self._target = 0
        self._device = devices.index(choice.device) if choice.device in devices else 0
        self._mode = 0 if choice.quick else 1
        self.note = choice.note

    @property
    def result(self) -> tuple[Target, Choice]:
        """What was chosen."""
        choice = Choice(
            device=self._devices[self._device], quick=_MODES[self._mode] == "quick", note=self.note
        )
        return self._targets[self._target], choice

    def _rows(self) -> list[tuple[str, str, str]]:
        mode = _MODES[self._mode]
        return [
            ("what", self._targets[self._target].title, _of(self._target, self._targets)),
            ("device", self._devices[self._device], _of(self._device, self._devices)),
            ("mode", f"{mode}: {_MODE_WORDS[mode]}", _of(self._mode, _MODES)),
            ("note", self.note, "type"),
        ]

    def paint(self, y: int) -> Strip:
        """The title, a line of the form, or the keys."""
        rows = self._rows()
        if y == 0:
            return self.strip([(" run how", "title")])
        if y <= len(rows):
            label, value, more = rows[y - 1]
            on = self.line == y - 1
            caret: list[Span] = [(" ", "match")] if on and label == "note" else []
            style = "cursor" if on else ""
            return self.strip(
                [(f" {label:<7}", style or "dim"), (value, style), *caret, (f"  {more}", "dim")]
            )
        if y == len(rows) + 2:
            return self.strip([(" Enter runs   up down left right choose   Esc leaves", "dim")])
        return self.strip([])

    def move(self, by: int) -> None:
        """Another line."""
        self.line = (self.line + by) % 4
        self.repaint()

    def choose(self, by: int) -> None:
        """Another value on this line."""
        if self.line == 0:
            self._target = (self._target + by) % len(self._targets)
        elif self.line == 1:
            self._device = (self._device + by) % len(self._devices)
        elif self.line == 2:
            self._mode = (self._mode + by) % len(_MODES)
        self.repaint()

    def write(self, note: str) -> None:
        """Another note; the cursor goes to it."""
        self.note, self.line = note, 3
        self.repaint()


def _of(index: int, choices: object) -> str:
    number = len(choices)  # type: ignore[arg-type]
    return f"<{index + 1}/{number}>" if number > 1 else ""


class RunDialog(Dialog[tuple[Target, Choice] | None]):
    """Asks how to run.

    Args:
        targets: What can be run, most likely first; at least one.
        devices: Where.
        choice: The default.
    """

    def __init__(self, targets: list[Target], devices: list[str], choice: Choice) -> None:
        super().__init__()
        self.form = RunForm(targets, devices, choice)

    def compose(self) -> ComposeResult:
        """The form in a box."""
        with Vertical(id="box"):
            yield self.form

    def on_key(self, event: events.Key) -> None:
        """Choose, type, start or leave."""
        event.stop()
        form, key = self.form, event.key
        on_note = form.line == 3
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
