"""What a page is: a view turned into rows, cells or text, and the commands that fit it.

A page is a plain object made anew for each view; it fills one of the widgets of the bench (table,
matrix or text) and keeps no state that the view and the files do not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from rich.cells import cell_len

from fitui.copying.subject import Subject
from fitui.format import clean
from fitui.run_view import RunView, Target
from fitui.session import Session
from fitui.view import View
from fitui.widgets.lines import Span, fit
from fitui.widgets.text import Lines

if TYPE_CHECKING:
    from textual.geometry import Size

    from fitui.screens.dialog import Dialog, Result
    from fitui.screens.marks import Marks
    from fitui.widgets.matrix import Matrix
    from fitui.widgets.series import Curve
    from fitui.widgets.table import VirtualTable
    from fitui.widgets.text import TextView


class Bench(Protocol):
    """What a page may use of the screen that it is on."""

    session: Session
    table: VirtualTable
    matrix: Matrix
    text: TextView
    side: TextView
    metric: str
    plain: bool
    page: Page
    marks: Marks

    @property
    def size(self) -> Size:
        """Of the screen, in cells."""

    @property
    def is_wide(self) -> bool:
        """True where two panes fit beside each other."""

    def go(self, view: View) -> None:
        """Enter a view."""

    def turn(self, view: View) -> None:
        """Show another tab, filter or sort of the same thing, in its place."""

    def say(self, text: str, style: str = "") -> None:
        """Put a sentence into the status line."""

    def start_run(self, target: Target, *, again: bool = False) -> None:
        """Run what is missing of something, or all of it again, and show it."""

    def ask(
        self,
        question: str,
        action: Callable[[], None],
        otherwise: Callable[[], None] = lambda: None,
    ) -> None:
        """Do something if the answer is yes, and something else if it is no."""

    def show_dialog(self, dialog: Dialog[Result], then: Callable[[Result | None], None]) -> None:
        """Put a dialog over the screen, and do something with its answer."""

    def refresh_chrome(self) -> None:
        """Paint crumbs, bar, status and footer again."""

    def shows(self, page: Page) -> bool:
        """True while a page is the one on the screen; may be asked on any thread."""

    def put_back(self, page: Page, view: View) -> None:
        """Have a page again that is still shown, in the place of the one that waits."""

    def looked_up(self, message: str = "") -> None:
        """Tell the page on the screen that something was found; may be called on any thread."""


class Page:
    """One view on the screen.

    Args:
        bench: The screen.
        view: What to show.
    """

    body = "table"
    """Widget that it fills: "table", "matrix" or "text"."""

    tabs: tuple[tuple[str, str], ...] = ()
    """Tabs of the page: name in the view, title."""

    previews = False
    """True where a table has something to say beside it about the row under the cursor."""

    def __init__(self, bench: Bench, view: View) -> None:
        self.bench = bench
        self.session = bench.session
        self.view = view

    def begin(self, anchor: str, former: Page | None) -> None:
        """Take note of what is known before it is shown.

        Args:
            anchor: Where the cursor will be put.
            former: Page in whose place this one shows the same thing in another way, if any.
        """

    def show(self) -> None:
        """Fill the widget.

        Raises:
            LookupError: What the view is about does not exist.
            QueryError: The filter cannot be understood.
        """
        raise NotImplementedError

    def scopes(self) -> set[str]:
        """Scopes of commands that are active now, beside "app"."""
        return set()

    def crumb(self) -> str:
        """What the breadcrumb says, for the last view of the trail."""
        return self.view.subject or self.view.kind

    def bar(self) -> tuple[list[Span], list[Span]]:
        """The second line of the screen, left and right."""
        return [], []

    def hint(self) -> list[Span]:
        """What the status line says about what is under the cursor."""
        return []

    def anchor(self) -> str:
        """Key of what is under the cursor."""
        return ""

    def restore(self, anchor: str) -> None:
        """Put the cursor where it was."""

    def opened(self) -> View | None:
        """Where Enter leads."""
        return None

    def target(self) -> Target | None:
        """What ``r`` runs."""
        return None

    def targets(self) -> list[Target]:
        """What the run dialog offers, most likely first."""
        target = self.target()
        return [target] if target else []

    def live_run(self) -> RunView | None:
        """The run that ``x`` cancels."""
        return None

    def definition(self) -> str:
        """Definition under the cursor."""
        return ""

    def solution(self) -> str:
        """Solution under the cursor."""
        return ""

    def workload(self) -> str:
        """Workload under the cursor, by its uuid."""
        return ""

    def copied(self) -> str:
        """Name or id of what is under the cursor: what ``yy`` copies."""
        return self.anchor()

    def subject(self) -> Subject:
        """What is under the cursor, for texts that are made of it and for the user's tools."""
        places = [view for view in (self.opened(), self.view) if view is not None]

        def first(kind: str) -> str:
            return next((view.subject for view in places if view.kind == kind), "")

        run, _slash, evaluation = first("evaluation").partition("/")
        number = first("trace")
        return Subject(
            name=self.copied(),
            definition=self.definition(),
            solution=self.solution() or first("solution"),
            workload=self.workload(),
            trace=int(number) if number.isdecimal() else None,
            run=run or first("run"),
            evaluation=evaluation,
            at=self.view.at,
            edits=self.view.kind == "matrix" or self.view.tab in ("source", "sources"),
            tab=self.view.tab,
        )

    def markdown(self) -> Callable[[], str] | None:
        """Makes a Markdown table of what is shown now, on any thread; None where there is none."""
        if self.body != "table":
            return None
        # Here, since nothing of it is needed for the first frame.
        from fitui.copying import pull_request
        from fitui.copying.tables import snapshot_of

        snapshot = snapshot_of(self.bench.table.source, str(self.view))
        store = self.session.store
        return None if snapshot is None else lambda: pull_request.markdown(store, snapshot)

    def store_changed(self) -> None:
        """The dataset changed: show what is there now."""
        self.show()

    def runs_changed(self, runs: frozenset[str]) -> None:
        """Runs went on."""

    def triage_changed(self) -> None:
        """More is known about what fails, and why."""

    def found(self) -> None:
        """Something that was looked up for the page on the screen is there.

        Raises:
            QueryError: What was asked for cannot be understood.
        """

    @property
    def waits(self) -> bool:
        """True while what was asked for is still to come, and what was there before is shown."""
        return False

    def give_up(self) -> bool:
        """Go back to what is shown from what is still to come.

        Returns:
            False where nothing is to come.
        """
        return False

    def resized(self) -> None:
        """The screen has another size."""

    def preview(self) -> Lines | None:
        """A text about what is under the cursor, for beside the table.

        The same object for as long as it is to stay.
        """
        return None

    def curve(self) -> Curve | None:
        """A curve for above the table."""
        return None

    def below(self) -> list[list[Span]]:
        """Lines for below the table."""
        return []

    def diff_view(self) -> View:
        """Where ``D`` leads: of a trace to what changed since it passed, else to its solution's."""
        opened, name = self.opened(), self.solution()
        if opened is not None and opened.kind == "trace":
            return View("trace", opened.subject, "diff")
        marked = [item for item in self.bench.marks.of(self.definition()) if item != name]
        return View("solution", name, "diff", against=marked[-1] if marked else "")

    # Commands that every page shares

    def do_open(self) -> None:
        """Enter what is under the cursor."""
        view = self.opened()
        if view is not None:
            self.bench.go(view)

    def do_next_tab(self) -> None:
        """Next tab."""
        self._turn_tab(1)

    def do_previous_tab(self) -> None:
        """Previous tab."""
        self._turn_tab(-1)

    def tab_view(self, tab: str) -> View:
        """The view of a tab."""
        return View(self.view.kind, self.view.subject, tab)

    def current_tab(self) -> str:
        """The tab that is shown."""
        return self.view.tab

    def _turn_tab(self, by: int) -> None:
        names = [name for name, _title in self.tabs]
        at = names.index(self.current_tab()) if self.current_tab() in names else 0
        self.bench.turn(self.tab_view(names[(at + by) % len(names)]))

    def tab_spans(self) -> list[Span]:
        """The tabs for the bar."""
        spans: list[Span] = [(" ", "")]
        for name, title in self.tabs:
            chosen = name == self.current_tab()
            spans.append((f"[{title}]" if chosen else f" {title} ", "chosen" if chosen else "dim"))
        return spans

    def beside_tabs(self, name: str, style: str) -> list[Span]:
        """A name for the right end of the bar, cut in its middle so that the tabs stay whole."""
        name = clean(name)
        room = self.bench.size.width - 2 - sum(cell_len(text) for text, _style in self.tab_spans())
        return [(f"{fit(name, min(room, cell_len(name)), middle=True)} ", style)]
