"""The way through the views: in, out, back, and to where a key leads."""

from __future__ import annotations

from fitui import clock
from fitui.memory import Memory
from fitui.screens.page import Page
from fitui.view import Navigator, View


class Ways:
    """What a screen does to go from view to view."""

    page: Page
    navigator: Navigator
    memory: Memory

    @property
    def base(self) -> View:
        """Where every way out ends."""
        raise NotImplementedError

    def keep(self) -> None:
        """Remember where the person is."""
        raise NotImplementedError

    def display_view(self, former: Page | None = None) -> None:
        """Show the view that the navigator is at; a former page of the same place may come back."""
        raise NotImplementedError

    def say(self, text: str, style: str = "") -> None:
        """A sentence for the status line."""
        raise NotImplementedError

    def go(self, view: View) -> None:
        """Enter a view."""
        self.keep()
        self.navigator.enter(view)
        self.display_view()

    def jump(self, view: View) -> None:
        """Go straight to a view."""
        self.keep()
        self.navigator.jump(view)
        self.display_view()

    def turn(self, view: View) -> None:
        """Another tab, filter or sort of the same thing."""
        self.keep()
        self.navigator.replace(view)
        self.display_view(self.page)

    def put_back(self, page: Page, view: View) -> None:
        """Have a page again that is still shown, in the place of the one that waits."""
        self.page, page.view = page, view
        self.navigator.replace(view)

    def do_out(self) -> None:
        """Give up what is being looked for, or go out; at the outermost view, drop the filter."""
        if self.page.give_up():
            return
        self.keep()
        if self.navigator.view.filter and len(self.navigator.trail) == 1:
            self.navigator.replace(self.navigator.view.but(filter=""))
            self.display_view(self.page)
            return
        if not self.navigator.out():
            if self.navigator.view == self.base:
                return
            self.navigator.jump(self.base)
        self.display_view()

    def do_history_back(self) -> None:
        """Back in the history."""
        self._walk(-1)

    def do_history_forward(self) -> None:
        """Forward in the history."""
        self._walk(1)

    def _walk(self, by: int) -> None:
        self.keep()
        if self.navigator.step(by):
            self.display_view()
        else:
            self.say("the history ends here")

    def do_last_view(self) -> None:
        """The view before this one; once more comes back."""
        self.keep()
        if self.navigator.toggle():
            self.display_view()
        else:
            self.say("there is no other view yet")

    def do_go_triage(self) -> None:
        """What fails now."""
        self.jump(View("triage"))

    def do_go_definitions(self) -> None:
        """Definitions."""
        self.jump(View("definitions"))

    def do_go_traces(self) -> None:
        """Traces."""
        self.jump(View("traces"))

    def do_go_runs(self) -> None:
        """Runs; those that have ended count as seen."""
        self.memory.seen = clock.now()
        self.jump(View("runs"))

    def do_go_devices(self) -> None:
        """Devices."""
        self.jump(View("devices"))

    def do_history(self) -> None:
        """History of the solution under the cursor, on the workload there if there is one."""
        name = self.page.solution()
        if name:
            self.go(View("history", name, other=self.page.workload()))

    def do_go_problems(self) -> None:
        """Bad files."""
        self.jump(View("problems"))

    def do_matrix(self) -> None:
        """Matrix of the definition under the cursor."""
        self.go(View("matrix", self.page.definition()))

    def do_source(self) -> None:
        """Sources of the solution under the cursor."""
        self.go(View("solution", self.page.solution()))

    def do_diff(self) -> None:
        """What differs in the sources of the trace, version or solution under the cursor."""
        self.go(self.page.diff_view())
