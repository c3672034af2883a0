"""The lines of the run dialog: each a choice or a text, and what all of them say together.

Values and their words; paints nothing and asks nobody what it will cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from engine.run.prepare import LEVEL
from engine.schema.run import Busy
from engine.schema.timers import NAMES
from fitui import format as form
from fitui.run_view import Choice, Repeat, Target

WHAT, ONLY, DEVICE, MODE, TIMER, CONFIRM, BUSY, AGAIN, NOTE, SANDBOX = range(10)
LABELS = (
    *("what", "only", "device", "mode", "timer", "confirm", "busy"),
    *("again", "note", "sandbox"),
)
TYPED = {ONLY: "where", NOTE: "note"}
"""Lines that are typed, and which field of the choice each is."""

_TIMERS = {
    "auto": "the best that works here",
    "cupti": "start to end on the device",
    "kineto": "the same by PyTorch's profiler",
    "events": "CUDA events: a floor of microseconds",
    "flashinfer": "flashinfer-bench's procedure",
}
_BUSY = {
    Busy.WAIT: "for GPUs that others are using",
    Busy.SKIP: "GPUs that others are using",
    Busy.FLAG: "measure beside others, and mark it",
}
_REPEAT = {
    Repeat.MISSING: "what has no result of how it is now",
    Repeat.SAME: "what has none by these very settings",
    Repeat.ALL: "everything, also what has a result",
}
_TITLES = {
    Repeat.MISSING: "missing and stale",
    Repeat.SAME: "also other settings",
    Repeat.ALL: "all again",
}


class Line(Struct, frozen=True):
    """A line as it stands.

    Args:
        more: What stands dimmed after its value.
        open: True where it can be changed.
    """

    label: str
    value: str
    more: str = ""
    open: bool = True


class RunForm(Struct, kw_only=True):
    """What is chosen.

    Args:
        targets: What can be run; at least one.
        devices: What it can be run on; at least one.
        target: Number of what is chosen.
        choice: How.
        axis: One of the definition by which workloads can be chosen, "" for none.
    """

    targets: Sequence[Target]
    devices: Sequence[tuple[str, ...]]
    choice: Choice
    target: int = 0
    axis: str = ""

    @property
    def chosen(self) -> Target:
        """What is to be run."""
        return self.targets[self.target]

    @property
    def on_gpu(self) -> bool:
        """True where a GPU is among the devices, which others may use, and has several timers."""
        return any(name.startswith("cuda") for name in self.choice.devices)

    def lines(self) -> list[Line]:
        """All lines, from the first."""
        return [self._line(number, label) for number, label in enumerate(LABELS)]

    def _line(self, number: int, label: str) -> Line:
        choice = self.choice
        if number in TYPED:
            text = str(getattr(choice, TYPED[number]))
            return Line(label, text, "" if text else self._hint(number))
        if number == SANDBOX:
            return Line(label, LEVEL, "the only level there is", open=False)
        if number == TIMER and not self.on_gpu:
            return Line(label, "cpu-clock", "the only one of the CPU", open=False)
        if number == BUSY and not self.on_gpu:
            return Line(label, "-", "of GPUs only", open=False)
        if number == CONFIRM and choice.quick:
            return Line(label, "no", "quick runs confirm nothing", open=False)
        if number == AGAIN and self.chosen.compare:
            return Line(label, "-", "a comparison is always made anew", open=False)
        value, more = self._words(number)
        options = self._options(number)
        at = f"<{options.index(self._value(number)) + 1}/{len(options)}>"
        return Line(label, value, f"{at}  {more}" if len(options) > 1 else more)

    def _hint(self, number: int) -> str:
        """What could be typed on an empty line."""
        if number == NOTE:
            return "kept with the run"
        return f"workloads: axis.{form.clean(self.axis) or 'NAME'}<=64"

    def _words(self, number: int) -> tuple[str, str]:
        choice = self.choice
        if number == WHAT:
            return form.clean(self.chosen.title), ""
        if number == DEVICE:
            several = [names[0] for names in self.devices if len(names) == 1]
            toggled = "digits add and take away" if len(several) > 2 else ""
            spread = "as they are free" if len(choice.devices) > 1 else ""
            if self.devices == [("cpu",)]:
                spread = "no GPU here"
            return form.devices(choice.devices), "; ".join(filter(None, (spread, toggled)))
        if number == MODE:
            # What names its workloads gets all of them, quickly too.
            named = bool(self.chosen.workloads or self.chosen.pairs or choice.where)
            if choice.quick:
                return "quick", "short timing" if named else "few small workloads, short timing"
            return "full", "to a narrow interval" if named else "every workload, narrow intervals"
        if number == TIMER:
            return choice.timer, _TIMERS[choice.timer]
        if number == CONFIRM:
            return ("yes", "a new best is run once more") if choice.confirm else ("no", "")
        if number == BUSY:
            return choice.busy.value, _BUSY[choice.busy]
        return _TITLES[choice.repeat], _REPEAT[choice.repeat]

    def _options(self, number: int) -> list[object]:
        options: dict[int, Sequence[object]] = {
            WHAT: range(len(self.targets)),
            DEVICE: list(dict.fromkeys([*self.devices, self.choice.devices])),
            MODE: (True, False),
            TIMER: NAMES,
            CONFIRM: (True, False),
            BUSY: list(Busy),
            AGAIN: list(Repeat),
        }
        return list(options[number])

    def _value(self, number: int) -> object:
        choice = self.choice
        values: dict[int, object] = {
            WHAT: self.target,
            DEVICE: choice.devices,
            MODE: choice.quick,
            TIMER: choice.timer,
            CONFIRM: choice.confirm,
            BUSY: choice.busy,
            AGAIN: choice.repeat,
        }
        return values[number]

    def turn(self, number: int, by: int) -> None:
        """Another value on a line that is chosen from a few."""
        if number in TYPED or not self._line(number, "").open:
            return
        options = self._options(number)
        new = options[(options.index(self._value(number)) + by) % len(options)]
        if number == WHAT:
            assert isinstance(new, int)
            self.target = new
            return
        names = {
            DEVICE: "devices",
            MODE: "quick",
            TIMER: "timer",
            CONFIRM: "confirm",
            BUSY: "busy",
            AGAIN: "repeat",
        }
        self._set(**{names[number]: new})

    def toggle(self, number: int) -> None:
        """Add a GPU to the devices, or take it away; the last one stays."""
        name = f"cuda:{number}"
        if (name,) not in self.devices:
            return
        chosen = {device for device in self.choice.devices if device.startswith("cuda")} ^ {name}
        known = [names[0] for names in self.devices if len(names) == 1]
        if chosen:
            self._set(devices=tuple(device for device in known if device in chosen))

    def type(self, number: int, text: str) -> None:
        """Another text on a typed line."""
        self._set(**{TYPED[number]: text})

    def text(self, number: int) -> str:
        """The text of a typed line."""
        return str(getattr(self.choice, TYPED[number]))

    def _set(self, **changes: object) -> None:
        choice = replace(self.choice, **changes)
        # What a CPU cannot do is not asked of it.
        gpu = any(name.startswith("cuda") for name in choice.devices)
        self.choice = choice if gpu else replace(choice, timer="auto")
