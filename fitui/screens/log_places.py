"""From a line of an evaluation's log to the line of the solution's source that it speaks of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from msgspec.structs import replace

from engine.insight.causes import Cause, cause_of
from engine.insight.folding import log_lines
from engine.insight.places import Place, find_place
from engine.schema import Status, Trace
from engine.store import TraceStore
from fitui.versions import find_version
from fitui.view import View
from fitui.widgets.log import LogLines

LONG = 256 << 10
"""Characters of a log from which on its lines are made safe only as they are asked for."""

_AROUND = 200
"""Lines around an error in the middle of a long log that are looked at."""


class LazyLines(Sequence[str]):
    """The lines of a long log.

    Args:
        lines: The log.
    """

    def __init__(self, lines: LogLines) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._lines.plain(at) for at in range(*index.indices(len(self)))]
        return self._lines.plain(index)


class LogPlaces:
    """The log of one evaluation, and the sources that it speaks of.

    Args:
        store: The dataset.

    Attributes:
        start: Line of the shown text at which the log begins.
        place: What the cause of the failure speaks of; None where it names no source.
        cause: Why it failed; None where it did not, or where that is not known yet.
    """

    def __init__(self, store: TraceStore) -> None:
        self.start = 0
        self.place: Place | None = None
        self.cause: Cause | None = None
        self._store = store
        self._lines: Sequence[str] = []
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
        self._sources, self.place = {}, None
        self.cause = cause_of(status, log)
        if len(log) <= LONG:
            self._lines = log_lines(log)
        else:
            text = LogLines(log)
            self._lines = lazy = LazyLines(text)
            self.cause = _in_the_middle(self.cause, status, text, lazy)
        found = find_version(self._store, solution, version)
        if found is None:
            return
        document, self._subject = found
        self._sources = {source.path: source.content for source in document.sources}
        self.place = find_place(self._lines, self.cause.at, self._sources)

    @property
    def source(self) -> str:
        """Text of the file that the place is in, or ""."""
        return self._sources.get(self.place.path, "") if self.place else ""

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


def _in_the_middle(cause: Cause, status: str, text: LogLines, lines: LazyLines) -> Cause:
    """The cause, or what the first error says, where only the middle of a long log has that.

    Causes are told from the beginning and the end of a log.
    """
    if text.is_mark(max(0, cause.at)):
        return cause
    first = next((at for at in range(len(text)) if text.is_mark(at)), None)
    if first is None:
        return cause
    start = max(0, first - _AROUND)
    found = cause_of(status, "\n".join(lines[start : first + _AROUND]))
    return cause if found.at < 0 else replace(found, at=found.at + start)
