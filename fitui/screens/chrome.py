"""What stands around every page: breadcrumb, state of the runs, and the footer's keys."""

from __future__ import annotations

from collections.abc import Sequence

from fitui import commands
from fitui.command_table import Command
from fitui.format import clean
from fitui.run_view import RunView
from fitui.screens.page import Page
from fitui.session import Session
from fitui.view import Trail, View
from fitui.widgets.lines import Span

RECENT_S = 24 * 3600.0
"""Seconds for which an ended run that has not been looked at is mentioned."""


def crumb_spans(trail: Trail, page: Page) -> list[Span]:
    """From the outermost view to this one."""
    spans: list[Span] = [(" ", "")]
    for view in trail[:-1]:
        spans.append((f"{_short(view)} > ", "dim"))
    title = clean(page.crumb())
    if len(trail) > 1:
        # A tab of what stands before it needs no second name.
        title = title.removeprefix(f"{_short(trail[-2])} > ")
    return [*spans, (title, "title")]


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
