"""The Textual app: theme, services, and the one screen. No data logic."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path, PurePath
from types import FrameType
from typing import ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import Monochrome, NoColor
from textual.theme import BUILTIN_THEMES, Theme

from engine.store import visits
from fitui import commands
from fitui.first_use import VARIABLE, other_datasets
from fitui.key_names import rebound
from fitui.memory import Memory, MemoryFile
from fitui.screens.too_small import TooSmall, fits
from fitui.screens.workbench import Changed, ThemeChosen, Workbench
from fitui.session import Session
from fitui.terminal import Colourless, Terminal
from fitui.themes import LOOKS, MONO, Look, theme_for
from fitui.view import ViewError, parse_view

END_S = 2
"""Seconds in which to keep the view when the terminal has gone."""


def _theme(look: Look) -> Theme:
    """A look as Textual takes it, whose own styles want a few variables more."""
    near = BUILTIN_THEMES[
        f"{'ansi' if look.is_ansi else 'textual'}-{'dark' if look.dark else 'light'}"
    ]
    return Theme(
        name=look.name,
        primary=look.accent,
        background=look.ground,
        foreground=look.letters,
        surface=look.ground,
        panel=look.ground,
        dark=look.dark,
        ansi=look.is_ansi,
        variables={**near.variables, **look.variables},
    )


class FituiApp(App[int], inherit_bindings=False):
    """The workbench on a session.

    Args:
        session: Services; started and stopped with the app.
        view: Text of the view to begin with, "" for the remembered one.
    """

    TITLE = "fitui"
    CSS_PATH: ClassVar[list[str | PurePath]] = [
        Path("styles/workbench.tcss"),
        Path("styles/themes.tcss"),
    ]
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []

    AUTO_FOCUS = ""

    def __init__(self, session: Session, view: str = "") -> None:
        super().__init__()
        for look in LOOKS:
            self.register_theme(_theme(look))
        # Textual's own leave codes of the default colours, or greys, where NO_COLOR is set.
        self._filters = [one for one in self._filters if not isinstance(one, NoColor | Monochrome)]
        self._colourless = Colourless(enabled=False)
        self._filters.append(self._colourless)
        config = session.settings.config
        commands.use(rebound(config.keys))
        self.use_theme(theme_for(os.environ, config.theme)[0])
        self.animation_level = "none"
        self.session = session
        self._memory_file = MemoryFile(session.state)
        self.bench = Workbench(session, self._memory_file.read(), self._remember, view)

    def _remember(self, memory: Memory) -> None:
        self._memory_file.write(memory)
        visits.note()

    def get_driver_class(self) -> type[Driver]:
        """A driver that asks a terminal for less, and writes to it only what changed."""
        found = super().get_driver_class()
        return Terminal if found is LinuxDriver else found

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Colours for as long as no theme is chosen."""
        return LOOKS[0].variables

    def use_theme(self, name: str) -> None:
        """Change the colours at once.

        Args:
            name: One of :data:`fitui.themes.NAMES`; none but "mono" where NO_COLOR is set.

        Raises:
            ValueError: NO_COLOR does not allow it.
        """
        if name != MONO and os.environ.get("NO_COLOR"):
            raise ValueError("NO_COLOR is set: there is no theme but mono")
        look = next(look for look in LOOKS if look.name == name)
        self._colourless.enabled = name == MONO
        self.set_class(look.is_ansi, "-ansi")
        self.set_class(name == MONO, "-mono")
        self.theme = name

    def on_resize(self, event: events.Resize) -> None:
        """Say so for as long as the terminal is too small."""
        said = isinstance(self.screen, TooSmall)
        if fits(event.size) and said:
            self.pop_screen()
        elif not fits(event.size) and not said:
            self.push_screen(TooSmall())

    def on_theme_chosen(self, message: ThemeChosen) -> None:
        """Change the colours, and say what makes that last."""
        try:
            self.use_theme(message.name)
        except ValueError as error:
            self.bench.say(str(error), "warn")
        else:
            line = f'theme = "{message.name}"'
            self.bench.say(
                f"theme {message.name}; it lasts with {line} in {self.session.settings.file}"
            )

    def get_default_screen(self) -> Workbench:
        """The one screen."""
        return self.bench

    def on_mount(self) -> None:
        """Begin to follow the files; when the terminal goes away, keep what it showed."""
        if not self.is_headless:
            self._mind_the_end()
        # Not before the first frame: looking at many folders takes as long as painting it.
        self.call_after_refresh(self.session.start, lambda change: self._tell(Changed(change)))

    def _mind_the_end(self) -> None:
        loop = asyncio.get_running_loop()

        def hang_up(number: int, _frame: FrameType | None) -> None:
            # Where the loop waits for a terminal that takes nothing any more, the alarm ends it.
            signal.alarm(END_S)
            loop.call_soon_threadsafe(self._hung_up, number)

        def leave(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.bench.do_leave)

        signal.signal(signal.SIGHUP, hang_up)
        signal.signal(signal.SIGTERM, leave)

    def _hung_up(self, number: int) -> None:
        """The terminal is gone: nothing can be painted or asked; runs go on."""
        self.bench.keep()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

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
        if isinstance(error, OSError):
            print(
                other_datasets(dataset is None and bool(os.environ.get(VARIABLE))), file=sys.stderr
            )
        return 2
    visits.begin()
    try:
        mouse = session.settings.config.mouse != "off"
        app = FituiApp(session, view)
        return app.run(mouse=mouse) or app.return_code or 0
    finally:
        visits.note()
        session.stop()
        session.store.close()


def _path(value: str | Path | None) -> Path | None:
    return Path(value).expanduser() if value is not None else None
