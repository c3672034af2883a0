"""The frame around the page of a view: crumbs, a bar, the body, a status line and the footer.

It owns navigation and what is remembered of it. It knows pages by their base class only, and no
keys.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer

from engine.store import QueryError
from fitui import clock
from fitui.first_use import state_trouble
from fitui.memory import Memory
from fitui.run_view import Target
from fitui.screens.chrome import crumb_spans, footer_spans, run_spans
from fitui.screens.column_keys import ColumnsError
from fitui.screens.dialog import Dialog, Result
from fitui.screens.marks import Marks
from fitui.screens.nothing import NothingPage
from fitui.screens.page import Page
from fitui.screens.pages import page_for
from fitui.screens.ways import Ways
from fitui.session import Session
from fitui.view import HOME, Navigator, View, ViewError, parse_view, trail_to
from fitui.widgets.filter_bar import FilterBar
from fitui.widgets.matrix import Matrix
from fitui.widgets.one_line import OneLine
from fitui.widgets.series import Series, is_plain
from fitui.widgets.table import VirtualTable
from fitui.widgets.text import Document, Lines, TextView

WIDE = 120
"""Columns from which two panes stand beside each other."""

PREVIEW = 160
"""Columns from which a text about what is under the cursor stands beside a table."""

BELOW = 3
"""Lines at most below a table."""

KEEP_S = 0.1
"""Seconds after which a moved cursor is remembered in the state file."""

FAULTS = (LookupError, ValueError, OSError, sqlite3.Error)
"""What a page may raise; it becomes a sentence on the screen."""


class Frame(Ways, Screen[None], inherit_bindings=False):
    """The screen without its keys: what is on it, and the way through the views.

    Args:
        session: Services.
        memory: What the last start left; ``remember`` is called when it changes.
        remember: Keeps the memory.
        view: Text of the view to begin with, "" for the remembered one.
    """

    ALLOW_SELECT = False
    AUTO_FOCUS = ""

    def __init__(
        self, session: Session, memory: Memory, remember: Callable[[Memory], None], view: str = ""
    ) -> None:
        super().__init__()
        self.session = session
        self.memory = memory
        self.metric = memory.metric
        self.marks = Marks()
        self._remember = remember
        self._first_view = view
        self.navigator = Navigator((HOME,))
        self.table = VirtualTable(id="table")
        self.matrix = Matrix(id="matrix")
        self.text = TextView(id="text")
        self.side = TextView(id="side")
        self.crumbs = OneLine(id="crumbs")
        self.bar = OneLine(id="bar")
        self.typing = FilterBar(id="typing")
        self.plain = is_plain(os.environ, sys.stdout.encoding)
        self.series = Series(plain=self.plain, id="series")
        self.below = TextView(id="below")
        self.status = OneLine(id="status")
        self.footer = OneLine(id="footer")
        self._previewed: Lines | None = None
        self.page: Page = NothingPage(self, HOME, "")
        self._message: tuple[str, str] | None = None
        self._question: tuple[str, Callable[[], None], Callable[[], None]] | None = None
        self._keeping: Timer | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.crumbs
        yield self.bar
        yield self.typing
        yield self.series
        with Horizontal(id="body"):
            yield self.table
            yield self.matrix
            yield self.text
            yield self.side
        yield self.below
        yield self.status
        yield self.footer

    def on_mount(self) -> None:
        """Show the first view."""
        self.typing.display = self.below.display = self.series.display = False
        message = ""
        try:
            if self._first_view:
                trail = trail_to(parse_view(self._first_view))
            else:
                trail = tuple(parse_view(text) for text in self.memory.trail) or (self._home(),)
        except ViewError as error:
            trail, message = (HOME,), str(error)
        self.navigator = Navigator(trail)
        self.display_view()
        notices = [*self.session.troubles(), *self.session.store.notices]
        if message or notices:
            self.say(message or notices[0], "warn")

    def _home(self) -> View:
        """What fails and runs, or, for somebody who has neither, what there is to run."""
        if self.base != HOME or self.session.has_work():
            return self.base
        return View("definitions")

    @property
    def base(self) -> View:
        """Where every way out ends."""
        return parse_view(self.session.settings.config.home)

    # Showing a view

    @property
    def is_wide(self) -> bool:
        """True where two panes fit beside each other."""
        return self.size.width >= WIDE

    def display_view(self, former: Page | None = None) -> None:
        """Make and show the page of the view on top of the trail.

        Args:
            former: The page in whose place it is the same thing shown in another way.
        """
        view = self.navigator.view
        anchor = self.memory.anchors.get(view.place, "")
        for text in (self.text, self.side):
            text.forget()
        with self.app.batch_update():
            page = page_for(self, view)
            page.begin(anchor, former)
            self._show_page(page)
            self.page.restore(anchor)
        self.refresh_chrome()
        self.keep()

    def _show_page(self, page: Page) -> None:
        self.page = page
        self._arrange()
        try:
            page.show()
        except QueryError as error:
            self._leave_out(page, error)
        except FAULTS as error:
            self.page = NothingPage(self, page.view, error_words(error))
            self._arrange()
            self.page.show()

    def _leave_out(self, page: Page, error: QueryError) -> None:
        """Show a page without what cannot be understood in its view."""
        names = isinstance(error, ColumnsError)
        left = {"cols": "", "group": ""} if names else {"filter": "", "sort": ""}
        view = page.view.but(**left)
        if view == page.view:
            self._show_page(NothingPage(self, view, error.message))
            return
        self.navigator.replace(view)
        what = "columns" if names else "filter"
        self.say(f"{what} left out: {error.message}", "warn")
        other = page_for(self, view)
        other.begin(self.memory.anchors.get(view.place, ""), page)
        self._show_page(other)

    def _arrange(self) -> None:
        body = self.page.body
        self.table.display = body == "table"
        self.matrix.display = body == "matrix"
        self.text.display = body == "text"
        two = self.page.view.kind == "definition" and body == "text"
        beside = two and self.is_wide and not isinstance(self.page, NothingPage)
        previews = body == "table" and self.size.width >= PREVIEW and self.page.previews
        self.side.set_class(previews, "-preview")
        self.side.display = beside or previews
        self._previewed = None

    def refresh_chrome(self) -> None:
        """Crumbs, bar, status and footer, as far as they changed."""
        runs = run_spans(self.session, self.memory.seen, clock.now())
        room = self.size.width - sum(cell_len(text) for text, _style in runs)
        self.crumbs.show(crumb_spans(self.navigator.trail, self.page, room), runs)
        self.bar.show(*self.page.bar())
        self._show_around()
        self._show_status()
        self.footer.show(footer_spans(self.scopes(), self.size.width))

    def _show_around(self) -> None:
        """What stands beside and below a table."""
        if self.side.display and self.page.previews:
            lines = self.page.preview()
            if lines is not self._previewed:
                self._previewed = lines
                self.side.show(lines or Document())
        curve = self.page.curve()
        self.series.display = curve is not None
        if curve is not None:
            self.series.show(curve)
        below = self.page.below()[:BELOW]
        if len(below) != (len(self.below.lines) if self.below.display else 0):
            self.below.display = bool(below)
            self.below.styles.height = max(1, len(below))
        if below:
            self.below.show(Document(below))

    def _show_status(self) -> None:
        if self._question is not None:
            self.status.show([(f" {self._question[0]}", "warn"), ("  y / n", "title")])
        elif self._message is not None:
            self.status.show([(f" {self._message[0]}", self._message[1])])
        else:
            self.status.show(self.page.hint())

    def say(self, text: str, style: str = "") -> None:
        """Put a sentence into the status line until the next key."""
        self._message = (text, style)
        self._show_status()

    def ask(
        self,
        question: str,
        action: Callable[[], None],
        otherwise: Callable[[], None] = lambda: None,
    ) -> None:
        """Do something if the answer is yes, and something else if it is no."""
        self._question = (question, action, otherwise)
        self._show_status()

    def scopes(self) -> set[str]:
        """Scopes of the commands that are valid now."""
        return {"app"} | self.page.scopes()

    def keep_soon(self) -> None:
        """Remember where the cursor is, once it has come to rest or every :data:`KEEP_S`."""
        if self._keeping is None:
            self._keeping = self.set_timer(KEEP_S, self.keep)

    def keep(self) -> None:
        """Remember the view, and where the cursor is."""
        if self._keeping is not None:
            self._keeping.stop()
            self._keeping = None
        view = self.navigator.view
        anchors = dict(self.memory.anchors)
        if anchor := self.page.anchor():
            anchors.pop(view.place, None)
            anchors[view.place] = anchor
        self.memory = Memory(
            trail=[str(item) for item in self.navigator.trail],
            anchors=dict(list(anchors.items())[-100:]),
            metric=self.metric,
            seen=self.memory.seen,
            bookmarks=self.memory.bookmarks,
        )
        try:
            self._remember(self.memory)
        except OSError as error:
            # Where that was to be expected it was said at the start, with what to do.
            if not state_trouble(self.session.state):
                self.say(f"the view is not remembered: {error_words(error)}", "warn")

    def start_run(self, target: Target, *, again: bool = False) -> None:
        """Run what is missing of something, or all of it again, and show it."""
        raise NotImplementedError

    def show_dialog(self, dialog: Dialog[Result], then: Callable[[Result | None], None]) -> None:
        """Put a dialog over the screen, and do something with its answer."""

        def answered(answer: Result | None) -> None:
            then(answer)
            self.refresh_chrome()

        self.app.push_screen(dialog, answered)

    def shows(self, page: Page) -> bool:
        """True while a page is the one on the screen; may be asked on any thread."""
        return self.page is page and self.is_running

    def looked_up(self, message: str = "") -> None:
        """Tell the page that something was found; may be called on any thread."""
        raise NotImplementedError

    def on_resize(self) -> None:
        """Arrange anew."""
        self._arrange()
        self.call_after_refresh(self._resized)

    def _resized(self) -> None:
        self.page.resized()
        self.refresh_chrome()


def error_words(error: BaseException) -> str:
    """An exception as a sentence."""
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    return str(error) or type(error).__name__
