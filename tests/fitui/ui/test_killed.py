"""The terminal goes away while a run is going on: nothing is lost.

A real run on the CPU device, started by its key. The terminal is closed (SIGHUP), or the program
killed (SIGKILL), at several moments; the next start shows the same view on the same row, and the
run has not noticed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.ui_measure import is_painted
from benchmarks.ui_screen import CURSOR, Screen
from benchmarks.ui_terminal import Terminal, open_fitui
from engine.run.client import RunHandle, cancel, list_runs
from tests.engine.run.conftest import wait_for
from tests.fitui.ui.tiny_files import SOLUTIONS, solution, write, write_dataset

SLOW = "import time\n\n\ndef run(x, y):\n    time.sleep(0.05)\n    y[:] = x + x\n"
MORE = (*SOLUTIONS, *(f"more{number:02}" for number in range(24)))
"""Solutions: so many that the run outlasts all tests here, so few that it asks nothing."""


class Going(NamedTuple):
    """A run that goes on, and where it does."""

    dataset: Path
    places: Path
    handle: RunHandle

    def terminal(self, view: str = "") -> Terminal:
        """The workbench, painted."""
        terminal = open_fitui(self.dataset, view, places=self.places)
        terminal.until(is_painted)
        return terminal

    @property
    def state_file(self) -> Path:
        """What is remembered."""
        return self.places / "state/state.json"


@pytest.fixture(scope="module")
def going(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Going]:
    """Started by ``r`` in a terminal that was closed as soon as it said so."""
    root = tmp_path_factory.mktemp("killed")
    dataset, places = write_dataset(root / "dataset"), root / "places"
    for name in MORE:
        document = solution(name)
        document["sources"][0]["content"] = f"{SLOW}# {name}\n"
        write(dataset / f"solutions/me/pointwise/double_h8/{name}.json", document)
    (places / "locks").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FITUI_LOCKS", str(places / "locks"))
        terminal = open_fitui(dataset, "definitions", places=places)
        terminal.until(is_painted)
        terminal.send(b"r")
        terminal.shows("started")
        terminal.hang_up()
        assert terminal.process.wait(10) != 0
        (handle,) = list_runs(places / "state")
        try:
            yield Going(dataset, places, handle)
        finally:
            cancel(handle)
            wait_for(handle, lambda item: not item.live, 60)


def place(screen: Screen) -> tuple[str, str, int]:
    """The crumbs without the run's progress, what names the row under the cursor, its column."""
    crumbs, y = screen.lines[0].strip().split("   ")[0], screen.cursor
    if y is None:
        return crumbs, "", 0
    # The other cells of a matrix change while the run goes on.
    words = screen.lines[y].split()[: 1 if "matrix" in crumbs else 3]
    return crumbs, " ".join(words), [look.back for look in screen.looks[y]].index(CURSOR)


def is_gone(terminal: Terminal) -> bool:
    """True once the program has ended."""
    try:
        terminal.process.wait(10)
    except subprocess.TimeoutExpired:
        return False
    return True


class Moment(NamedTuple):
    """Keys in a view, what the screen shows then, and what the state file has of it."""

    view: str
    keys: bytes
    shown: str
    kept: str


MOMENTS = {
    "on a row": Moment("definition double_h8 tab:workloads", b"jj", "row 3", '"wl-0256'),
    "in a cell of the matrix": Moment("matrix double_h8", b"jl", "row 2", "\\twl-0016"),
    "after going in": Moment("definitions", b"j\r", "> triple_h8", "definition triple_h8"),
    "with a filter": Moment(
        "traces", b"/status:passed\r", " / status:passed", "traces status:passed"
    ),
    "in a trace": Moment("traces solution:wrong", b"\r", "> trace", '"trace '),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("how", ["hang up", "kill"])
def test_the_next_start_shows_the_same_and_the_run_goes_on(
    going: Going, moment: str, how: str
) -> None:
    view, keys, shown, kept = MOMENTS[moment]
    going.state_file.unlink()
    with going.terminal(view) as terminal:
        terminal.send(keys)
        terminal.until(lambda screen: is_shown(screen, shown), 10, shown)
        before = place(terminal.screen)
        if how == "kill":
            # A tenth of a second after a move it is in the file, whatever happens then.
            terminal.until(lambda _screen: kept in going.state_file.read_text(), 10, kept)
            terminal.kill()
        terminal.hang_up()
        assert is_gone(terminal)
    assert kept in going.state_file.read_text()
    with going.terminal() as terminal:
        terminal.until(lambda screen: place(screen) == before, 10, str(before))
        terminal.until(lambda screen: "run " in screen.lines[0], 10, "the run")
    going.handle.poll()
    assert going.handle.state == "running"


def is_shown(screen: Screen, what: str) -> bool:
    """True where the cursor is on a row of the table, by number, or the first lines say it."""
    if screen.painting or not what.startswith("row "):
        return not screen.painting and what in "\n".join(screen.lines[:2])
    # Above the first row are crumbs, tabs or filter, and the heading.
    return screen.cursor == 2 + int(what.removeprefix("row "))
