"""The Textual app: theme, services, and the one screen. No data logic."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType

from engine.store import visits
from fitui.memory import Memory, MemoryFile
from fitui.screens.workbench import Changed, Workbench
from fitui.session import Session
from fitui.view import ViewError, parse_view


def theme_for(environment: Mapping[str, str]) -> str:
    """Theme for a terminal: the user's own palette unless it shows 24-bit colour."""
    if environment.get("NO_COLOR"):
        return "ansi-dark"
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "textual-dark"
    return "ansi-dark"


class FituiApp(App[int], inherit_bindings=False):
    """The workbench on a session.

    Args:
        session: Services; started and stopped with the app.
        view: Text of the view to begin with, "" for the remembered one.
    """

    TITLE = "fitui"
    CSS_PATH = Path("styles/workbench.tcss")
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    AUTO_FOCUS = ""

    def __init__(self, session: Session, view: str = "") -> None:
        theme = theme_for(os.environ)
        # Said at once: without colour Textual chooses its filter by this, before the theme is set.
        super().__init__(ansi_color=True if theme.startswith("ansi") else None)
        self.theme = theme
        self.animation_level = "none"
        self.session = session
        self._memory_file = MemoryFile(session.state)
        self.bench = Workbench(session, self._memory_file.read(), self._remember, view)

    def _remember(self, memory: Memory) -> None:
        self._memory_file.write(memory)
        visits.note()

    def get_default_screen(self) -> Workbench:
        """The one screen."""
        return self.bench

    def on_mount(self) -> None:
        """Begin to follow the files; do without focus reports, which repaint the screen."""
        if os.environ.get("NO_COLOR"):
            self.add_class("-mono")
        if self._driver is not None and not self.is_headless:
            self._driver.write("\x1b[?1004l")
        self.session.start(lambda change: self._tell(Changed(change)))

    def _tell(self, message: Changed) -> None:
        self.bench.post_message(message)

    def on_unmount(self) -> None:
        """Stop following."""
        self.session.stop()

    def on_cursor_position(self, _event: events.CursorPosition) -> None:
        """The terminal's answer to the question behind a live frame: it has kept up."""
        self.bench.acknowledge()

    async def _on_app_blur(self, event: events.Event) -> None:
        """Another window has the focus: Textual would repaint the screen for it."""
        event.prevent_default()

    async def _on_app_focus(self, event: events.Event) -> None:
        """And back."""
        event.prevent_default()


def run_app(
    dataset: str | Path | None = None,
    overlay: str | Path | None = None,
    state: str | Path | None = None,
    view: str = "",
) -> int:
    """Open the UI and stay until the user leaves.

    Args:
        dataset: Folder, or None for the bundled dataset.
        overlay: Folder to write to, or None to choose.
        state: State folder, or None for the user's own.
        view: Text of the view to begin with, "" for the one of last time.

    Returns:
        Exit status: 0, or 2 where the dataset or the view cannot be used.
    """
    try:
        if view:
            parse_view(view)
        session = Session(_path(dataset), _path(overlay), _path(state))
    except (OSError, ViewError) as error:
        print(f"fitui: {error}", file=sys.stderr)
        return 2
    visits.begin()
    try:
        return FituiApp(session, view).run() or 0
    finally:
        visits.note()
        session.stop()
        session.store.close()


def _path(value: str | Path | None) -> Path | None:
    return Path(value).expanduser() if value is not None else None
