"""A view is a value with one text form, and the trail of views a person has walked.

The text is what the breadcrumb, the history, the state file, ``:``, ``fitui VIEW`` and ``fitui ls``
share: ``definitions op:gemm sort:-speedup``, ``traces status:failed sort:-speedup,latency
cols:+run,-age``, ``traces group:solution``, ``matrix rmsnorm_h4096``, ``trace 123``. Knows no
widgets and no store; filter and names of fields are carried, not understood.
"""

from __future__ import annotations

import re
from collections.abc import Collection

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

WITHOUT_ROWS = ("matrix", "trace", "evaluation")
"""Kinds that are no table of rows."""

ROWS_BY_TAB = ("definition", "solution")
"""Kinds that are tables of rows on their further tabs only."""

NEWEST = "newest"
"""What ``follow:`` of a view says."""

_NAMED = ("sort", "cols", "group", "follow")
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
        sort: Fields to sort by, each with a leading ``-`` for descending, joined by commas, or "".
        at: Line of a source to begin at, ``PATH:LINE``, or ""; of a solution only.
        other: The second solution of a comparison, the workload of a history, or "".
        cols: Columns: all of them (``solution,latency``) or what is other than usual
            (``+run,-age``), or "".
        group: Field whose values are shown, each with its number of rows, instead of the rows;
            or "".
        follow: :data:`NEWEST` where the cursor is to stay on the newest row, or "".
        against: What a diff of a solution begins with, NAME or NAME@VERSION, or "".
    """

    kind: str
    subject: str = ""
    tab: str = ""
    filter: str = ""
    sort: str = ""
    at: str = ""
    other: str = ""
    cols: str = ""
    group: str = ""
    follow: str = ""
    against: str = ""

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
        for name in _NAMED:
            if value := getattr(self, name):
                parts.append(f"{name}:{value}")
        if self.at:
            parts.append(f"at:{_quote(self.at, plain=':')}")
        if self.against:
            parts.append(f"against:{_quote(self.against)}")
        return " ".join(parts)

    @property
    def place(self) -> str:
        """The view without filter, sort and columns, under which a cursor is remembered."""
        return str(View(self.kind, self.subject, self.tab, other=self.other, group=self.group))

    @property
    def has_rows(self) -> bool:
        """True for a table of rows: it has columns to choose, and values to count."""
        return self.kind not in WITHOUT_ROWS and (self.kind not in ROWS_BY_TAB or bool(self.tab))

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


def parse_view(text: str, kinds: Collection[str] = KINDS) -> View:
    """Read the text form of a view.

    Args:
        text: Its text.
        kinds: The kinds that there are.

    Raises:
        ViewError: It names no kind, lacks the subject that the kind needs, or has columns or
            fields to sort by that cannot be meant.
    """
    tokens = _TOKEN.findall(text)
    if not tokens:
        return HOME
    kind, rest = tokens[0].lower(), tokens[1:]
    if kind not in kinds:
        raise ViewError(f"no view named {tokens[0]!r}: one of {', '.join(kinds)}")
    fields = {"tab": "", **dict.fromkeys(_NAMED, "")}
    if kind == "solution":
        fields |= {"at": "", "against": ""}
    words: list[str] = []
    for token in rest:
        name, colon, value = token.partition(":")
        if colon and name in fields and (value or name in _NAMED):
            if fields[name]:
                raise ViewError(f"{name}: is there twice: {fields[name]!r} and {value!r}")
            fields[name] = _checked(name, value) if name in _NAMED else _unquote(value)
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
    view = View(kind, subject, filter=" ".join(words), other=other, **fields)
    for name in ("cols", "group", "follow"):
        if getattr(view, name) and not view.has_rows:
            raise ViewError(f"{view.place} is no table of rows: it has no {name}:")
    return view


def _checked(name: str, value: str) -> str:
    """The names of fields in a part such as ``sort:-speedup,latency``.

    Raises:
        ViewError: One is missing, there twice, or of another manner than the others.
    """
    if not value:
        raise ViewError(f"{name}: needs a value right after it")
    if name == "follow":
        if value != NEWEST:
            raise ViewError(f"follow:{value} is not known; there is follow:{NEWEST}")
        return value
    parts = value.split(",")
    signs = "+-" if name == "cols" else "-" if name == "sort" else ""
    bare = [part[1:] if part[:1] and part[0] in signs else part for part in parts]
    if "" in bare:
        raise ViewError(f"{name}:{value} lacks the name of a field")
    if name == "group" and len(parts) > 1:
        raise ViewError(f"group:{value} names several fields; rows are grouped by one")
    if twice := next((item for item in bare if bare.count(item) > 1), ""):
        raise ViewError(f"{name}:{value} names {twice} twice")
    if name == "cols" and len({part[0] in signs for part in parts}) > 1:
        raise ViewError(
            f"cols:{value} mixes both ways: name all columns, or only changes, each with + or -"
        )
    return value


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
        self._former: Trail | None = None

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
        self._former = self.trail
        self._index += by
        return True

    def toggle(self) -> bool:
        """Go to the view that was on the screen before this one; once more comes back.

        Returns:
            False where there was none.
        """
        if self._former is None:
            return False
        self._record(self._former)
        return True

    def _record(self, trail: Trail) -> None:
        self._former = self.trail
        del self._history[self._index + 1 :]
        self._history.append(trail)
        del self._history[: -self.LIMIT]
        self._index = len(self._history) - 1
