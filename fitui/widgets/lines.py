"""The base of every widget here: lines painted on demand, and only changed lines repainted.

A subclass says what a line looks like (:meth:`LineWidget.paint`); after any change of state it
calls :meth:`LineWidget.repaint`, which paints the visible lines, compares them with what is on the
screen and marks the ones that differ. So a change out of sight costs no byte, and the unit of
saving is Textual's own, the line. It knows nothing of what the lines mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

Span = tuple[str, str]
"""A piece of a line: its text, and the name of its style ("" for plain)."""

STYLES = (
    "cursor",
    "header",
    "chosen",
    "title",
    "dim",
    "accent",
    "passed",
    "failed",
    "live",
    "warn",
    "match",
    "wrong",
    "keyword",
    "string",
    "number",
    "comment",
    "name",
)
"""Names of styles; component class ``line--NAME`` each."""


class LineWidget(Widget, can_focus=False, inherit_bindings=False):
    """A widget painted line by line, that repaints only the lines that changed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"line--{name}" for name in STYLES}
    DEFAULT_CSS = """
    LineWidget { background: $background; color: $foreground; }
    LineWidget > .line--cursor { background: $primary; color: $text; text-style: bold; }
    LineWidget > .line--header { color: $text-muted; text-style: bold; }
    LineWidget > .line--chosen { color: $text-accent; text-style: bold underline; }
    LineWidget > .line--title { text-style: bold; }
    LineWidget > .line--dim { color: $text-muted; }
    LineWidget > .line--accent { color: $text-accent; }
    LineWidget > .line--passed { color: $text-success; }
    LineWidget > .line--failed { color: $text-error; text-style: bold; }
    LineWidget > .line--live { color: $text-warning; }
    LineWidget > .line--warn { color: $text-warning; }
    LineWidget > .line--match { text-style: reverse; }
    LineWidget > .line--wrong { color: $text-error; text-style: underline; }
    LineWidget > .line--keyword { color: $text-accent; }
    LineWidget > .line--string { color: $text-success; }
    LineWidget > .line--number { color: $text-warning; }
    LineWidget > .line--comment { color: $text-muted; text-style: italic; }
    LineWidget > .line--name { text-style: bold; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._painted: dict[int, Strip] = {}
        self._ready: dict[int, Strip] = {}
        self._resolved: dict[str, Style] = {}

    def paint(self, y: int) -> Strip:
        """The strip of line ``y`` of the widget, as wide as the widget."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        """Line API: the strip that goes to the screen."""
        strip = self._ready.pop(y, None)
        if strip is None or strip.cell_length != self.size.width:
            strip = self.paint(y)
        self._painted[y] = strip
        return strip

    def repaint(self, lines: Iterable[int] | None = None) -> None:
        """Mark those visible lines for painting that look different now.

        Args:
            lines: The only ones that can; None for all.
        """
        if not self.is_attached or not self.display:
            return
        width, height = self.size
        for y in range(height) if lines is None else lines:
            if not 0 <= y < height:
                continue
            strip = self.paint(y)
            if (shown := self._painted.get(y)) is None or shown != strip:
                # It is asked for in a moment.
                self._ready[y] = strip
                self.refresh(Region(0, y, width, 1))
            else:
                self._ready.pop(y, None)

    def style_of(self, name: str) -> Style:
        """Style of a name, over the widget's own."""
        known = self._resolved.get(name)
        if known is None:
            known = self.rich_style
            if name:
                known = known + self.get_component_rich_style(f"line--{name}")
            self._resolved[name] = known
        return known

    def notify_style_update(self) -> None:
        """Forget styles when the theme changes."""
        super().notify_style_update()
        self._resolved.clear()
        self._ready.clear()

    def strip(self, spans: Sequence[Span], *, left: int = 0, fill: str = "") -> Strip:
        """A strip from spans, from column ``left`` on, filled up to the widget's width."""
        segments = [Segment(text, self.style_of(style)) for text, style in spans if text]
        return Strip(segments).crop_extend(left, left + self.size.width, self.style_of(fill))


def fit(text: str, width: int, *, right: bool = False, middle: bool = False) -> str:
    """Text cut or padded to a width in cells; a cut shows as ``…``.

    Args:
        right: Pad on the left.
        middle: Cut in the middle: names that begin alike often end differently.
    """
    if width <= 0:
        return ""
    if text.isascii():
        if len(text) > width:
            tail = width // 3 if middle else 0
            return text[: width - 1 - tail] + "…" + text[len(text) - tail :]
        return text.rjust(width) if right else text.ljust(width)
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    pad = " " * (width - length)
    return pad + text if right else text + pad
