"""Every screen looks as in the pictures: in two sizes, in colour and without."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fitui.app import FituiApp
from fitui.screens.pages import PAGES
from fitui.session import Session
from fitui.view import KINDS, parse_view
from tests.fitui.ui.conftest import Driver
from tests.fitui.ui.fixed_machine import (
    DATA,
    EMPTY,
    HERE,
    ROOT,
    STATE,
    fixed_machine,
    write_everything,
)
from tests.fitui.ui.pictures import FOLDER, HOW, difference, slim
from tests.fitui.ui.scenes import SCENES, Scene

SIZES = ((80, 24), (200, 50))
COLOURS = ("colour", "plain")
PASSING = {"fitui-preview", "fitui-scan"}
"""Threads that end when they have found what the screen is to show."""


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixed dataset and the state folder; its index is made once."""
    folder = tmp_path_factory.mktemp("fixed")
    with pytest.MonkeyPatch.context() as patch:
        write_everything(folder, patch)
    return folder


@pytest.fixture
def here(everything: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be in a folder that has both, on the fixed machine."""
    for name in (ROOT.name, EMPTY.name, DATA.name):
        (tmp_path / name).symlink_to(everything / name)
    shutil.copytree(everything / STATE.name, tmp_path / STATE.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FITUI_CACHE", str(everything / "cache"))
    with fixed_machine(monkeypatch):
        yield


async def take(pilot: Pilot[int], scene: Scene) -> str:
    """Play a scene, and picture it."""
    driver = Driver(pilot, ROOT)
    await driver.until(lambda: not driver.bench.session.store.indexing)
    await driver.shows(scene.shows)
    for key in scene.keys:
        await driver.press(key)
    await driver.shows(scene.then)
    await driver.until(lambda: not PASSING & {thread.name for thread in threading.enumerate()})
    before, svg = "", slim(driver.app.export_screenshot(title="fitui"))
    for _ in range(50):
        if svg == before:
            return svg
        # What came last may still have to be laid out.
        await pilot.pause(0.02)
        before, svg = svg, slim(driver.app.export_screenshot(title="fitui"))
    raise AssertionError(f"{scene.name} never comes to rest")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
async def test_a_screen_looks_as_in_its_picture(
    scene: Scene,
    size: tuple[int, int],
    colour: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if colour == "plain":
        monkeypatch.setenv("NO_COLOR", "1")
    session = Session(HERE / scene.dataset, None, STATE)
    try:
        app = FituiApp(session, scene.view)
        async with app.run_test(size=size) as pilot:
            svg = await take(pilot, scene)
    finally:
        session.stop()
        session.store.close()
    file = f"{scene.name}-{size[0]}x{size[1]}-{colour}.svg"
    if request.config.getoption("--snapshot-update"):
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / file).write_text(svg, "utf-8")
        return
    problem = difference(scene.name, svg, FOLDER / file, tmp_path / file)
    assert not problem, problem


def test_no_picture_is_left_of_a_scene_that_has_gone(request: pytest.FixtureRequest) -> None:
    names = {
        f"{scene.name}-{width}x{height}-{colour}.svg"
        for scene in SCENES
        for width, height in SIZES
        for colour in COLOURS
    }
    left = [path for path in FOLDER.glob("*") if path.name not in names]
    if request.config.getoption("--snapshot-update"):
        for path in left:
            path.unlink()
        return
    assert not left, f"to remove them: {HOW}"


def test_every_kind_of_view_and_every_tab_is_pictured() -> None:
    views = [parse_view(scene.view) for scene in SCENES]
    assert {view.kind for view in views} == set(KINDS)
    shown = {(view.kind, view.tab) for view in views}
    # The matrix is a tab of a definition, and a view of its own.
    tabs = {(kind, tab) for (kind, _tab), page in PAGES.items() for tab, _title in page.tabs}
    tabs -= {(kind, "matrix") for kind in KINDS} | {("matrix", tab) for _kind, tab in tabs}
    assert tabs <= shown, tabs - shown
