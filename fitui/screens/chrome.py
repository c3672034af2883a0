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
        room: Cells; the names that are furthest out are cut first.
    """
    title = clean(page.crumb())
    if len(trail) == 1:
        places = _place_spans(trail[0], title)
        if places and sum(cell_len(text) for text, _style in places) <= room:
            return places
    names = [_short(view) for view in trail[:-1]]
    if names:
        # A tab of what stands before it needs no second name.
        title = title.removeprefix(f"{names[-1]} > ")
    names.append(title)
    over = sum(cell_len(name) + len(_INTO) for name in names) - room
    for at, name in enumerate(names):
        wide = cell_len(name)
        if over > 0 and wide > _LEAST:
            names[at] = fit(name, max(_LEAST, wide - over), middle=True)
            over -= wide - cell_len(names[at])
    *outer, title = names
    return [(" ", ""), *((f"{name}{_INTO}", "dim") for name in outer), (title, "title")]


def _place_spans(view: View, title: str) -> list[Span]:
    """The views that a digit leads to; nothing where this is none of them."""
    if view.kind not in _PLACES:
        return []
    spans: list[Span] = []
    for kind, command in _PLACES.items():
        here = kind == view.kind
        spans.append((f" {command.keys[0]}", "accent"))
        spans.append((f"[{title}]" if here else f" {command.title} ", "chosen" if here else "dim"))
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
    text = f"  run {last.state} {last.ended}/{len(last.cells)}"
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
