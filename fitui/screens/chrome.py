"""What stands around every page: breadcrumb, state of the runs, and the footer's keys."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from fitui import commands
from fitui.command_table import COMMANDS, Command
from fitui.format import clean
from fitui.run_view import RunView
from fitui.screens.page import Page
from fitui.session import Session
from fitui.view import Trail, View
from fitui.widgets.lines import Span, fit

RECENT_S = 24 * 3600.0
"""Seconds for which an ended run that has not been looked at is mentioned."""
_PLACES = {
    command.id.removeprefix("go_"): command
    for command in sorted(COMMANDS, key=lambda command: command.keys)
    if command.id.startswith("go_")
}
"""Kinds of views that have a key of their own, by that key."""
_INTO = " > "
_LEAST = 12
"""Cells that a name in the breadcrumb keeps, however many there are."""


def crumb_spans(trail: Trail, page: Page, room: int) -> list[Span]:
    """From the outermost view to this one; where that is a place of its own, all places.

    Args:
        room: Cells; the names that are furthest out are cut first, and then left out.
    """
    title = clean(page.crumb())
    if len(trail) == 1:
        for titled in range(len(_PLACES), -1, -1):
            places = _place_spans(trail[0], title, titled)
            if places and sum(cell_len(text) for text, _style in places) <= room:
                return places
    names = [_short(view) for view in trail[:-1]]
    if names:
        # A tab of what stands before it needs no second name.
        title = title.removeprefix(f"{names[-1]} > ")
    for at, name in enumerate(names):
        names[at] = _shortened(name, _over([*names, title], room))
    outer = names
    for gone in range(1, len(names) + 1):
        if _over([*outer, title], room) > 0:
            outer = ["…", *names[gone:]]
    title = _shortened(title, _over([*outer, title], room))
    return [(" ", ""), *((f"{name}{_INTO}", "dim") for name in outer), (title, "title")]


def _over(names: Sequence[str], room: int) -> int:
    """Cells by which names are too wide together."""
    return 1 + sum(map(cell_len, names)) + len(_INTO) * (len(names) - 1) - room


def _shortened(name: str, by: int) -> str:
    wide = cell_len(name)
    return fit(name, max(_LEAST, wide - by), middle=True) if by > 0 and wide > _LEAST else name


def _place_spans(view: View, title: str, titled: int) -> list[Span]:
    """The views that a digit leads to; nothing where this is none of them.

    Args:
        titled: How many are named, besides this one; of the others there is the digit.
    """
    if view.kind not in _PLACES:
        return []
    spans: list[Span] = []
    for at, (kind, command) in enumerate(_PLACES.items()):
        spans.append((f" {command.keys[0]}", "accent"))
        if kind == view.kind:
            spans.append((f"[{title}]", "chosen"))
        elif at < titled:
            spans.append((f" {command.title} ", "dim"))
    return spans


def _short(view: View) -> str:
    if view.kind == "problems":
        return "bad files"
    if view.kind == "matrix":
        return f"{clean(view.subject)} matrix"
    return clean(view.subject) if view.kind in ("definition", "solution") else _two(view)


def _two(view: View) -> str:
    return clean(f"{view.kind} {view.subject.partition('/')[2] or view.subject}".strip())


def run_spans(session: Session, seen: float, now: float) -> list[Span]:
    """How far the runs are, or the index; else how the last run ended, until it has been seen."""
    live = session.live_runs()
    if live:
        done = sum(view.ended for view in live)
        every = sum(len(view.cells) for view in live)
        failed = sum(view.failed for view in live)
        words = f"{_live_words(live)} {done}/{every}" if every else f"{_live_words(live)} starting"
        tail: list[Span] = [(f" {failed} failed", "failed")] if failed else []
        return [(f"  {words}", "live"), *tail, (" ", "")]
    if session.store.indexing:
        return [(f"  {session.dataset_status}", "live"), (" ", "")]
    last = next(iter(session.runs.values()), None)
    ended = last.finished or last.request.created if last else 0.0
    if last is None or ended <= seen or now - ended > RECENT_S:
        return []
    state = "" if last.state == "finished" else f"{last.state} "
    text = f"  run {state}{last.ended}/{len(last.cells)}"
    if last.failed:
        return [(text, "dim"), (f" {last.failed} failed", "failed"), (" ", "")]
    return [(text, "failed" if last.broken else "passed"), (" ", "")]


def _live_words(live: Sequence[RunView]) -> str:
    """``run``, ``run paused``, ``2 runs, 1 queued``."""
    states = [view.survey.standing for view in live]
    counts = [(state, states.count(state)) for state in ("queued", "paused")]
    if len(live) == 1:
        return " ".join(["run", *(state for state, number in counts if number)])
    return ", ".join(
        [f"{len(live)} runs", *(f"{number} {state}" for state, number in counts if number)]
    )


def footer_spans(scopes: set[str], width: int) -> list[Span]:
    """The most useful keys that are valid, as many as fit; help and leave always."""
    found = commands.in_footer(scopes)
    last = [item for item in found if item.id in ("help", "leave")]
    room = width - 1 - sum(_length(item) for item in last)
    chosen = []
    for item in found:
        if item in last:
            continue
        if _length(item) <= room:
            room -= _length(item)
            chosen.append(item)
    spans: list[Span] = [(" ", "")]
    for item in [*chosen, *last]:
        spans += [(commands.shown_key(item.keys[0]), "accent"), (f" {item.title}  ", "dim")]
    return spans


def _length(command: Command) -> int:
    return len(commands.shown_key(command.keys[0])) + len(command.title) + 3
