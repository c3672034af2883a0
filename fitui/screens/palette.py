"""Palette: any command by a few of its letters, or any view by its text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from operator import itemgetter

from msgspec import Struct
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from fitui.command_table import Command
from fitui.commands import shown_key
from fitui.screens.dialog import Dialog
from fitui.screens.patience import Patience, Wanted
from fitui.screens.rows import Field, listed_rows
from fitui.themes import LOOKS
from fitui.view import KINDS, View, ViewError, parse_view
from fitui.widgets.filter_bar import FilterBar
from fitui.widgets.table import VirtualTable


class Item(Struct, frozen=True):
    """A line of the palette: a command by its id, a view, or a theme by its name."""

    title: str
    help: str
    key: str = ""
    command: str = ""
    view: View | None = None
    theme: str = ""


class NamesFound(Message):
    """The names of what can be gone to are there."""


class PaletteBar(FilterBar):
    """A line that gives the arrows away.

    Args:
        move: Called with 1 or -1.
    """

    def __init__(self, move: Callable[[int], None]) -> None:
        super().__init__(prompt=":", id="palette-bar")
        self._move = move

    def on_other_key(self, key: str) -> None:
        """Move in the list."""
        steps = {"down": 1, "ctrl+n": 1, "tab": 1, "up": -1, "ctrl+p": -1, "shift+tab": -1}
        if key in steps:
            self._move(steps[key])


_FEW = 100
"""Where fewer items have a text as it stands, those that have its letters in order come too."""

_FIELDS = (
    Field("COMMAND", 36, lambda item: str(item.title), grow=20, middle=True),
    Field("KEY", 7, lambda item: str(item.key)),
    Field("", 28, lambda item: str(item.help), grow=60),
)


class PaletteScreen(Dialog[Item | None]):
    """Type, choose, Enter.

    Args:
        commands: Those that are valid.
        names: Finds definitions and solutions that can be gone to, as (kind, name); called on a
            thread.
        bookmarks: Texts of views by name.
    """

    DEFAULT_CSS = "PaletteScreen > #box { height: 70%; }"

    def __init__(
        self,
        commands: list[Command],
        names: Callable[[], Iterable[tuple[str, str]]],
        bookmarks: Mapping[str, str],
    ) -> None:
        super().__init__()
        self._items = _marked_views(bookmarks)
        self._items += [
            Item(item.title, item.help, shown_key(item.keys[0]), command=item.id)
            for item in sorted(commands, key=_turn)
            if item.id != "palette"
        ]
        self._items += [Item(f"theme {one.name}", one.about, theme=one.name) for one in LOOKS]
        self._names = names
        self._patience = Patience(self._tell)
        self._text = ""
        self.table = VirtualTable(id="palette-table")
        self.bar = PaletteBar(lambda by: self.table.move_to(self.table.cursor + by))
        self.items: list[Item] = []

    def compose(self) -> ComposeResult:
        """The line, and the list."""
        with Vertical(id="box"):
            yield self.bar
            yield self.table

    def on_mount(self) -> None:
        """Begin with everything."""
        self._narrow("")
        self.bar.focus()
        self._patience.ask("names", self._find_names, self._add_names, self._no_names)

    def _tell(self) -> None:
        self.post_message(NamesFound())

    def _find_names(self, _wanted: Wanted) -> list[Item]:
        return [
            Item(f"{kind} {name}", f"go to the {kind}", view=View(kind, name))
            for kind, name in self._names()
        ]

    def _add_names(self, found: list[Item]) -> None:
        self._items += found
        self._show()

    def _no_names(self, _error: Exception) -> None:
        """Without them, commands and texts of views still do."""

    @on(NamesFound)
    def found_names(self) -> None:
        """Names that took a while."""
        self._patience.take()

    @on(FilterBar.Changed)
    def changed(self, message: FilterBar.Changed) -> None:
        """Narrow the list."""
        if not isinstance(message, FilterBar.Kept):
            message.stop()
            self._narrow(message.text)

    def _narrow(self, text: str) -> None:
        self._text = text
        self._show()
        self.table.move_to(0)

    def _show(self) -> None:
        self.items = narrowed(self._items, self._text)
        self.table.show(
            listed_rows(_FIELDS, self.items, lambda item: str(item.title)),
            empty=["Nothing of that name.", f"Views begin with: {', '.join(KINDS)}."],
        )

    @on(FilterBar.Kept)
    def kept(self, message: FilterBar.Kept) -> None:
        """Do it."""
        message.stop()
        index = self.table.current
        self.dismiss(self.items[index] if index is not None else None)

    @on(FilterBar.Left)
    def left(self, message: FilterBar.Left) -> None:
        """Do nothing."""
        message.stop()
        self.dismiss(None)

    @on(VirtualTable.Opened)
    def opened(self, message: VirtualTable.Opened) -> None:
        """Clicked twice."""
        message.stop()
        index = self.table.current
        self.dismiss(self.items[index] if index is not None else None)

    def on_key(self, event: events.Key) -> None:
        """No key gets past."""
        event.stop()


def _turn(command: Command) -> int:
    """Where to go first, then what to do here; nobody looks for how to move down."""
    if command.id.startswith("go_"):
        return 0
    return 2 if "text" in command.scopes else 1


def _marked_views(bookmarks: Mapping[str, str]) -> list[Item]:
    """Bookmarks as items; one that another version wrote and this one cannot read is left out."""
    items = []
    for name, text in bookmarks.items():
        with suppress(ViewError):
            items.append(Item(f"bookmark {name}", text, view=parse_view(text)))
    return items


def narrowed(items: list[Item], text: str) -> list[Item]:
    """Items that a text means, best first; a text that is a view comes first of all."""
    found: list[Item] = []
    try:
        if text.strip():
            view = parse_view(text)
            found.append(Item(str(view), "go to this view", view=view))
    except ViewError:
        pass
    letters = text.casefold().strip()
    titled = [(item.title.casefold(), item) for item in items]
    within = [(not title.startswith(letters), item) for title, item in titled if letters in title]
    found += [item for _later, item in sorted(within, key=itemgetter(0))]
    if len(within) < _FEW:
        spelt = letters.replace(" ", "")
        found += [i for title, i in titled if letters not in title and _in_order(spelt, title)]
    return found


def _in_order(letters: str, title: str) -> bool:
    """True if a title has these letters, one after the other."""
    rest = iter(title)
    return all(letter in rest for letter in letters)
