"""The workbench: what keys do, typing into the bar, runs, and news from the session.

Keys are looked up in the registry and handed to the widget, the page or this screen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual import events, on
from textual.message import Message
from textual.timer import Timer

from engine.store import QueryError
from fitui import commands
from fitui import format as form
from fitui.estimates import ASK_S
from fitui.memory import Memory
from fitui.run_view import Change, Choice, RunView, Target
from fitui.screens.frame import FAULTS, Frame, error_words
from fitui.screens.help import HelpScreen
from fitui.screens.palette import Item, PaletteScreen
from fitui.screens.run_dialog import RunDialog
from fitui.session import Session
from fitui.view import View
from fitui.widgets.filter_bar import FilterBar
from fitui.widgets.table import VirtualTable
from fitui.widgets.text import TextView

ACK_S = 2.0
"""Seconds after which a terminal that does not answer is painted to again."""


class Changed(Message):
    """The session has news."""

    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change


class Workbench(Frame, inherit_bindings=False):
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
        self._acknowledged = True
        self._patience: Timer | None = None

    # Keys

    def on_key(self, event: events.Key) -> None:
        """Look a key up in the registry and do what it means here."""
        event.stop()
        if self._question is not None:
            self._answer(event.key)
            return
        command = commands.for_key(event.key, self.scopes())
        if command is not None:
            self._message = None
            self.perform(command.id)

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

    def _answer(self, key: str) -> None:
        assert self._question is not None
        action = self._question[1]
        if key in ("y", "Y"):
            self._question = None
            try:
                action()
            except FAULTS as error:
                self.say(error_words(error), "failed")
        elif key in ("n", "N", "escape", "q", "enter"):
            self._question = None
        self.refresh_chrome()

    def do_help(self) -> None:
        """Keys valid here."""
        self.app.push_screen(HelpScreen(commands.valid(self.scopes())))

    def do_palette(self) -> None:
        """Any command, any view."""
        store = self.session.store
        names = [("definition", row.name) for row in store.definitions(limit=500)]
        names += [("matrix", name) for _kind, name in names]
        names += [("solution", row.name) for row in store.solutions(limit=500)]
        self.app.push_screen(PaletteScreen(commands.valid(self.scopes()), names), self._chosen)

    def _chosen(self, item: Item | None) -> None:
        if item is None:
            return
        if item.view is not None:
            self.jump(item.view)
        elif item.command:
            self.perform(item.command)

    def do_copy(self) -> None:
        """Copy what is under the cursor."""
        text = self.page.copied()
        if text:
            self.app.copy_to_clipboard(text)
            self.say(f"copied: {text}")

    def do_reload(self) -> None:
        """Look for changed files now."""
        self.session.reload()
        self.say("looking for changed files")

    def do_leave(self) -> None:
        """Leave; runs go on."""
        self._keep()
        self.app.exit(0)

    # Typing: filter and search

    def do_filter(self) -> None:
        """Filter as you type."""
        self._begin_typing("/", self.page.view.filter)

    def do_search(self) -> None:
        """Search the text."""
        self._begin_typing("search", self._searched_text.needle)

    @property
    def _searched_text(self) -> TextView:
        return self.side if self.side.display else self.text

    def _begin_typing(self, prompt: str, text: str) -> None:
        self.bar.display, self.typing.display = False, True
        self.typing.begin(prompt, text)
        self.typing.focus()

    def _end_typing(self) -> None:
        self.set_focus(None)
        self.bar.display, self.typing.display = True, False
        self.refresh_chrome()
        self._keep()

    @on(FilterBar.Changed)
    def typed(self, message: FilterBar.Changed) -> None:
        """Follow the text."""
        if isinstance(message, FilterBar.Kept):
            return
        if self.typing.prompt == "/":
            self._apply_filter(message.text)
        else:
            self._searched_text.search(message.text)

    @on(FilterBar.Kept)
    def kept(self, message: FilterBar.Kept) -> None:
        """Keep the filter."""
        if self.typing.prompt == "/" and self._apply_filter(message.text):
            self.page.view = self.page.view.but(filter=message.text.strip())
            self.navigator.replace(self.page.view)
        elif self.typing.prompt == "/":
            return
        self._end_typing()

    @on(FilterBar.Left)
    def left_typing(self) -> None:
        """Restore the former filter."""
        if self.typing.prompt == "/":
            self._apply_filter(self.page.view.filter)
        else:
            self._searched_text.search("")
        self._end_typing()

    def _apply_filter(self, text: str) -> bool:
        page: Any = self.page
        try:
            page.apply(text.strip())
        except QueryError as error:
            lead = len(text) - len(text.lstrip())
            self.typing.judge(error.message, (error.start + lead, error.end + lead))
            return False
        except FAULTS as error:
            self.typing.judge(error_words(error))
            return False
        source = self.matrix.source if page.body == "matrix" else self.table.source
        self.typing.judge(f"{source.row_count} left ")
        self._show_status()
        return True

    # Runs

    def do_run(self) -> None:
        """Run what is under the cursor."""
        target = self.page.target()
        if target is not None:
            self.start_run(target)

    def do_run_dialog(self) -> None:
        """Ask how, then run."""
        targets = self.page.targets()
        if targets:
            self._ask_how(targets, asked=False)

    def _ask_how(self, targets: list[Target], *, asked: bool) -> None:
        session = self.session
        dialog = RunDialog(
            targets, session.device_choices, session.default_choice, session.cost, asked=asked
        )
        self.app.push_screen(dialog, self._dialog_ended)

    def _dialog_ended(self, answer: tuple[Target, Choice] | None) -> None:
        if answer is not None:
            self._start(*answer)

    def start_run(self, target: Target) -> None:
        """Start a run with the default choice; where that takes long, ask first."""
        choice = self.session.default_choice
        if self.session.cost(target, choice).seconds < ASK_S:
            self._start(target, choice)
        else:
            others = [item for item in self.page.targets() if item != target]
            self._ask_how([target, *others], asked=True)

    def _start(self, target: Target, choice: Choice) -> None:
        """Start a run and show where it fills."""
        try:
            view = self.session.submit(target, choice)
        except OSError as error:
            self.say(f"the run could not be started: {error_words(error)}", "failed")
            return
        shown, here = _shown_by(target, view), self.navigator.view
        if (shown.kind, shown.subject, shown.other) != (here.kind, here.subject, here.other):
            self.go(shown)
        else:
            self.page.runs_changed(frozenset({view.run}))
            self.refresh_chrome()
        how = f"{form.devices(choice.devices)}, {'quick' if choice.quick else 'full'}"
        self.say(f"started on {how}; goes on if you leave: {form.clean(target.title)}")

    def do_cancel(self) -> None:
        """Cancel the run under view, if the answer is yes."""
        view = self.page.live_run()
        if view is None:
            return

        def cancel() -> None:
            self.session.cancel(view.run)
            self.page.runs_changed(frozenset({view.run}))
            self.say(f"asked run {view.run} to stop")

        self.ask(f"cancel run {view.run} ({view.ended}/{len(view.cells)} ended)?", cancel)

    # News from the session

    def on_changed(self, message: Changed) -> None:
        """Show what is new, unless the terminal is still busy with the last frame."""
        self._pending = _merged(self._pending, message.change)
        if self._acknowledged:
            self._show_news()

    def looked_up(self, message: str = "") -> None:
        """What the page has had looked up is there; may be called on any thread."""
        self.post_message(Changed(Change(page=True, message=message)))

    def acknowledge(self) -> None:
        """The terminal has painted the last live frame, or will never say so."""
        self._acknowledged = True
        if self._patience is not None:
            self._patience.stop()
            self._patience = None
        if self._pending is not None:
            self._show_news()

    def _show_news(self) -> None:
        change, self._pending = self._pending, None
        if change is None:
            return
        with self.app.batch_update():
            try:
                if change.store and not self.typing.display:
                    self.page.store_changed()
                if change.runs:
                    self.page.runs_changed(change.runs)
                if change.triage:
                    self.page.triage_changed()
                if change.page:
                    self.page.found()
            except FAULTS as error:
                self.say(error_words(error), "failed")
            if change.message:
                self.say(change.message, "warn")
            self.refresh_chrome()
        self.call_after_refresh(self._ask_terminal)

    def _ask_terminal(self) -> None:
        driver = self.app._driver
        if driver is not None and not self.app.is_headless:
            self._acknowledged = False
            driver.write("\x1b[6n")
            self._patience = self.set_timer(ACK_S, self.acknowledge)

    # Messages of the widgets

    @on(VirtualTable.CursorMoved)
    def moved(self) -> None:
        """Something else is under the cursor."""
        if self.typing.display:
            self._show_status()
        else:
            self.refresh_chrome()

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


def _shown_by(target: Target, run: RunView) -> View:
    """Where a run fills."""
    if target.compare:
        return View("compare", target.compare[0], other=target.compare[1])
    return View("matrix", target.definition) if target.definition else View("run", run.run)


def _merged(first: Change | None, second: Change) -> Change:
    if first is None:
        return second
    return Change(
        store=first.store or second.store,
        runs=first.runs | second.runs,
        message=second.message or first.message,
        triage=first.triage or second.triage,
        page=first.page or second.page,
    )
