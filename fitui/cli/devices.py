"""Say what each device is doing, who is on it, and which of them `--device idle` may take.

Marks are remembered: `--avoid` has a GPU never taken unless it is named, `--use` has only GPUs with
this mark taken, `--forget` takes either off. A run puts a GPU that does not get well again in
quarantine; `--release` puts it back. DEVICE is a name (cuda:0) or the beginning of a UUID.
"""

from __future__ import annotations

import argparse
import sys

from engine.run import occupancy, preferences
from engine.run.devices import UnknownDevice, find_named, list_devices
from fitui import format as formats
from fitui.cli.output import NOTHING, Column, print_json, print_table
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

HELP = "list devices, who is on them, and which to use or to avoid"

_ALWAYS = ("device", "hardware", "memory", "busy")


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
    return f"is back; it was {quarantine_words(kept)}" if kept else "was not in quarantine"


def _print(rows: list[DeviceRow]) -> None:
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


def _cells(row: DeviceRow) -> list[str]:
    state = row.state
    return [
        row.device,
        row.hardware,
        memory_words(row),
        busy_words(row),
        clock_words(row),
        "" if state.temperature_c is None else str(state.temperature_c),
        ", ".join(state.throttled or ()),
        lock_words(row),
        occupancy.words(row.others),
        row.mark,
        trouble_words(row),
    ]


def _say(text: str) -> None:
    print(f"fitui: {formats.clean(text)}", file=sys.stderr)
