"""What the tests of commands share: where each is tried, and with what around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec import Struct

from fitui import commands
from tests.fitui.ui.conftest import Driver
from tests.fitui.ui.tiny_files import FakeRun


class Stage:
    """A place in which a command is valid, and the key that is tried.

    Args:
        driver: Of the app.
        key: One of the command's keys.
        name: Id of the command.
        root: Dataset.
        state: State folder.
        run: The run that goes on, where the case asked for one.
    """

    def __init__(
        self, driver: Driver, key: str, name: str, root: Path, state: Path, run: FakeRun | None
    ) -> None:
        self.driver = driver
        self.key = key
        self.name = name
        self.root = root
        self.state = state
        self._run = run

    @property
    def run(self) -> FakeRun:
        """The run that goes on."""
        assert self._run is not None, "@covers(..., run=True)"
        return self._run

    @property
    def row(self) -> int:
        """Row under the cursor of the table."""
        return self.driver.bench.table.cursor

    async def press(self) -> None:
        """Press the key, which must mean the command here."""
        found = commands.for_key(self.key, self.driver.bench.scopes())
        assert found is not None and found.id == self.name, f"{self.key} means {found}"
        await self.driver.press(self.key)


Play = Callable[[Stage], Awaitable[None]]


class Case(Struct, frozen=True):
    """How one command is tried.

    Args:
        play: Presses the key and looks at what came of it.
        view: Where to start.
        run: With a run that goes on.
        gpus: On a machine with two GPUs.
        size: Of the terminal.
    """

    play: Play
    view: str
    run: bool = False
    gpus: bool = False
    size: tuple[int, int] = (80, 24)


CASES: dict[str, Case] = {}
"""By the id of the command."""


def covers(
    name: str,
    view: str,
    *,
    run: bool = False,
    gpus: bool = False,
    size: tuple[int, int] = (80, 24),
) -> Callable[[Play], Play]:
    """Have a function try a command, once with each of its keys.

    Args:
        name: Id of the command.
        view: Where to start.
        run: With a run that goes on.
        gpus: On a machine with two GPUs.
        size: Of the terminal.
    """

    def keep(play: Play) -> Play:
        assert name not in CASES, f"{name} is covered twice"
        CASES[name] = Case(play, view, run, gpus, size)
        return play

    return keep
