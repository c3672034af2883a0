"""What somebody meets who has no data, no GPU, no place to write, or too small a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.run.client import list_runs
from engine.run.devices import Device
from fitui.app import run_app
from fitui.config import config_file
from fitui.first_use import unwritable
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import write_dataset


def test_a_missing_folder_is_said_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_app(tmp_path / "nope") == 2
    said = capsys.readouterr().err
    assert "does not exist" in said and "fitui pull --to DIR" in said
    monkeypatch.setenv("FIB_DATASET_PATH", str(tmp_path / "nope"))
    assert run_app() == 2
    assert "env -u FIB_DATASET_PATH fitui" in capsys.readouterr().err


async def test_an_empty_dataset_says_where_to_get_one(start: Start, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    async with start(dataset=tmp_path / "empty") as driver:
        await driver.shows("No definitions in this dataset.")
        assert str(tmp_path / "empty")[:60] in driver.screen()
        for command in ("fitui --dataset DIR", "fitui pull --to DIR"):
            assert command in driver.screen()
        for key in "0123":
            await driver.press(key, "r")
            assert driver.screen().strip()


async def test_a_dataset_of_broken_files_says_which_key_shows_them(
    start: Start, tmp_path: Path
) -> None:
    folder = tmp_path / "broken" / "definitions" / "x"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text("{")
    async with start("definitions", dataset=tmp_path / "broken") as driver:
        await driver.shows("Nothing of this dataset could be read: 1 problem.")
        assert "4 shows each with file, line and reason" in driver.screen()
        await driver.press("4")
        assert "a.json" in driver.screen()


async def test_without_a_gpu_it_is_said_what_that_means(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = Device(name="cpu", hardware="Test CPU", key="cpu")
    monkeypatch.setattr("fitui.screens.devices.list_devices", lambda: (processor,))
    async with start("devices") as driver:
        await driver.shows("No GPU here: solutions run on the CPU")
        assert "fitui doctor" in driver.screen()
        await driver.press("1", "R")
        assert "no GPU here" in driver.screen()


def test_a_folder_that_cannot_be_written_is_found_before_it_is_needed(tmp_path: Path) -> None:
    assert unwritable(tmp_path / "new" / "folder") == ""
    (tmp_path / "file").touch()
    assert unwritable(tmp_path / "file" / "folder") == f"{tmp_path / 'file'} is a file"


@pytest.fixture
def blocked(state: Path) -> Path:
    """A state folder that cannot be made."""
    state.write_text("a file in its place")
    return state


@pytest.mark.usefixtures("blocked")
async def test_a_state_folder_that_cannot_be_written_is_said_and_nothing_is_run(
    start: Start,
) -> None:
    async with start("definitions") as driver:
        assert "`fitui --state DIR` is needed" in driver.status
        await driver.press("j", "k")
        assert "--state" not in driver.status
        await driver.press("r")
        assert "`fitui --state DIR` is needed" in driver.status
        assert driver.view == "definitions"


async def test_results_without_a_place_are_not_made(
    start: Start, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(
        "fitui.session.Session.overlay_folder", lambda _session: tmp_path / "file" / "overlay"
    )
    async with start("definitions") as driver:
        assert "`fitui --overlay DIR` is needed" in driver.status
        await driver.press("r")
        assert "`fitui --overlay DIR` is needed" in driver.status
        assert not list_runs(state)


async def test_a_terminal_that_is_too_small_says_how_large_it_has_to_be(start: Start) -> None:
    async with start("definitions", size=(50, 12)) as driver:
        assert "This terminal is 50x12; 60x15 is needed." in driver.screen()
        await driver.press("j", "r", "question_mark")
        await driver.pilot.resize_terminal(60, 15)
        await driver.shows("DEFINITION")
        assert "needed" not in driver.screen()
        await driver.pilot.resize_terminal(80, 14)
        await driver.shows("This terminal is 80x14")
        await driver.press("q")
        assert driver.app.return_value == 0


@pytest.mark.parametrize("key", ["R", "question_mark", "colon"])
async def test_dialogs_fit_the_smallest_terminal(start: Start, key: str) -> None:
    async with start("definitions", size=(60, 15)) as driver:
        await driver.press(key)
        lines = driver.screen().splitlines()
        assert len(lines) == 15 and any("└" in line for line in lines)
        if key == "R":
            assert "4 evaluations" in driver.screen() and "Enter runs" in driver.screen()


async def test_columns_of_the_settings_are_the_usual_ones(start: Start) -> None:
    config_file().write_text('[columns]\ntraces = "+author,-device"\nruns = "+nothing"\n')
    async with start("traces", size=(150, 30)) as driver:
        header = driver.screen().splitlines()[2]
        assert "AUTHOR" in header and "DEVICE" not in header
        await driver.press("3")
        assert "columns.runs" in driver.status
    async with start("traces cols:solution,age") as driver:
        assert "AUTHOR" not in driver.screen()


def test_the_tiny_dataset_can_be_written(tmp_path: Path) -> None:
    assert unwritable(write_dataset(tmp_path / "one")) == ""
