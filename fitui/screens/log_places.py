"""From a line of an evaluation's log to the line of the solution's source that it speaks of."""

from __future__ import annotations

from engine.insight.causes import cause_of
from engine.insight.folding import log_lines
from engine.insight.places import Place, find_place
from engine.schema import Solution, Status, Trace
from engine.store import TraceStore
from fitui.view import View


class LogPlaces:
    """The log of one evaluation, and the sources that it speaks of.

    Args:
        store: The dataset.

    Attributes:
        start: Line of the shown text at which the log begins.
        place: What the cause of the failure speaks of; None where it names no source.
    """

    def __init__(self, store: TraceStore) -> None:
        self.start = 0
        self.place: Place | None = None
        self._store = store
        self._lines: list[str] = []
        self._sources: dict[str, str] = {}
        self._subject = ""
        self._known: tuple[str, str, str] | None = None

    def read_trace(self, trace: Trace) -> None:
        """Read a trace of the dataset."""
        evaluation = trace.evaluation
        if evaluation is None or evaluation.status is Status.PASSED:
            return
        version = evaluation.environment.libs.get("fitui.solution", "")
        self.read(trace.solution or "", evaluation.status, evaluation.log, version)

    def read(self, solution: str, status: str, log: str, version: str = "") -> None:
        """Read the log of a failure.

        Args:
            solution: Name of the solution.
            status: Of the evaluation.
            log: Its log.
            version: Content hash of the solution that ran, or "".
        """
        if self._known == (solution, version, log):
            return
        self._known = (solution, version, log)
        self._lines, self._sources, self.place = log_lines(log), {}, None
        found = find_version(self._store, solution, version)
        if found is None:
            return
        document, self._subject = found
        self._sources = {source.path: source.content for source in document.sources}
        at = cause_of(status, log).at
        self.place = find_place(self._lines, at, self._sources)

    def view_of(self, line: int | None) -> View | None:
        """The view of the source line that a line of the log speaks of.

        Args:
            line: From 0; None, or one outside of the log, for the line of the cause.
        """
        place = self.place
        if line is not None and 0 <= line < len(self._lines):
            place = find_place(self._lines, line, self._sources)
        if place is None:
            return None
        return View("solution", self._subject, at=f"{place.path}:{place.line}")


def find_version(store: TraceStore, name: str, version: str) -> tuple[Solution, str] | None:
    """A solution as it was when it ran, else as it is now, and what a view calls it.

    Args:
        store: The dataset.
        name: Of the solution.
        version: Content hash, or "".
    """
    try:
        current = store.solution(name)
    except (LookupError, ValueError, OSError):
        current = None
    if version and (current is None or current.content_hash() != version):
        try:
            return store.solution(name, version), f"{name}@{version}"
        except (LookupError, ValueError, OSError):
            pass
    return None if current is None else (current, name)
