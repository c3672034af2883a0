"""The clipboard's bytes and the user's tools, in a real terminal."""

from __future__ import annotations

import base64
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.ui_terminal import open_fitui
from engine.run.client import runs_dir
from engine.store import TraceStore
from tests.fitui.ui.failing_files import write_failing

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

Open = Callable[[str, str], "Screen"]


class Screen:
    """The app in a terminal, and everything that it has painted.

    Args:
        root: Dataset.
        view: First view.
        shows: What is on the screen once it is there.
    """

    def __init__(self, root: Path, view: str, shows: str) -> None:
        self.terminal = open_fitui(root, view)
        self.painted = b""
        self.until(shows)

    def until(self, text: str, seconds: float = 30) -> None:
        """Read until a text has been painted since the last time.

        Only cells that changed are painted: the text must not begin or go on as what was there.
        """
        end = time.monotonic() + seconds
        while text.encode() not in self.painted:
            assert time.monotonic() < end, self.painted[-3000:]
            self.painted += self.terminal.read(0.2)
        self.painted = self.painted.partition(text.encode())[2]

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self.terminal.descriptor, keys.encode())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The dataset of which much fails."""
    return write_failing(tmp_path / "dataset")


@pytest.fixture
def open_app(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Starts the app on a view, and ends it."""
    screens: list[Screen] = []
    for name in ("TMUX", "VISUAL", "EDITOR", "PAGER"):
        monkeypatch.delenv(name, raising=False)

    def run(view: str, shows: str) -> Screen:
        screens.append(Screen(root, view, shows))
        return screens[-1]

    yield run
    for screen in screens:
        screen.terminal.close()


def tool(path: Path, script: str) -> str:
    """A program."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_terminal_gets_osc_52(open_app: Open) -> None:
    screen = open_app("definitions", "double_h8")
    screen.press("yy")
    screen.until("\x1b]52;c;" + base64.b64encode(b"double_h8").decode() + "\x07")
    screen.until("copied name, 9 B: clipboard")


def test_a_log_is_shown_in_the_pager(
    open_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", tool(tmp_path / "pager", 'echo "PAGER $# ${1##*/}"; tail -1 "$1"'))
    screen = open_app("trace 4", "cannot be multiplied")
    screen.press("o")
    screen.until("PAGER 1 4.log")
    screen.until("RuntimeError: mat1 and mat2 shapes cannot be multiplied")
    # And back, with keys that work.
    screen.until("slow")
    screen.press("yy")
    screen.until("copied name, 1 B")


def test_an_edited_solution_is_saved_and_run(
    open_app: Open, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tool(tmp_path / "editor", 'echo "EDITOR $1 $PWD"; echo "# edited" >> "$1"')
    monkeypatch.setenv("EDITOR", editor)
    # The run is only asked for: nothing here is to wait for torch.
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    screen = open_app("solution fast", "fast")
    screen.press("o")
    screen.until("EDITOR ")
    screen.until("save fast as a new version?")
    screen.press("y")
    screen.until("run it on all workloads?")
    with TraceStore.open(root) as store:
        assert store.solution("fast").sources[0].content.endswith("# edited\n")
    screen.press("n")
    screen.until(f": {str(root)[:8]}")
    assert not runs_dir(tmp_path / "fitui-state").exists()


def test_what_is_not_saved_is_still_there(
    open_app: Open, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", tool(tmp_path / "editor", 'echo "# more" >> "$1"; echo AGAIN'))
    screen = open_app("solution fast", "fast")
    for times in (1, 2):
        screen.press("o")
        screen.until("AGAIN")
        screen.until("save fast as a new version?")
        screen.press("n")
        screen.until("; o opens it again: ")
        (draft,) = (tmp_path / "fitui-state/edit").glob("fast@*/main.py")
        assert draft.read_text().count("# more") == times
    with TraceStore.open(root) as store:
        assert "more" not in store.solution("fast").sources[0].content


def test_an_editor_that_fails_loses_nothing(
    open_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", tool(tmp_path / "editor", 'echo "# kept" >> "$1"; exit 4'))
    screen = open_app("solution fast", "fast")
    screen.press("o")
    screen.until("ended with status 4")
    (draft,) = (tmp_path / "fitui-state/edit").glob("fast@*/main.py")
    assert draft.read_text().endswith("# kept\n")


def test_without_an_editor_it_says_what_to_set(open_app: Open, tmp_path: Path) -> None:
    screen = open_app("solution fast", "fast")
    screen.press("o")
    screen.until("no editor is set: `export EDITOR=vim`")
    assert list((tmp_path / "fitui-state/edit").glob("fast@*/main.py"))


def test_ctrl_c_in_a_tool_does_not_end_the_app(
    open_app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "trap 'echo STOPPED; exit 0' INT; echo READY; while :; do sleep 0.1; done"
    monkeypatch.setenv("PAGER", tool(tmp_path / "pager", script))
    screen = open_app("trace 4", "cannot be multiplied")
    screen.press("o")
    screen.until("READY")
    screen.press("\x03")
    screen.until("STOPPED")
    screen.press("yy")
    screen.until("copied name, 1 B")
