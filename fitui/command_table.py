"""Every command: its keys, names, what it does, and where it is valid.

``fitui.commands`` says what is valid where. Knows no widgets.
"""

from __future__ import annotations

from msgspec import Struct

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
    "marks": "Where rows can be marked",
    "choosing": "Tables whose columns can be chosen",
    "values": "Where a value is under the cursor",
    "counting": "Where the values of a column can be counted",
    "groups": "Frequency tables",
    "follow": "Where the newest row is the first",
    "freeze": "Where rows come in while they are read",
    "devices": "Devices",
    "places": "Where a log names lines of sources",
    "changes": "Diffs",
    "live": "Where a run is going on",
    "unfinished": "Where a run has not finished",
    "retriable": "Where a run has failures",
    "failures": "Where something can have failed",
    "sources": "Where a solution is under the cursor",
    "definition": "Where a definition is under the cursor",
    "copy": "Where something can be copied, or opened elsewhere",
    "copying": "After y: what to copy",
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
        "Mark this row, or take the mark off: r runs the marked, d compares two solutions.",
        ("pairs", "marks"),
        7,
    ),
    Command(
        "mark_range",
        ("V",),
        "mark range",
        "Mark everything from the row that was marked last to this one.",
        ("marks",),
    ),
    Command(
        "mark_all",
        ("asterisk",),
        "mark all",
        "Mark every row that the filter keeps.",
        ("marks",),
    ),
    Command(
        "unmark",
        ("u",),
        "unmark all",
        "Take all marks off, also of rows that the filter hides.",
        ("pairs", "marks"),
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
    Command(
        "next_change",
        ("right_curly_bracket",),
        "next change",
        "To the next changed part of a diff.",
        ("changes",),
        5,
    ),
    Command(
        "previous_change",
        ("left_curly_bracket",),
        "previous change",
        "To the changed part before.",
        ("changes",),
    ),
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
        "sort_more",
        ("S",),
        "sort within",
        "Sort by the selected column within what is equal so far: once, reversed, off.",
        ("choosing",),
    ),
    Command(
        "keep_value",
        ("equals_sign",),
        "keep value",
        "Keep the rows that read like this one in the selected column: adds it to the filter.",
        ("values",),
    ),
    Command(
        "drop_value",
        ("exclamation_mark",),
        "drop value",
        "Drop the rows that read like this one in the selected column.",
        ("values", "groups"),
    ),
    Command(
        "frequency",
        ("F",),
        "frequency",
        "How often each value of the selected column occurs in all rows; Enter filters by one.",
        ("counting",),
    ),
    Command(
        "columns",
        ("C",),
        "columns",
        "Choose which columns are shown, and in what order.",
        ("choosing",),
    ),
    Command(
        "follow",
        ("f",),
        "follow",
        "Keep the cursor on the newest row, or no more.",
        ("follow",),
        8,
    ),
    Command(
        "freeze",
        ("z",),
        "freeze",
        "Hold the rows still while they are read, or show what came in meanwhile.",
        ("freeze",),
    ),
    Command(
        "run",
        ("r",),
        "run",
        "Run the marked rows, also where they have a result; else what is missing or stale of what "
        "is under the cursor, in the matrix of all that is shown. A run is run again; on Compare, "
        "both solutions are measured in turns.",
        ("runnable",),
        2,
    ),
    Command(
        "run_dialog",
        ("R",),
        "run how",
        "Run, and choose first what, where and how thoroughly, and whether all of it again.",
        ("runnable",),
        7,
    ),
    Command(
        "run_cell",
        ("c",),
        "run cell",
        "Run the cell under the cursor, also where it has a result.",
        ("matrix",),
    ),
    Command(
        "pause",
        ("p",),
        "pause/go on",
        "Pause the run, or have it go on: also one that is stopped, failed or cancelled.",
        ("unfinished",),
        3,
    ),
    Command("sooner", ("plus",), "sooner", "Raise the run's priority by one.", ("unfinished",), 5),
    Command(
        "later", ("underscore",), "later", "Lower the run's priority by one.", ("unfinished",), 6
    ),
    Command(
        "retry",
        ("t",),
        "retry failed",
        "Run once more, in the same way, what of this run did not pass.",
        ("retriable",),
        4,
    ),
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
    Command(
        "diff",
        ("D",),
        "diff",
        "What differs in the sources: of a trace since it last passed, of a version since the one "
        "before, of a solution from the marked one; there, from the next of those.",
        ("sources",),
        8,
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
    Command(
        "copy",
        ("y",),
        "copy",
        "Copy: a second key says what, `yy` the name or id.",
        ("copy",),
        9,
    ),
    Command(
        "elsewhere",
        ("o",),
        "open in tools",
        "A solution in $EDITOR, a log or JSON in $PAGER.",
        ("copy",),
        9,
    ),
    Command("copy_name", ("y",), "name", "Name or id.", ("copying",)),
    Command("copy_command", ("c",), "command", "The command that repeats it.", ("copying",)),
    Command("copy_error", ("e",), "error", "Why it failed, in one line.", ("copying",)),
    Command("copy_path", ("p",), "path", "The file, with the line in it.", ("copying",)),
    Command("copy_json", ("j",), "JSON", "Its document.", ("copying",)),
    Command("copy_source", ("s",), "source", "The solution's or reference's code.", ("copying",)),
    Command(
        "copy_table", ("m",), "table", "The view as Markdown for a pull request.", ("copying",)
    ),
    Command("copy_brief", ("a",), "brief", "What an agent needs to mend it.", ("copying",)),
    Command("copy_leave", ("escape",), "leave", "Copy nothing.", ("copying",), 1),
    Command("history_back", ("left_square_bracket",), "back", "Back in the history.", ("app",)),
    Command("history_forward", ("right_square_bracket",), "forward", "Forward in it.", ("app",)),
    Command("last_view", ("minus",), "last view", "The view before this one, and back.", ("app",)),
    Command(
        "bookmark",
        ("B",),
        "bookmark",
        "Keep this view under a name, by which `:` finds it; no name forgets it.",
        ("app",),
    ),
    Command("go_triage", ("0",), "triage", "What fails now, by cause.", ("app",)),
    Command("go_definitions", ("1",), "definitions", "Definitions.", ("app",)),
    Command("go_traces", ("2",), "traces", "Traces.", ("app",)),
    Command("go_runs", ("3",), "runs", "Runs.", ("app",)),
    Command("go_problems", ("4",), "bad files", "Files that could not be read.", ("app",)),
    Command("go_devices", ("5",), "devices", "Devices.", ("app",)),
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
