"""What of the terminal is not Textual's usual: no reports of a moving mouse or of the focus.

Both would have the terminal send, and the screen repaint, where nobody did anything. Stands on
two methods of Textual's driver that are not public; textual is pinned.
"""

from __future__ import annotations

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from fitui.driver import ThinDriver

_CLICKS, _SGR = "\x1b[?1000", "\x1b[?1006"
_NO_FOCUS = "\x1b[?1004l"


class Terminal(ThinDriver):
    """The driver. With ``mouse=False`` the mouse is the terminal's own."""

    def start_application_mode(self) -> None:
        """Take the terminal over, at the start and after another program had it."""
        super().start_application_mode()
        self.write(_NO_FOCUS)

    def _enable_mouse_support(self) -> None:
        """Ask for clicks and the wheel alone."""
        if self._mouse:
            self.write(f"{_CLICKS}h{_SGR}h")
            self.flush()

    def _enable_mouse_pixels(self) -> None:
        """Cells are exact enough."""

    def _disable_mouse_support(self) -> None:
        """Give the mouse back."""
        if self._mouse:
            self.write(f"{_CLICKS}l{_SGR}l")
            self.flush()


class Colourless(LineFilter):
    """Takes every colour out of what is painted; bold, reverse and underline stay.

    Textual's own filters leave codes of the default colours, or greys.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Segments without colours."""
        return [
            Segment(text, None if style is None else _without_colour(style), control)
            for text, style, control in segments
        ]


@lru_cache(1024)
def _without_colour(style: Style) -> Style:
    return style.without_color
