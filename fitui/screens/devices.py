"""Devices: what each is doing, who is on it, and whether runs may take it."""

from __future__ import annotations

from typing import Any

from engine.run import occupancy, preferences
from engine.run.devices import list_devices
from fitui.device_rows import (
    DeviceRow,
    busy_words,
    clock_words,
    examine,
    lock_words,
    memory_words,
    quarantine_words,
    trouble_words,
)
from fitui.first_use import NO_GPU
from fitui.format import clean
from fitui.lookup import Lookup
from fitui.screens.documents import Line, fact, heading, wrapped
from fitui.screens.listing import ListPage
from fitui.screens.matching import keep_matching
from fitui.screens.rows import FetchedRows, Field, listed_rows
from fitui.view import View
from fitui.widgets.lines import Span
from fitui.widgets.text import Document, Lines

EVERY_S = 2.0
"""Seconds between two looks, while the page is on the screen."""

_PREVIEW_WIDTH = 74


def _d(row: Any) -> DeviceRow:
    assert isinstance(row, DeviceRow)
    return row


def _use(row: Any) -> str:
    if _d(row).quarantine:
        return "quar."
    return "unfit" if _d(row).unfit else _d(row).mark


def _use_mark(row: Any) -> str:
    if _d(row).quarantine or _d(row).unfit:
        return "failed"
    return {"use": "passed", "avoid": "warn"}.get(_d(row).mark, "")


def _throttled(row: Any) -> str:
    return ", ".join(_d(row).state.throttled or ())


def _clocks(row: Any) -> str:
    return clock_words(_d(row)) + ("!" if _throttled(row) else "")


def _temperature(row: Any) -> str:
    degrees = _d(row).state.temperature_c
    return "" if degrees is None else str(degrees)


def _others(row: Any) -> str:
    return clean(occupancy.words(_d(row).others))


DEVICE_FIELDS = (
    Field("DEVICE", 7, lambda r: _d(r).device),
    Field("USE", 5, _use, mark=_use_mark),
    Field("MEMORY", 17, lambda r: memory_words(_d(r)), right=True),
    Field("BUSY", 8, lambda r: busy_words(_d(r)), right=True),
    Field("MHz", 10, _clocks, right=True, mark=lambda r: "warn" if _throttled(r) else ""),
    Field("C", 3, _temperature, right=True),
    Field("LOCK", 12, lambda r: clean(lock_words(_d(r))), grow=6, mark=lambda _r: "live"),
    Field("OTHERS", 11, _others, grow=30, mark=lambda _r: "warn"),
    Field("THROTTLED", 11, _throttled, grow=12, mark=lambda _r: "warn"),
    Field("HARDWARE", 12, lambda r: clean(_d(r).hardware), grow=20),
)


