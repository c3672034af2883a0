"""Trace: one evaluation, opening on why it is as it is; log, sources and what it ran on as tabs.

What takes a while (a long log, files of the run, the difference of two versions) is found out on a
thread, and the page shows what it knows meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from engine.schema import Evaluation, Status, Trace, encode_pretty
from fitui import commands
from fitui.format import clean
from fitui.lookup import Lookup
from fitui.run_view import Target
from fitui.samples import Samples, find_samples, sample_lines
from fitui.screens.diff_model import Side, diff_text, last_passing, others
from fitui.screens.documents import Line, heading, wrapped
from fitui.screens.log_places import LONG, LogPlaces
from fitui.screens.page import Page
from fitui.screens.reasons import environment_lines, evidence_lines, figure_lines, verdict_lines
from fitui.screens.sources import SourceText
from fitui.screens.targets import pair_target
from fitui.screens.triage_preview import source_excerpt
from fitui.screens.workload_text import workload_lines
from fitui.versions import find_version
from fitui.view import View
from fitui.widgets.code import CodeLines
from fitui.widgets.lines import Span
from fitui.widgets.log import LogLines
from fitui.widgets.text import Document, Joined, Lines, Part

_WHOLE = 24
"""Lines of a log that are shown whole beside the verdict; of a longer one those at its error."""
_ABOVE, _BELOW = 3, 9
_SOURCE_AROUND = 4

TRACE_TABS = (
    ("", "why"),
    ("log", "log"),
    ("source", "source"),
    ("diff", "diff"),
    ("workload", "workload"),
    ("history", "history"),
    ("json", "JSON"),
)


class EvaluationPage(Page):
    """What trace and evaluation have in common."""

    body = "text"
    _definition = ""
    _solution = ""
    _workload = ""
    _axes: dict[str, int]

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self._axes = {}
        self._log = LogPlaces(self.session.store)
        self._shown = range(0)
        """Lines of the text that are lines of the log, and below the first of them."""
        self._first = 0
        self._opened = False

    @property
    def width(self) -> int:
        """Columns to wrap at."""
        return self.bench.text.size.width or 80

    def put(self, lines: Lines, at: int | None = None) -> None:
        """Show a text where the former one stood; the first time at a line, where one is given."""
        self.bench.text.show(lines, keep=True)
        if at is not None and not self._opened and self.bench.text.here is None:
            self._opened = True
            self.bench.text.go_to(at)

    def put_with_log(
        self, above: Sequence[Line], log: str, below: Sequence[Line] = (), *, whole: bool = False
    ) -> None:
        """Show lines, the log (around its error, where it is long), and lines below it."""
        lines = LogLines(log if log.strip() else "")
        if not len(lines):
            self._shown = range(0)
            self.put(Document([*above, *below]))
            return
        first, last, title = 0, len(lines), "log"
        if len(lines) > _WHOLE and not whole:
            at = self._log.cause.at if self._log.cause else 0
            first = max(0, min(at - _ABOVE, len(lines) - _ABOVE - _BELOW))
            last = min(len(lines), first + _ABOVE + _BELOW)
            key = commands.key_of("next_tab")
            title = f"log, lines {first + 1} to {last} of {len(lines)}; {key} shows all"
        head = Document([*above, *heading(title), []])
        self._shown, self._first = range(len(head), len(head) + last - first), first
        self.put(Joined([head, Part(lines, first, last), Document(below)]))

    def resized(self) -> None:
        """Wrap anew."""
        self.show()

    def scopes(self) -> set[str]:
        """A text, of something that can be run."""
        scopes = {"text", "search", "runnable", "definition", "sources", "copy"}
        if self.tabs:
            scopes.add("tabs")
        if self.view.tab in ("", "log"):
            scopes.add("failures")
        if self.view.tab == "diff":
            scopes.add("changes")
        if self._log.place is not None:
            scopes.add("places")
        return scopes | {"live"} if self.live_run() else scopes

    def hint(self) -> list[Span]:
        """Which line of the source its log speaks of."""
        place = self._log.place
        if place is None:
            return []
        return [(f" Enter shows {clean(place.path)}, line {place.line}", "dim")]

    def do_place(self) -> None:
        """To the line of the source that the marked line speaks of, else the cause."""
        here, line = self.bench.text.here, None
        if here is not None and self.view.tab in ("", "log") and here in self._shown:
            line = self._shown.index(here) + self._first
        view = self._log.view_of(line)
        if view is None:
            self.bench.say("this line speaks of no line of the solution's sources")
        else:
            self.bench.go(view)

    def definition(self) -> str:
        """Its definition."""
        return self._definition

    def solution(self) -> str:
        """Its solution."""
        return self._solution

    def workload(self) -> str:
        """Its workload."""
        return self._workload

    def target(self) -> Target | None:
        """The pair, once more."""
        return pair_target(self._definition, self._solution, self._workload, self._axes)

    def remember(self, definition: str, solution: str, workload: str, axes: dict[str, int]) -> None:
        """Keep what it is about."""
        self._definition, self._solution = definition, solution
        self._workload, self._axes = workload, axes


class TracePage(EvaluationPage):
    """A trace of the dataset."""

    tabs = TRACE_TABS

    def __init__(self, bench: Any, view: View) -> None:
        super().__init__(bench, view)
        self._trace: Trace | None = None
        self._places: Lookup[LogPlaces] | None = None
        self._samples: Lookup[Samples] | None = None
        self._text: Lookup[Lines] | None = None
        former = bench.page
        if isinstance(former, TracePage) and former.view.subject == view.subject:
            # Another tab of the same trace: what is known of it stays known.
            self._trace, self._samples = former._trace, former._known_samples
            self._log = former._log

    @property
    def _known_samples(self) -> Lookup[Samples] | None:
        return self._samples if self._samples is not None and self._samples.found else None

    def trace(self) -> Trace:
        """The trace; it is read once, since it never changes.

        Raises:
            LookupError: There is none of this id.
        """
        if self._trace is None:
            try:
                self._trace = self.session.store.trace(int(self.view.subject))
            except ValueError:
                raise LookupError(f"no trace {self.view.subject!r}: an id is a number") from None
        return self._trace

    def show(self) -> None:
        """Read the trace and show the tab."""
        trace = self.trace()
        self.remember(
            trace.definition, trace.solution or "", trace.workload.uuid, trace.workload.axes
        )
        self._read_log(trace)
        shown: dict[str, Callable[[Trace], None]] = {
            "log": self._show_log,
            "source": self._show_source,
            "diff": self._show_diff,
            "workload": self._show_workload,
            "json": self._show_json,
        }
        shown.get(self.view.tab, self._show_why)(trace)

    def _lookup(self, find: Callable[[], Any]) -> Lookup[Any]:
        """Find something out, and have the page shown again with it."""
        made: Lookup[Any] = Lookup(find, self.bench.looked_up, lambda: self.bench.shows(self))
        made.ask()
        return made

    def found(self) -> None:
        """Show what was found out."""
        if self._places is not None and self._places.found is not None:
            self._log = self._places.found
        self.show()

    def _read_log(self, trace: Trace) -> None:
        """Read why it failed; of a long log on a thread."""
        log = trace.evaluation.log if trace.evaluation else ""
        if len(log) <= LONG:
            self._log.read_trace(trace)
        elif self._places is None and self._log.cause is None:
            store = self.session.store

            def read() -> LogPlaces:
                places = LogPlaces(store)
                places.read_trace(trace)
                return places

            self._places = self._lookup(read)

    def _told(self, evaluation: Evaluation) -> tuple[str, str] | None:
        """Why it failed and what to try, as far as its log was read; None for its figures."""
        if evaluation.status is Status.INCORRECT_NUMERICAL:
            return ("", "") if len(evaluation.log) > LONG else None
        cause = self._log.cause
        if cause is not None and evaluation.log.strip():
            return clean(cause.line), cause.hint
        return ("The log is being read ...", "") if self._places is not None else None

    # Tabs

    def _show_why(self, trace: Trace) -> None:
        evaluation = trace.evaluation
        if evaluation is None:
            self.put(Document(verdict_lines(trace, self.width)))
            return
        above = verdict_lines(trace, self.width, self._told(evaluation)) + evidence_lines(trace)
        samples: list[Line] = []
        if evaluation.performance is not None:
            samples = self._sample_lines(evaluation)
        figures = figure_lines(trace, self.width, samples)
        around = environment_lines(trace)
        if evaluation.status is Status.PASSED:
            self.put_with_log([*above, *figures], evaluation.log, around)
        else:
            place = self._log.place
            sources = {place.path: self._log.source} if place else {}
            source = source_excerpt(place, sources, _SOURCE_AROUND)
            self.put_with_log(above, evaluation.log, [*source, *figures, *around])

    def _sample_lines(self, evaluation: Evaluation) -> list[Line]:
        if self._samples is None:
            state, libs = self.session.state, evaluation.environment.libs
            self._samples = self._lookup(lambda: find_samples(state, libs))
        found = self._samples.found
        if found is None:
            return [[("   being looked for ...", "dim")]]
        return sample_lines(found, self.width, plain=self.bench.plain)

    def _show_log(self, trace: Trace) -> None:
        log = trace.evaluation.log if trace.evaluation else ""
        if not log.strip():
            self.put(_sentence("This evaluation left no log."))
            return
        lines, cause = LogLines(log), self._log.cause
        self._shown, self._first = range(len(lines)), 0
        failed = cause is not None and 0 <= cause.at < len(lines)
        self.put(lines, cause.at if cause is not None and failed else None)

    def _show_source(self, trace: Trace) -> None:
        version = _version_of(trace)
        found = find_version(self.session.store, self._solution, version)
        if found is None:
            self.put(_sentence(f"The solution {self._solution} is not in this dataset any more."))
            return
        text = SourceText(found[0], _version_note(version, found[0].content_hash(), self.width))
        place = self._log.place
        self.put(text.lines, text.line_of(place.path, place.line) if place else None)

    def _show_diff(self, trace: Trace) -> None:
        if self._text is None:
            self._text = self._lookup(lambda: self._diff(trace))
        self.put(self._text.found or Document())

    def _diff(self, trace: Trace) -> Lines:
        """Against the last version that passed before, else another solution; on a thread."""
        store, version = self.session.store, _version_of(trace)
        found = find_version(store, self._solution, version)
        if found is None:
            return _sentence(f"The solution {self._solution} is not in this dataset any more.")
        this, subject = found
        rows = store.history(self._solution, self._workload)
        mine = next((row for row in rows if str(row.id) == self.view.subject), None)
        before = mine.time if mine is not None and mine.time is not None else float("inf")
        old = last_passing(store, this, self._workload, before)
        if old is None:
            old = next(iter(others(store, this)), None)
        note = _version_note(version, this.content_hash(), self.width)
        diff = diff_text(old, Side(this, subject, "this trace's version"), self.width)
        return Joined([Document(note), diff]) if note else diff

    def _show_workload(self, trace: Trace) -> None:
        if self._text is None:
            run = trace.evaluation.environment.libs.get("fitui.run", "") if trace.evaluation else ""
            view, store, width = self.session.runs.get(run), self.session.store, self.width
            settings = view.request.settings if view is not None else None
            self._text = self._lookup(
                lambda: Document(workload_lines(store, trace, settings, width))
            )
        self.put(self._text.found or Document())

    def _show_json(self, trace: Trace) -> None:
        line = self.session.store.trace_line(int(self.view.subject))
        if len(line) <= LONG:
            self.put(_json(line, trace))
            return
        if self._text is None:
            self._text = self._lookup(lambda: _json(line, trace))
        self.put(self._text.found or Document())

    # Chrome and commands

    def crumb(self) -> str:
        """What it is a trace of."""
        return f"trace {self.view.subject}"

    def bar(self) -> tuple[list[Span], list[Span]]:
        """Tabs and the solution."""
        return self.tab_spans(), self.beside_tabs(self._solution, "title")

    def copied(self) -> str:
        """Its number."""
        return self.view.subject

    def do_diff(self) -> None:
        """To the tab with what changed since it passed."""
        self.bench.turn(self.tab_view("diff"))

    def store_changed(self) -> None:
        """A trace never changes."""


def _json(line: bytes, trace: Trace) -> CodeLines:
    """The line of a trace, indented."""
    try:
        text = msgspec.json.format(line, indent=2)
    except msgspec.DecodeError:
        # A dialect of JSON, such as a bare NaN, which the store reads.
        text = encode_pretty(trace)
    return CodeLines(text.decode("utf-8", "replace"), "json", numbers=False)


def _version_of(trace: Trace) -> str:
    """Content hash of the solution that ran, or ""."""
    return trace.evaluation.environment.libs.get("fitui.solution", "") if trace.evaluation else ""


def _version_note(version: str, shown: str, width: int) -> list[Line]:
    """What to know where it is not certain that these sources ran."""
    if version == shown:
        return []
    if version:
        words = f"Version {version} was not kept on this machine: this is the solution as it is now"
    else:
        words = "The trace does not say which version ran: this is the solution as it is now"
    return [[], *wrapped(f"{words}, {shown}.", width, "warn")]


def _sentence(text: str) -> Document:
    return Document([[], [(f" {clean(text)}", "dim")]])
