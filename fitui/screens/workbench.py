"""The workbench: what keys do, typing into the bar, runs, and news from the session.

Keys are looked up in the registry and handed to the widget, the page or this screen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from textual import events, on
from textual.message import Message
from textual.timer import Timer

from engine.store import QueryError
from fitui import commands
from fitui.driver import ThinDriver
from fitui.memory import Memory
from fitui.run_view import Change
from fitui.screens.copy_keys import CopyKeys
from fitui.screens.frame import FAULTS, error_words
from fitui.screens.help import HelpScreen
from fitui.screens.pace import Pace
from fitui.screens.page import Page
from fitui.screens.palette import Item, PaletteScreen
from fitui.screens.starting import Starting
from fitui.session import Session
from fitui.widgets.filter_bar import FilterBar
from fitui.widgets.table import VirtualTable
from fitui.widgets.text import TextView

_BOOKMARK = "bookmark as"
"""What is asked when a view is to be kept under a name."""


_WAITS = "... "
"""Beside a filter, until it is known what it leaves."""


class Changed(Message):
    """The session has news."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change


class ThemeChosen(Message):
    """Somebody wants other colours."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Workbench(CopyKeys, Starting, inherit_bindings=False):
    """Everything that is not a dialog.

    Args:
        session: Services.
        memory: What the last start left.
        remember: Keeps the memory.
        view: Text of the view to begin with, "" for the remembered one.
    """

    def __init__(
        self, session: Session, memory: Memory, remember: Callable[[Memory], None], view: str = ""
    ) -> None:
        super().__init__(session, memory, remember, view)
        self._pending: Change | None = None
        self._pace = Pace()
        self._due: Timer | None = None
        self._told: tuple[Page, int, int, int, int] | None = None

    # Keys

    def on_key(self, event: events.Key) -> None:
        """Look a key up in the registry and do what it means here."""
        event.stop()
        if self.typing.display:
            # Not by focus, which comes too late for what has been typed ahead.
            self.typing.on_key(event)
            return
        if self._question is not None:
            self._answer(event.key)
            return
        if self.choosing:
            self.choose(event.key)
            return
        command = commands.for_key(event.key, self.scopes())
        if command is not None:
            self._message = None
            self.perform(command.id)

    def on_paste(self, event: events.Paste) -> None:
        """What is pasted is for the bar."""
        if self.typing.display:
            self.typing.on_paste(event)

    def perform(self, name: str) -> None:
        """Do a command: by the widget, the page or this screen, whichever has it."""
        widget = {"table": self.table, "matrix": self.matrix, "text": self.text}[self.page.body]
        owners = [item for item in (self.page, widget, self) if hasattr(item, f"do_{name}")]
        try:
            if owners:
                getattr(owners[0], f"do_{name}")()
            if owners[:1] == [self.text] and self.side.display:
                # Two panes are one text in two columns: they scroll together.
                getattr(self.side, f"do_{name}")()
        except FAULTS as error:
            self.say(error_words(error), "failed")
        self.refresh_chrome()
        self.keep_soon()
        self._told = self._under_cursor()

    def _answer(self, key: str) -> None:
        assert self._question is not None
        _words, action, otherwise = self._question
        if key in ("y", "Y"):
            self._question = None
            try:
                action()
            except FAULTS as error:
                self.say(error_words(error), "failed")
        elif key in ("n", "N", "escape", "q", "enter"):
            self._question = None
            otherwise()
        self.refresh_chrome()

    def do_help(self) -> None:
        """Keys valid here."""
        self.app.push_screen(HelpScreen(self.listed()))

    def do_palette(self) -> None:
        """Any command, any view."""
        store = self.session.store

        def names() -> Iterator[tuple[str, str]]:
            definitions = sorted(store.facet("definitions", "name"))
            for kind in ("definition", "matrix"):
                yield from ((kind, name) for name in definitions)
            yield from (("solution", name) for name in sorted(store.facet("solutions", "name")))

        screen = PaletteScreen(self.listed(), names, self.memory.bookmarks)
        self.app.push_screen(screen, self._chosen)

    def _chosen(self, item: Item | None) -> None:
        if item is None:
            return
        if item.view is not None:
            self.jump(item.view)
        elif item.theme:
            self.post_message(ThemeChosen(item.theme))
        elif item.command:
            self.perform(item.command)

    def do_reload(self) -> None:
        """Look for changed files now."""
        self.session.reload()
        self.say("looking for changed files")

    def do_leave(self) -> None:
        """Leave; runs go on."""
        self.keep()
        self.app.exit(0)

    # Typing: filter and search

    def do_filter(self) -> None:
        """Filter as you type."""
        self._begin_typing("/", self.page.view.filter)

    def do_search(self) -> None:
        """Search the text."""
        self._begin_typing("search", self._searched_text.needle)

    def do_bookmark(self) -> None:
        """Ask for a name to keep this view under."""
        here = str(self.navigator.view)
        names = [name for name, text in self.memory.bookmarks.items() if text == here]
        self._begin_typing(_BOOKMARK, names[0] if names else "")

    def _bookmark(self, name: str) -> None:
        here = str(self.navigator.view)
        kept = {item: text for item, text in self.memory.bookmarks.items() if text != here}
        self.memory.bookmarks = {**kept, name: here} if name else kept
        kept_as = f"kept as {name}: `:` and the name lead here"
        self.say(kept_as if name else "no bookmark leads here")

    @property
    def _searched_text(self) -> TextView:
        return self.side if self.side.display else self.text

    def _begin_typing(self, prompt: str, text: str) -> None:
        self.bar.display, self.typing.display = False, True
        self.typing.begin(prompt, text)

    def _end_typing(self) -> None:
        self.set_focus(None)
        self.bar.display, self.typing.display = True, False
        self.refresh_chrome()
        self.keep()
        self._show_when_due()

    @on(FilterBar.Changed)
    def typed(self, message: FilterBar.Changed) -> None:
        """Follow the text."""
        if isinstance(message, FilterBar.Kept):
            return
        if self.typing.prompt == "/":
            self._apply_filter(message.text)
        elif self.typing.prompt != _BOOKMARK:
            self._searched_text.search(message.text)

    @on(FilterBar.Kept)
    def kept(self, message: FilterBar.Kept) -> None:
        """Keep the filter."""
        if self.typing.prompt == "/" and self._apply_filter(message.text):
            self.page.view = self.page.view.but(filter=message.text.strip())
            self.navigator.replace(self.page.view)
        elif self.typing.prompt == "/":
            return
        elif self.typing.prompt == _BOOKMARK:
            self._bookmark(message.text.strip())
        self._end_typing()

    @on(FilterBar.Left)
    def left_typing(self) -> None:
        """Restore the former filter."""
        if self.typing.prompt == "/":
            self._apply_filter(self.page.view.filter)
        elif self.typing.prompt != _BOOKMARK:
            self._searched_text.search("")
        self._end_typing()

    def _apply_filter(self, text: str) -> bool:
        page: Any = self.page
        try:
            page.apply(text.strip())
        except QueryError as error:
            self._judge_error(error, text)
            return False
        except FAULTS as error:
            self.typing.judge(error_words(error))
            return False
        self._judge_rows()
        self._show_status()
        return True

    def _judge_rows(self) -> None:
        """Say beside the filter what it leaves."""
        source = self.matrix.source if self.page.body == "matrix" else self.table.source
        self.typing.judge(_WAITS if self.page.waits else f"{source.row_count} left ")

    def _judge_error(self, error: QueryError, text: str) -> None:
        """Underline what cannot be understood in the filter."""
        lead = len(text) - len(text.lstrip())
        self.typing.judge(error.message, (error.start + lead, error.end + lead))

    # News from the session

    def on_changed(self, message: Changed) -> None:
        """Show what is new as soon as the pace allows it; what was asked for by a key at once."""
        self._pending = _merged(self._pending, message.change)
        if message.change.page:
            self._show_news()
        else:
            self._show_when_due()

    def looked_up(self, message: str = "") -> None:
        """What the page has had looked up is there; may be called on any thread."""
        self.post_message(Changed(Change(page=True, message=message)))

    def acknowledge(self) -> None:
        """The terminal has painted the last live frame."""
        self._pace.answered()
        self._show_when_due()

    def _show_when_due(self) -> None:
        if self._due is not None:
            self._due.stop()
            self._due = None
        if self._pending is None:
            return
        if wait := self._pace.wait(time.monotonic()):
            self._due = self.set_timer(wait, self._show_when_due)
        else:
            self._show_news()

    def _show_news(self) -> None:
        change, self._pending = self._pending, None
        if change is None:
            return
        if change.store and self.typing.display:
            self._pending = Change(store=True)
        if change != Change(page=True):
            self._pace.painted(time.monotonic())
            driver = self.app._driver
            if isinstance(driver, ThinDriver) and self._pace.asks:
                driver.ask_behind_next_frame(lambda: self._pace.asked(time.monotonic()))
        with self.app.batch_update():
            try:
                if change.store and not self.typing.display:
                    self.page.store_changed()
                if change.runs:
                    self.page.runs_changed(change.runs)
                if change.triage:
                    self.page.triage_changed()
                if change.page:
                    self._show_found()
            except FAULTS as error:
                self.say(error_words(error), "failed")
            if change.message:
                self.say(change.message, "warn")
            self.refresh_chrome()

    def _show_found(self) -> None:
        """Show what the page has looked up, or why it could not be."""
        filters = self.typing.display and self.typing.prompt == "/"
        try:
            self.page.found()
        except QueryError as error:
            if filters:
                self._judge_error(error, self.typing.text)
            else:
                self._leave_out(self.page, error)
        else:
            if filters and self.typing.note == _WAITS:
                self._judge_rows()

    # Messages of the widgets

    @on(VirtualTable.CursorMoved)
    def moved(self) -> None:
        """Something else is under the cursor; where a key did it, that is on the screen already."""
        if self._under_cursor() == self._told:
            return
        self.keep_soon()
        if self.typing.display:
            self._show_status()
        else:
            self.refresh_chrome()

    def _under_cursor(self) -> tuple[Page, int, int, int, int]:
        table, matrix = self.table, self.matrix
        return self.page, table.cursor, table.column, matrix.cursor, matrix.column

    @on(VirtualTable.Opened)
    def clicked(self) -> None:
        """Clicked twice."""
        self.perform("open")

    @on(VirtualTable.HeaderClicked)
    def header_clicked(self) -> None:
        """Sort by it."""
        self.perform("sort")

    @on(TextView.Searched)
    def searched(self, message: TextView.Searched) -> None:
        """How a search ended."""
        if self.typing.display:
            self.typing.judge(f"{message.text} ")
        else:
            self.say(message.text)


def _merged(first: Change | None, second: Change) -> Change:
    if first is None:
        return second
    return Change(
        store=first.store or second.store,
        runs=first.runs | second.runs,
        message=second.message or first.message,
        triage=first.triage or second.triage,
        page=first.page or second.page,
        status=first.status or second.status,
    )