class DevicesPage(ListPage):
    """The GPUs of this machine, and its processor."""

    fields = DEVICE_FIELDS
    noun = "device"
    previews = True

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self._words = view.filter
        self._previewed: tuple[DeviceRow, Lines] | None = None
        self._looked: Lookup[list[DeviceRow]] = Lookup(
            lambda: [examine(device) for device in list_devices()],
            bench.looked_up,
            lambda: bench.shows(self),
            every=EVERY_S,
        )

    # Rows

    def apply(self, words: str) -> None:
        """Show the devices that a filter keeps."""
        self._words = words
        super().apply(words)

    def show(self) -> None:
        """Show what is known, and begin to look."""
        super().show()
        self._looked.ask()

    def load(self, words: str, sort: str) -> FetchedRows:
        """Devices in which every word occurs."""
        rows = keep_matching(self.fields, self._looked.found or [], words)
        return listed_rows(self.fields, rows, lambda row: str(row.device))

    def empty(self) -> list[str]:
        """The driver is being asked."""
        return ["Asking the driver ..."]

    def found(self) -> None:
        """Show how they are now; only lines that changed are painted."""
        self.apply(self._words)
        for notice in preferences.take_notices():
            self.bench.say(clean(notice), "warn")

    def store_changed(self) -> None:
        """Nothing here is from the dataset."""

    # What is under the cursor

    def _row(self) -> DeviceRow | None:
        row = self.current()
        return row if isinstance(row, DeviceRow) else None

    def do_avoid(self) -> None:
        """Have the GPU never taken unless it is named, or take this mark off."""
        self._toggle("avoid", "is avoided from now on: runs take it only where it is named")

    def do_use(self) -> None:
        """Have only GPUs with this mark taken, or take the mark off."""
        self._toggle("use", "is marked for use: runs take no GPU without this mark")

    def _toggle(self, mark: preferences.Mark, words: str) -> None:
        row = self._row()
        if row is None or not row.is_gpu:
            self.bench.say("the CPU takes no marks: it is used where it is named or no GPU is")
            return
        if preferences.marks().get(row.key) == mark:
            preferences.forget(row.key)
            words = "has no mark any more"
        else:
            preferences.mark(row.key, mark)
        self._looked.ask()
        self.bench.say(f"{row.device} {words}")

    def do_release(self) -> None:
        """Put the device in quarantine back, if the answer is yes."""
        row = self._row()
        if row is None or row.quarantine is None:
            self.bench.say("this device is not in quarantine")
            return

        def release() -> None:
            preferences.release(row.key)
            self._looked.ask()
            self.bench.say(f"{row.device} is back: runs may take it again")

        why = clean(quarantine_words(row.quarantine))
        self.bench.ask(f"put {row.device} back? {why}", release)

    # Chrome

    def scopes(self) -> set[str]:
        """A table of devices."""
        scopes = {"rows", "columns", "filter"}
        return scopes | {"devices", "copy"} if self._row() else scopes

    def copied(self) -> str:
        """What names it everywhere."""
        row = self._row()
        return row.key if row else ""

    def do_sort(self) -> None:
        """They stay in their order, which is that of their numbers."""
        self.bench.say("devices stay in the order of their numbers")

    def hint(self) -> list[Span]:
        """What is wrong with it, who is there, and why it is slow."""
        row = self._row()
        if row is None:
            return []
        spans: list[Span] = [(f" {clean(row.hardware)}", "title")]
        if trouble := trouble_words(row):
            spans.append((f"  {clean(trouble)}", "failed"))
        if row.lock is not None:
            spans.append((f"  locked by {clean(lock_words(row))}", "live"))
        if others := _others(row):
            spans.append((f"  {others}", "warn"))
        if throttled := _throttled(row):
            spans.append((f"  throttled: {throttled}", "warn"))
        return spans

    def below(self) -> list[list[Span]]:
        """What it means that there is no GPU."""
        rows = self._looked.found or []
        if not rows or any(row.is_gpu for row in rows):
            return []
        return wrapped(NO_GPU, self.bench.table.size.width or 80, "warn")

    def preview(self) -> Lines | None:
        """Everything that is known of it."""
        row = self._row()
        if row is None:
            return None
        if self._previewed is None or self._previewed[0] is not row:
            self._previewed = (row, Document(device_lines(row, _PREVIEW_WIDTH)))
        return self._previewed[1]


def device_lines(row: DeviceRow, width: int) -> list[Line]:
    """A device in full.

    Args:
        row: The device.
        width: Columns to wrap at.
    """
    state, yes = row.state, {True: "on", False: "off"}
    ecc = state.ecc_errors
    facts = {
        "hardware": row.hardware,
        "key": row.key if row.is_gpu else "",
        "driver": row.driver,
        "capability": ".".join((row.capability[:-1], row.capability[-1:])).strip("."),
        "memory": memory_words(row),
        "busy": busy_words(row),
        "clock MHz": clock_words(row),
        "temperature": "" if state.temperature_c is None else f"{state.temperature_c} C",
        "power": "" if state.power_w is None else f"{state.power_w:.0f} W",
        "throttled": _throttled(row),
        "ECC errors": "" if ecc is None else str(ecc),
        "persistence": "" if state.persistence is None else yes[state.persistence],
        "MIG": "" if state.mig is None else yes[state.mig],
        "mark": row.mark,
        "lock": lock_words(row),
    }
    lines: list[Line] = [[], [(f" {row.device}", "title")]]
    lines += [fact(name, value) for name, value in facts.items() if value]
    if trouble := trouble_words(row):
        lines += [[], *wrapped(trouble, width, "failed")]
    if not row.others.known:
        lines += [[], *wrapped(f"{occupancy.UNKNOWN}: processes are hidden here", width, "warn")]
    if row.others.foreign:
        lines += heading("others on it")
    for one in row.others.foreign:
        held = "" if one.memory is None else occupancy.size_in_words(one.memory)
        lines.append(fact(f"{one.pid}", f"{one.user}: {one.command}   {held}", "warn"))
    return lines
