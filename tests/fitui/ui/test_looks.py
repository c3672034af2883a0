"""Themes, NO_COLOR, sixteen colours and the mouse: what reaches the terminal, and the settings."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fitui import commands
from fitui.command_table import COMMANDS
from fitui.config import config_file
from fitui.themes import LOOKS
from tests.fitui.ui.conftest import Start

REPOSITORY = Path(__file__).resolve().parents[3]
START = (
    "import sys; from fitui.app import run_app; sys.exit(run_app(sys.argv[1], view=sys.argv[2]))"
)
_SGR = re.compile(rb"\x1b\[([\d;:]*)m")
_EXTENDED = re.compile(r"\b[34]8[;:]")

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(autouse=True)
def own_keys() -> Iterator[None]:
    """Other tests have the keys of the registry."""
    yield
    commands.use(COMMANDS)


class Terminal:
    """A terminal with the app in it, and everything that was written to it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.written = b""

    def read(self, quiet: float = 0.5) -> None:
        """Read until nothing has come for a while."""
        end = time.monotonic() + 20
        while time.monotonic() < end and select.select([self.descriptor], [], [], quiet)[0]:
            piece = os.read(self.descriptor, 65536)
            if b"\x1b[6n" in piece:
                os.write(self.descriptor, b"\x1b[1;1R")
            self.written += piece

    def press(self, *keys: bytes) -> None:
        """Press keys one by one."""
        for key in keys:
            os.write(self.descriptor, key)
            self.read(0.3)

    def colours(self) -> set[str]:
        """Parameters of every change of style that is about colour."""
        found: set[str] = set()
        for match in _SGR.finditer(self.written):
            text = match[1].decode()
            if _EXTENDED.search(text):
                found.add(text)
                continue
            codes = [int(code) for code in re.split("[;:]", text) if code]
            found |= {str(code) for code in codes if 30 <= code <= 49 or 90 <= code <= 107}
        return found


@contextmanager
def opened(root: Path, view: str, **environment: str) -> Iterator[Terminal]:
    """The app in a terminal of 80x24, painted."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        for name in ("NO_COLOR", "COLORTERM", "SSH_CONNECTION", "SSH_TTY", "COLORFGBG"):
            os.environ.pop(name, None)
        os.environ.update(TERM="xterm-256color", **environment)
        os.execv(sys.executable, [sys.executable, "-c", START, str(root), view])
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    terminal = Terminal(descriptor)
    try:
        end = time.monotonic() + 30
        while b"definitions" not in terminal.written and time.monotonic() < end:
            terminal.read()
        yield terminal
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(descriptor)


PALETTE = (b":", *(bytes([letter]) for letter in b"theme li"), b"\r")


def test_without_colour_no_colour_reaches_the_terminal(root: Path) -> None:
    config_file().write_text('theme = "dark"\n')
    with opened(root, "definitions", NO_COLOR="1", COLORTERM="truecolor") as terminal:
        # A table, the help, the run dialog, a matrix with a failure, a source, the palette.
        terminal.press(b"j", b"k", b"?", b"\x1b", b"R", b"\x1b", b"m", b"j", b"v", b"0", *PALETTE)
        assert terminal.colours() == set()
        codes = b";".join(_SGR.findall(terminal.written)).split(b";")
        assert b"7" in codes and b"1" in codes, "the cursor is reverse, titles are bold"
        assert b"NO_COLOR is set" in terminal.written


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light"])
def test_a_theme_of_sixteen_colours_uses_no_others(root: Path, theme: str) -> None:
    config_file().write_text(f'theme = "{theme}"\n')
    with opened(root, "definitions", COLORTERM="truecolor") as terminal:
        terminal.press(b"j", b"k", b"?", b"\x1b", b"R", b"\x1b", b"m", b"j", b"v", b"0")
        colours = terminal.colours()
        assert colours and not any(";" in one for one in colours), colours


@pytest.mark.parametrize(("mouse", "on"), [("auto", True), ("on", True), ("off", False)])
def test_the_mouse_is_the_terminals_own_where_wanted(root: Path, mouse: str, on: bool) -> None:
    config_file().write_text(f'mouse = "{mouse}"\n')
    with opened(root, "definitions") as terminal:
        asked = set(re.findall(rb"\x1b\[\?(1\d\d\d)h", terminal.written))
        assert (b"1000" in asked) is on and (b"1006" in asked) is on
        assert not asked & {b"1002", b"1003", b"1015", b"1016"}, "nobody asks where it moves"


async def test_a_theme_is_switched_at_once(start: Start) -> None:
    async with start("definitions") as driver:
        for look in LOOKS:
            await driver.press("colon")
            await driver.type(f"theme {look.name}")
            await driver.press("enter")
            assert driver.app.theme == look.name
            assert f"theme {look.name}; it lasts with" in driver.status
            assert driver.app.has_class("-mono") is (look.name == "mono")
            style = driver.bench.table.style_of("failed")
            assert style.color is not None
            assert style.color.is_system_defined is look.is_ansi


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Ratio of WCAG, from 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


XTERM = {
    "ansi_red": "#cd0000",
    "ansi_green": "#00cd00",
    "ansi_yellow": "#cdcd00",
    "ansi_blue": "#0000ee",
    "ansi_magenta": "#cd00cd",
    "ansi_cyan": "#00cdcd",
    "ansi_bright_red": "#ff0000",
    "ansi_bright_white": "#ffffff",
}


@pytest.mark.parametrize("look", LOOKS[:-1], ids=lambda look: look.name)
def test_everything_can_be_read(look: object) -> None:
    assert look in LOOKS
    ground, letters = ("#000000", "#e5e5e5") if look.dark else ("#ffffff", "#000000")

    def shown(colour: str, default: str) -> str:
        return default if colour == "ansi_default" else XTERM.get(colour, colour)

    ground = shown(look.ground, ground)
    for name in ("letters", "muted", "accent", "passed", "failed", "warn"):
        assert contrast(shown(getattr(look, name), letters), ground) >= 4.5, name
    assert contrast(shown(look.on_cursor, letters), shown(look.cursor, ground)) >= 4.5


async def test_what_is_wrong_in_the_settings_is_said_at_the_start(start: Start) -> None:
    config_file().write_text('theme = "none"\nhome = "runs"\n[keys]\nhelp = ["q"]\n')
    async with start() as driver:
        assert "fitui-config.toml:1: theme: 'none' is none of" in driver.status
        assert driver.view == "runs"
        await driver.press("j")
        assert "theme" not in driver.status


async def test_keys_can_be_changed(start: Start) -> None:
    config_file().write_text('[keys]\nhelp = ["F2", "H"]\nhistory = ["ctrl+o"]\n')
    async with start("definitions") as driver:
        assert "F2 keys" in driver.bench.footer.text
        await driver.press("question_mark")
        assert "keys valid here" not in driver.screen()
        await driver.press("f2")
        assert "keys valid here" in driver.screen()
