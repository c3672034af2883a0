"""Say what each device is doing, who is on it, and which of them `--device idle` may take.

Marks are remembered: `--avoid` has a GPU never taken unless it is named, `--use` has only GPUs with
this mark taken, `--forget` takes either off. A run puts a GPU that does not get well again in
quarantine; `--release` puts it back. DEVICE is a name (cuda:0) or the beginning of a UUID.
"""

from __future__ import annotations

import argparse
import os
import sys

from msgspec import Struct

from engine.run import nvml, occupancy, preferences
from engine.run.devices import Device, UnknownDevice, find_named, list_devices
from engine.run.locks import Holder, find_holder
from fitui import format as formats
from fitui.cli.output import NOTHING, Column, format_age, print_json, print_table

HELP = "list devices, who is on them, and which to use or to avoid"

_ALWAYS = ("device", "hardware", "memory", "busy")


class Row(Struct, kw_only=True):
    """One device, as it is now.

    Args:
        load: Load averages of the processor over 1, 5 and 15 minutes; none for a GPU.
        unfit: Why it is not fit to be measured on, or "".
        lock: Who works on it by fitui's lock.
        others: Who else is there, and whether that is known.
        mark: "use", "avoid" or "".
    """

    device: str
    hardware: str
    key: str
    driver: str
    capability: str
    state: nvml.State
    load: tuple[float, ...]
    unfit: str
    lock: Holder | None
    others: occupancy.Occupancy
    mark: str
    quarantine: preferences.Quarantine | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``fitui devices``."""
    for option, what in (
        ("use", "have only GPUs with this mark taken"),
        ("avoid", "have a GPU never taken unless it is named"),
        ("forget", "take the mark off a GPU"),
        ("release", "put a GPU in quarantine back"),
    ):
        parser.add_argument(
            f"--{option}", metavar="DEVICE", nargs="+", action="extend", default=[], help=what
        )
    parser.add_argument("--json", action="store_true", help="one JSON object a device")


def run(args: argparse.Namespace) -> int:
    """Make the changes, then print the list; what was changed goes to standard error."""
    # Every name is looked up before anything is changed.
    changes = [
        (option, key, name)
        for option in ("use", "avoid", "forget", "release")
        for text in getattr(args, option)
        for key, name in _targets(text)
    ]
    for option, key, name in changes:
        _say(f"{name} {_change(option, key)}")
    rows = [examine(device) for device in list_devices()]
    if args.json:
        for row in rows:
            print_json(row)
    else:
        _print(rows)
    for notice in preferences.take_notices():
        _say(notice)
    return 0


def examine(device: Device) -> Row:
    """Everything that can be known of a device now."""
    is_gpu = device.name != "cpu"
    return Row(
        device=device.name,
        hardware=device.hardware,
        key=device.key,
        driver=device.driver,
        capability=device.capability,
        state=nvml.read_state(device.key) if is_gpu else nvml.State(),
        load=() if is_gpu else os.getloadavg(),
        unfit=occupancy.health(device),
        lock=find_holder(device),
        others=occupancy.look(device, ()),
        mark=preferences.marks().get(device.key, ""),
        quarantine=preferences.quarantined().get(device.key),
    )


def _targets(text: str) -> list[tuple[str, str]]:
    """Keys and names that a user's text means; GPUs that are gone are known by what is kept."""
    try:
        found = find_named(text)
    except UnknownDevice:
        if text not in preferences.marks() and text not in preferences.quarantined():
            raise
        return [(text, text)]
    if any(device.name == "cpu" for device in found):
        raise UnknownDevice("the CPU takes no marks: it is used where it is named or no GPU is")
    return [(device.key, device.name) for device in found]


def _change(option: str, key: str) -> str:
    """Make one change; returns it in words."""
    if option == "use":
        preferences.mark(key, "use")
        return "is marked for use"
    if option == "avoid":
        preferences.mark(key, "avoid")
        return "is avoided from now on"
    if option == "forget":
        mark = preferences.forget(key)
        return f"has no mark any more; it was {mark!r}" if mark else "had no mark"
    kept = preferences.release(key)
    return f"is back; it was {_quarantine(kept)}" if kept else "was not in quarantine"


def _print(rows: list[Row]) -> None:
    columns = [
        Column("device"),
        Column("hardware", shrinks=True),
        Column("memory", right=True),
        Column("busy", right=True),
        Column("MHz", right=True),
        Column("°C", right=True),
        Column("throttled", shrinks=True),
        Column("lock"),
        Column("others", shrinks=True),
        Column("mark"),
        Column("state", shrinks=True),
    ]
    cells = [_cells(row) for row in rows]
    # What no device has anything to say about takes no room.
    shown = [
        position
        for position, column in enumerate(columns)
        if column.title in _ALWAYS or any(row[position] for row in cells)
    ]
    print_table(
        [columns[position] for position in shown],
        [[row[position] or NOTHING for position in shown] for row in cells],
    )


def _cells(row: Row) -> list[str]:
    state, others = row.state, row.others
    memory = ""
    if others.memory_used is not None and others.memory_total is not None:
        sizes = (others.memory_used, others.memory_total)
        memory = "/".join(map(occupancy.size_in_words, sizes))
    busy = f"load {row.load[0]:.1f}" if row.load else ""
    if others.utilisation is not None:
        busy = f"{others.utilisation}%"
    clocks = [f"{clock}" for clock in (state.clock_mhz, state.clock_max_mhz) if clock is not None]
    lock = ""
    if row.lock is not None:
        lock = f"{row.lock.user or '?'} ({row.lock.pid})" if row.lock.pid else "somebody"
    return [
        row.device,
        row.hardware,
        memory,
        busy,
        "/".join(clocks),
        "" if state.temperature_c is None else str(state.temperature_c),
        ", ".join(state.throttled or ()),
        lock,
        occupancy.words(others),
        row.mark,
        "; ".join(filter(None, (_quarantine(row.quarantine), row.unfit))),
    ]


def _quarantine(kept: preferences.Quarantine | None) -> str:
    if kept is None:
        return ""
    age = format_age(kept.time)
    since = "just now" if age == "now" else f"{age} ago"
    run = f" (run {kept.run})" if kept.run else ""
    return f"quarantined {since}: {kept.reason}{run}"


def _say(text: str) -> None:
    print(f"fitui: {formats.clean(text)}", file=sys.stderr)
