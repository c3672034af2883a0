"""The one registry of commands: keys, footer, palette, ``?`` help and ``docs/keys.md``.

A command is valid where one of its scopes is active; pages say which scopes they have. The
handler of a command ``id`` is the method ``do_<id>`` of the widget, the page or the screen.
Knows no widgets. ``python -m fitui.commands`` prints docs/keys.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

SCOPES = {
    "app": "Everywhere",
    "rows": "Tables and the matrix",
    "text": "Texts, logs and sources",
    "columns": "Tables and the matrix, by column",
    "tabs": "Pages with tabs",
    "filter": "Where rows can be filtered",
    "search": "Where text can be searched",
    "runnable": "Where something can be run",
    "matrix": "Matrix",
    "causes": "Triage",
    "pairs": "Where two solutions can be marked",
    "devices": "Devices",
    "places": "Where a log names lines of sources",
    "live": "Where a run is going on",
    "unfinished": "Where a run has not finished",
    "failures": "Where something can have failed",
    "sources": "Where a solution is under the cursor",
    "definition": "Where a definition is under the cursor",
    "copy": "Where something can be copied",
}
"""Scopes in the order of the help, and what each means."""


class Command(Struct, frozen=True):
    """One thing that a key does.

    Args:
        id: Name; the handler is ``do_<id>``.
        keys: Key names as Textual spells them, the first is shown.
        title: Two words at most, for the footer.
        help: One sentence.
        scopes: Where it is valid.
        footer: Rank in the footer, 0 for not shown; low comes first.
    """

    id: str
    keys: tuple[str, ...]
    title: str
    help: str
    scopes: tuple[str, ...]
    footer: int = 0


COMMANDS: tuple[Command, ...] = (
    Command(
        "mark",
        ("space",),
        "mark",
        "Mark this solution, or take the mark off: two are compared by d.",
        ("pairs",),
        7,
    ),
    Command(
        "compare",
        ("d",),
        "compare",
        "Compare the two marked solutions, or the marked one with that under the cursor.",
        ("pairs",),
        5,
    ),
    Command("open", ("enter",), "open", "Go into what is under the cursor.", ("rows",), 1),
    Command(
        "place",
        ("enter",),
        "source line",
        "To the line of the source that the marked line of the log speaks of, else the cause.",
        ("places",),
        1,
    ),
    Command("out", ("escape",), "out", "Go out to where this view was entered from.", ("app",)),
    Command("down", ("j", "down"), "down", "Move down.", ("rows", "text")),
    Command("up", ("k", "up"), "up", "Move up.", ("rows", "text")),
    Command("half_down", ("ctrl+d",), "half down", "Half a page down.", ("rows", "text")),
    Command("half_up", ("ctrl+u",), "half up", "Half a page up.", ("rows", "text")),
    Command("page_down", ("pagedown", "space"), "page down", "A page down.", ("rows", "text")),
    Command("page_up", ("pageup",), "page up", "A page up.", ("rows", "text")),
    Command("first", ("g", "home"), "first", "To the first line.", ("rows", "text")),
    Command("last", ("G", "end"), "last", "To the last line.", ("rows", "text")),
    Command("left", ("h", "left"), "left", "Column to the left.", ("columns", "text")),
    Command("right", ("l", "right"), "right", "Column to the right.", ("columns", "text")),
    Command("next_tab", ("tab",), "next tab", "Next tab of the page.", ("tabs",), 3),
    Command("previous_tab", ("shift+tab",), "previous tab", "Previous tab.", ("tabs",)),
    Command(
        "filter",
        ("slash",),
        "filter",
        "Filter as you type: Enter keeps it, Escape restores the former one.",
        ("filter",),
        4,
    ),
    Command("search", ("slash",), "search", "Search this text.", ("search",), 4),
    Command("next_hit", ("n",), "next hit", "Next hit of the search.", ("search",)),
    Command("previous_hit", ("N",), "previous hit", "Previous hit of the search.", ("search",)),
    Command(
        "sort",
        ("s",),
        "sort",
        "Sort by the selected column: once, reversed, off.",
        ("columns",),
        6,
    ),
    Command(
        "run",
        ("r",),
        "run",
        "Run what is under the cursor: a definition with all its solutions, a solution, a pair.",
        ("runnable",),
        2,
    ),
    Command(
        "run_dialog",
        ("R",),
        "run how",
        "Run, and choose first what, where and how thoroughly.",
        ("runnable",),
        7,
    ),
    Command("run_missing", ("M",), "run missing", "Run the cells without a result.", ("matrix",)),
    Command("run_cell", ("c",), "run cell", "Run the cell under the cursor.", ("matrix",)),
    Command(
        "pause",
        ("p",),
        "pause/go on",
        "Pause the run, or have it go on: also one that is stopped, failed or cancelled.",
        ("unfinished",),
        3,
    ),
    Command("sooner", ("plus",), "sooner", "Raise the run's priority by one.", ("unfinished",), 5),
    Command("later", ("minus",), "later", "Lower the run's priority by one.", ("unfinished",), 6),
    Command("cancel", ("x",), "cancel", "Cancel the run under view; asks first.", ("live",), 2),
    Command("next_failure", ("e",), "failure", "To the next failure.", ("failures",), 5),
    Command("previous_failure", ("E",), "previous failure", "To the last one.", ("failures",)),
    Command(
        "metric",
        ("t",),
        "us/speedup",
        "Show latency or speedup in the cells.",
        ("matrix",),
        8,
    ),
    Command(
        "mute",
        ("m",),
        "mute",
        "Mute this cause, or have it seen again; `is:muted` in the filter shows what is muted.",
        ("causes",),
        3,
    ),
    Command("matrix", ("m",), "matrix", "The matrix of this definition.", ("definition",), 3),
    Command("source", ("v",), "source", "The sources of this solution.", ("sources",), 6),
    Command(
        "history",
        ("H",),
        "history",
        "How this solution has done over time, on the workload here where there is one.",
        ("sources",),
        7,
    ),
    Command(
        "avoid",
        ("a",),
        "avoid",
        "Have runs never take this GPU unless it is named, or take that mark off.",
        ("devices",),
        2,
    ),
    Command(
        "use",
        ("u",),
        "use",
        "Have runs take no GPU without this mark, or take the mark off.",
        ("devices",),
        2,
    ),
    Command(
        "release",
        ("b",),
        "put back",
        "Put a GPU back that is in quarantine; asks first.",
        ("devices",),
        3,
    ),
    Command("copy", ("y",), "copy", "Copy the name or id under the cursor (OSC 52).", ("copy",), 9),
    Command("history_back", ("left_square_bracket",), "back", "Back in the history.", ("app",)),
    Command("history_forward", ("right_square_bracket",), "forward", "Forward in it.", ("app",)),
    Command("go_triage", ("0",), "triage", "What fails now, by cause.", ("app",)),
    Command("go_definitions", ("1",), "definitions", "Definitions.", ("app",)),
    Command("go_traces", ("2",), "traces", "Traces.", ("app",)),
    Command("go_runs", ("3",), "runs", "Runs.", ("app",)),
    Command("go_devices", ("5",), "devices", "Devices.", ("app",)),
    Command("go_problems", ("4",), "bad files", "Files that could not be read.", ("app",)),
    Command("reload", ("ctrl+r", "f5"), "reload", "Look for changed files now.", ("app",)),
    Command(
        "palette",
        ("colon", "ctrl+p"),
        "commands",
        "Any command by name, or any view by its text, such as `traces status:failed`.",
        ("app",),
    ),
    Command("help", ("question_mark", "f1"), "keys", "The keys that are valid here.", ("app",), 10),
    Command(
        "leave",
        ("q", "ctrl+q", "ctrl+c"),
        "leave",
        "Leave; runs go on, and the next start shows this view again.",
        ("app",),
        11,
    ),
)
"""Every command. Of two with one key in one place, the earlier wins."""

_SHOWN = {
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "colon": ":",
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
    "f1": "F1",
    "f5": "F5",
}


def shown_key(key: str) -> str:
    """A key as it stands on the keyboard."""
    return _SHOWN.get(key, key.replace("ctrl+", "Ctrl+"))


def valid(scopes: Collection[str]) -> list[Command]:
    """Commands valid where these scopes are active, in registry order, one for each key."""
    taken: set[str] = set()
    result: list[Command] = []
    for command in COMMANDS:
        if any(scope in scopes for scope in command.scopes) and command.keys[0] not in taken:
            free = tuple(key for key in command.keys if key not in taken)
            taken.update(free)
            result.append(command if free == command.keys else replace(command, keys=free))
    return result


def for_key(key: str, scopes: Collection[str]) -> Command | None:
    """The command that a key means where these scopes are active."""
    return next((command for command in valid(scopes) if key in command.keys), None)


def by_id(name: str) -> Command:
    """The command of an id.

    Raises:
        KeyError: There is none.
    """
    for command in COMMANDS:
        if command.id == name:
            return command
    raise KeyError(name)


def in_footer(scopes: Collection[str]) -> list[Command]:
    """Commands for the footer, most useful first."""
    return sorted((item for item in valid(scopes) if item.footer), key=lambda item: item.footer)


def keys_document() -> str:
    """Text of docs/keys.md."""
    lines = [
        "# Keys",
        "",
        "Made by `python -m fitui.commands > docs/keys.md`; do not edit. In the program, `?` shows",
        "the keys that are valid where you are.",
        "",
    ]
    placed: set[str] = set()
    for scope, heading in SCOPES.items():
        here = [item for item in COMMANDS if scope in item.scopes and item.id not in placed]
        if not here:
            continue
        placed.update(item.id for item in here)
        lines += [f"## {heading}", "", "| key | command | what it does |", "| --- | --- | --- |"]
        lines += [_row(item) for item in here]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _row(command: Command) -> str:
    return f"| {_keys(command.keys)} | {command.title} | {command.help} |".replace("||", "\\|")


def _keys(keys: Iterable[str]) -> str:
    return ", ".join(f"`{shown_key(key)}`" for key in keys)


if __name__ == "__main__":
    print(keys_document(), end="")
