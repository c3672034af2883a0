"""The app on a tiny dataset, driven by keys at 80x24."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fitui.app import FituiApp
from fitui.screens.run_dialog import PLANNING
from fitui.screens.workbench import Workbench
from fitui.session import Session
from tests.fitui.ui.tiny_files import FakeRun, write_dataset


class Driver:
    """Presses keys and reads the screen."""

    def __init__(self, pilot: Pilot[int], root: Path) -> None:
        self.pilot = pilot
        self.root = root

    @property
    def app(self) -> FituiApp:
        """The app."""
        assert isinstance(self.pilot.app, FituiApp)
        return self.pilot.app

    @property
    def bench(self) -> Workbench:
        """The screen under all dialogs."""
        return self.app.bench

    @property
    def view(self) -> str:
        """Text of the view on the screen."""
        return str(self.bench.navigator.view)

    @property
    def status(self) -> str:
        """The status line."""
        return self.bench.status.text

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until they have had their effect."""
        for key in keys:
            await self.pilot.press(key)
            await self.planned()
        await self.pilot.pause()

    async def planned(self) -> None:
        """Wait until it is known what a run would mean, where somebody has asked."""
        while waiting := [item for item in self.app.workers if item.group == PLANNING]:
            await self.app.workers.wait_for_complete(waiting)
            await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        await self.press(*text)

    def screen(self) -> str:
        """What the terminal shows."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(item.text for item in strip).rstrip() for strip in strips)

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for something that files or threads bring about."""
        for _ in range(int(seconds / 0.05)):
            if condition():
                return
            await self.pilot.pause(0.05)
        raise AssertionError(f"never happened; the screen shows\n{self.screen()}")

    async def shows(self, text: str) -> None:
        """Wait until the screen shows a text."""
        await self.until(lambda: text in self.screen())


Start = Callable[..., contextlib.AbstractAsyncContextManager[Driver]]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys wait for the index however slow the machine is; tests of waiting say otherwise."""
    monkeypatch.setattr("fitui.screens.patience.KEY_S", 30.0)
    monkeypatch.setattr("fitui.screens.patience.LIVE_S", 30.0)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder."""
    return tmp_path / "fitui-state"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tiny dataset."""
    return write_dataset(tmp_path / "dataset")


@pytest.fixture
def fake_run(state: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRun:
    """A run of all pairs whose runner seems to be alive."""
    monkeypatch.setattr("engine.run.client.is_running", lambda _queue, _run: True)
    run = FakeRun(state, root)
    run.begin()
    return run


@pytest.fixture
def start(root: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start the app; runs that it submits get no runner."""
    monkeypatch.setattr("engine.run.client.start_runner", lambda _state: None)
    monkeypatch.setattr(
        "fitui.session.Session.devices", property(lambda _session: ["cpu"]), raising=True
    )

    @contextlib.asynccontextmanager
    async def run(
        view: str = "", *, size: tuple[int, int] = (80, 24), dataset: Path = root
    ) -> AsyncIterator[Driver]:
        session = Session(dataset, None, state)
        app = FituiApp(session, view)
        try:
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                yield Driver(pilot, dataset)
        finally:
            session.stop()
            session.store.close()

    return run
