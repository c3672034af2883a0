"""What stands in somebody's way, each with what to do next: for the screens and `fitui doctor`.

Looks at folders and counts; knows no widgets.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.store import TraceStore
from fitui import format as form
from fitui.config import Read

VARIABLE = "FIB_DATASET_PATH"
"""Names the dataset where the command line does not."""

NO_GPU = (
    "No GPU here: solutions run on the CPU, those in Triton in its interpreter; their times say "
    "little. `fitui doctor` says what was looked for."
)


def unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder, or made where it is to be; "" where it can."""
    place = next(part for part in (folder, *folder.parents) if part.exists())
    if not place.is_dir():
        return f"{place} is a file"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} cannot be written"
    return ""


def state_trouble(state: Path) -> str:
    """Why the state folder is of no use, and what to do; "" where it is."""
    if why := unwritable(state):
        return f"`fitui --state DIR` is needed: {why}, so nothing is kept or run"
    return ""


def overlay_trouble(overlay: Path) -> str:
    """Why results have no place to go to, and what to do; "" where they have."""
    if why := unwritable(overlay):
        return f"`fitui --overlay DIR` is needed: {why}, so nothing can be run"
    return ""


def settings_trouble(read: Read) -> str:
    """What is wrong in the file of settings, in one line; "" where nothing is."""
    if not read.problems:
        return ""
    number = len(read.problems)
    faults = f" ({number} faults)" if number > 1 else ""
    # The command first: the rest may be cut by the width of the screen.
    return f"`fitui doctor`{faults}: {read.problems[0].short}"


def no_definitions(store: TraceStore, layers: Sequence[Path], bad_key: str) -> list[str]:
    """What to do about a dataset without definitions.

    Args:
        store: The dataset.
        layers: Its folders.
        bad_key: The key that shows what could not be read.
    """
    where = " + ".join(str(path) for path in layers)
    problems = store.count("problems")
    if problems:
        files = form.count(problems, "problem")
        head = [
            f"Nothing of this dataset could be read: {files}.",
            f"  {where}",
            "",
            f"{bad_key} shows each with file, line and reason; `fitui ls problems` prints them.",
        ]
    else:
        head = ["No definitions in this dataset.", f"  {where}", ""]
    return [
        *head,
        *_ways(bool(os.environ.get(VARIABLE))),
        "A definition is a file definitions/<op_type>/<name>.json: docs/dataset.md.",
    ]


def other_datasets(by_variable: bool) -> str:
    """How to open another dataset, for the command line.

    Args:
        by_variable: The one that cannot be opened was named by :data:`VARIABLE`.
    """
    return "\n".join(_ways(by_variable))


def _ways(by_variable: bool) -> list[str]:
    bundled = f"env -u {VARIABLE} fitui" if by_variable else "fitui"
    ways = {
        "fitui --dataset DIR": "opens another one",
        "fitui pull --to DIR": "fetches the published one",
        bundled: "opens the one that comes with the program",
    }
    width = max(map(len, ways))
    return [f"  {command:<{width}}  {what}" for command, what in ways.items()]
