"""A view is a value with one text form, and the trail of views a person has walked.

The text is what the breadcrumb, the history, the state file, ``:`` and ``fitui VIEW`` share:
``definitions op:gemm sort:-speedup``, ``matrix rmsnorm_h4096``, ``trace 123``. Knows no widgets
and no store; a filter is carried, not understood.
"""

from __future__ import annotations

import re

from msgspec import Struct
from msgspec.structs import replace

KINDS = (
    "triage",
    "definitions",
    "definition",
    "matrix",
    "solution",
    "traces",
    "trace",
    "evaluation",
    "runs",
    "run",
    "compare",
    "history",
    "devices",
    "problems",
)
"""Every kind of view."""

WITH_SUBJECT = (
    "definition",
    "matrix",
    "solution",
    "trace",
    "evaluation",
    "run",
    "compare",
    "history",
)
"""Kinds that are about one thing, which follows the kind."""

WITH_OTHER = {"compare": "second solution", "history": ""}
"""Kinds that are about a second thing as well; "" where that may be left out."""

HOME_OF = {
    "definition": "definitions",
    "matrix": "definitions",
    "solution": "definitions",
    "trace": "traces",
    "evaluation": "runs",
    "run": "runs",
    "compare": "definitions",
    "history": "traces",
}

_TOKEN = re.compile(r'(?:"(?:[^"\\]|\\.)*"?|[^\s"])+')


class ViewError(ValueError):
    """A text that names no view."""


class View(Struct, frozen=True):
    """What is looked at.

    Args:
        kind: One of :data:`KINDS`.
        subject: Name or id of the one thing it is about, for a kind that has one.
        tab: Part of the page ("" for the first).
        filter: Expression of the filter language, as typed.
        sort: Field to sort by, with a leading ``-`` for descending, or "".
        at: Line of a source to begin at, ``PATH:LINE``, or ""; of a solution only.
        other: The second solution of a comparison, the workload of a history, or "".
    """

    kind: str
    subject: str = ""
    tab: str = ""
    filter: str = ""
    sort: str = ""
    at: str = ""
    other: str = ""

    def __str__(self) -> str:
        parts = [self.kind]
        if self.subject:
            parts.append(_quote(self.subject))
        if self.other or (self.kind in WITH_OTHER and self.filter):
            parts.append(_quote(self.other))
        if self.tab:
            parts.append(f"tab:{self.tab}")
        if self.filter:
            parts.append(self.filter)
        if self.sort:
            parts.append(f"sort:{self.sort}")
        if self.at:
            parts.append(f"at:{_quote(self.at, plain=':')}")
        return " ".join(parts)

    @property
    def place(self) -> str:
        """The view without filter and sort, under which a cursor is remembered."""
        return str(View(self.kind, self.subject, self.tab, other=self.other))

    def but(self, **changes: str) -> View:
        """The same view with some fields changed."""
        return replace(self, **changes)


def _quote(text: str, plain: str = "") -> str:
    if re.fullmatch(r'[^\s":()]+', text.translate(str.maketrans("", "", plain))):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquote(token: str) -> str:
    if token.startswith('"'):
        return re.sub(r"\\(.)", r"\1", token[1:].removesuffix('"'))
    return token


HOME = View("triage")


def parse_view(text: str) -> View:
    """Read the text form of a view.

    Raises:
        ViewError: It names no kind, or lacks the subject that the kind needs.
    """
    tokens = _TOKEN.findall(text)
    if not tokens:
        return HOME
    kind, rest = tokens[0].lower(), tokens[1:]
    if kind not in KINDS:
        raise ViewError(f"no view named {tokens[0]!r}: one of {', '.join(KINDS)}")
    fields = {"sort": "", "tab": ""}
    if kind == "solution":
        fields["at"] = ""
    words: list[str] = []
    for token in rest:
        name, colon, value = token.partition(":")
        if colon and value and name in fields:
            fields[name] = _unquote(value)
        else:
            words.append(token)
    subject = ""
    if kind in WITH_SUBJECT:
        if not words:
            raise ViewError(f"which {kind}? e.g. `{kind} NAME`")
        subject = _unquote(words.pop(0))
    other = _unquote(words.pop(0)) if kind in WITH_OTHER and words else ""
    if not other and (needed := WITH_OTHER.get(kind)):
        raise ViewError(f"which {needed}? e.g. `{kind} {subject} NAME`")
    words_text = " ".join(words)
    return View(kind, subject, filter=words_text, other=other, **fields)


Trail = tuple[View, ...]


def trail_to(view: View) -> Trail:
    """The trail of somebody who came straight to a view."""
    home = HOME_OF.get(view.kind)
    return (View(home), view) if home else (view,)


class Navigator:
    """The trail under the screen, and the history of trails.

    Args:
        trail: Where to start; at least one view.
    """

    LIMIT = 200

    def __init__(self, trail: Trail) -> None:
        self._history: list[Trail] = [trail]
        self._index = 0

    @property
    def trail(self) -> Trail:
        """From the outermost view to the one on the screen."""
        return self._history[self._index]

    @property
    def view(self) -> View:
        """The view on the screen."""
        return self.trail[-1]

    def enter(self, view: View) -> None:
        """Go in: the view on the screen becomes the way back."""
        if view != self.view:
            self._record((*self.trail, view))

    def jump(self, view: View) -> None:
        """Go straight to a view."""
        if self.trail != trail_to(view):
            self._record(trail_to(view))

    def out(self) -> bool:
        """Go out to where this view was entered from.

        Returns:
            False at the outermost view.
        """
        if len(self.trail) == 1:
            return False
        self._record(self.trail[:-1])
        return True

    def replace(self, view: View) -> None:
        """Change the view in place: another filter, sort or tab is no step."""
        self._history[self._index] = (*self.trail[:-1], view)

    def step(self, by: int) -> bool:
        """Walk the history.

        Returns:
            False at its end.
        """
        if not 0 <= self._index + by < len(self._history):
            return False
        self._index += by
        return True

    def _record(self, trail: Trail) -> None:
        del self._history[self._index + 1 :]
        self._history.append(trail)
        del self._history[: -self.LIMIT]
        self._index = len(self._history) - 1
