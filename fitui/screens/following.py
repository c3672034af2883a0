"""Tables whose rows come and go while they are read: follow, freeze, count the unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fitui.screens.page import Page
from fitui.screens.patience import Patience, Wanted
from fitui.screens.rows import FetchedRows
from fitui.view import NEWEST, View
from fitui.widgets.lines import Span

ROWS, NEWS, COUNT = "rows", "news", "count"
"""Questions about what the filter keeps: asked by a key, asked by news, and how many."""


class Following(Page):
    """What tables share that show what comes in."""

    rows: FetchedRows | None
    default_sort: str
    patience: Patience

    freezes = False
    """True where the rows can be held still."""

    follows = False
    """True where the newest row is the first, unless they are sorted otherwise."""

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self.frozen = False
        self.held_back = 0
        self.unseen = 0
        self._again = False

    def look(
        self,
        slot: str,
        find: Callable[[Wanted], Any],
        then: Callable[[Any], None],
        *,
        live: bool = False,
    ) -> None:
        """Find something out, on a thread where it may take long."""
        raise NotImplementedError

    def reload(self) -> None:
        """Show what the filter keeps now."""
        raise NotImplementedError

    def count_now(self) -> int:
        """Rows that the filter would keep if nothing were frozen."""
        raise NotImplementedError

    def apply(self, words: str) -> None:
        """Show the rows that a filter keeps."""
        raise NotImplementedError

    @property
    def newest_first(self) -> bool:
        """True where new rows come in at the top."""
        return self.follows and (self.view.sort or self.default_sort) in ("-time", "age")

    @property
    def is_following(self) -> bool:
        """True while the cursor stays on the newest row; moving away from it lets go."""
        return bool(self.view.follow) and self.newest_first and self.bench.table.cursor == 0

    def store_changed(self) -> None:
        """Show what came in around the row under the cursor, or count it."""
        if self.patience.waits(ROWS, NEWS, COUNT):
            # Not in its place, or news that come quickly would never be shown.
            self._again = True
        elif self.frozen:
            self.look(COUNT, lambda _wanted: self.count_now(), self._hold_back, live=True)
        else:
            self.reload()

    def look_again(self) -> None:
        """Show what came in while something else was being looked for."""
        if self._again:
            self._again = False
            self.store_changed()

    def _hold_back(self, number: int) -> None:
        self.held_back = max(0, number - (self.rows.row_count if self.rows else 0))
        self.look_again()

    def came_in(self, number: int, *, stays_first: bool) -> None:
        """Rows came in: go on following, or count them."""
        if stays_first:
            self.bench.table.move_to(0)
        elif self.follows and number > 0:
            self.unseen += number

    def do_follow(self) -> None:
        """Keep the cursor on the newest row, or no more."""
        if self.view.follow:
            self.bench.turn(self.view.but(follow=""))
        else:
            self.bench.turn(self.view.but(follow=NEWEST, sort=""))

    def do_freeze(self) -> None:
        """Hold the rows still, or show what came in meanwhile."""
        self.frozen = not self.frozen
        self.held_back = 0
        self.apply(self.view.filter)

    def live_spans(self) -> list[Span]:
        """For the bar: frozen, following, and how many rows nobody has seen."""
        if self.frozen:
            more = f" +{self.held_back}" if self.held_back else ""
            return [(f"frozen{more}  ", "warn")]
        if self.newest_first and self.bench.table.top == 0:
            self.unseen = 0
        spans: list[Span] = [(f"+{self.unseen}  ", "live")] if self.unseen else []
        if self.view.follow:
            spans.append(("follow  ", "live") if self.is_following else ("g follows  ", "dim"))
        return spans
