"""The line of what can be copied: what it offers where, and what becomes of the texts."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from fitui.cli import main
from fitui.editing import open_draft, read_draft
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.failing_files import write_failing
from tests.fitui.ui.tiny_files import FakeRun


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The dataset of which much fails."""
    return write_failing(tmp_path / "dataset")


async def copied(driver: Driver, *keys: str) -> str:
    """What keys put into the clipboard."""
    before = driver.app.clipboard
    await driver.press(*keys)
    await driver.until(lambda: driver.app.clipboard != before)
    return driver.app.clipboard


PLACES = {
    "triage": "ycepjsma",
    "definitions": "ycpjsm",
    "definition double_h8": "ycpjs",
    "definition double_h8 tab:solutions": "ycpjsma",
    "definition double_h8 tab:workloads": "ycpjsm",
    "solution fast": "ycpjsa",
    "traces status:failed": "ycepjsma",
    "trace 5": "ycepjsa",
    "matrix double_h8": "ycepjsma",
    "compare fast large": "ycpjsma",
    "problems": "yepm",
}


@pytest.mark.parametrize("view", PLACES)
async def test_what_can_be_copied_is_offered(start: Start, view: str) -> None:
    async with start(view, size=(100, 24)) as driver:
        if view == "triage":
            await driver.shows("5 causes")
        if view.startswith("compare"):
            await driver.shows("geomean")
        await driver.press("y")
        line = driver.status
        assert line.startswith(" copy ") and driver.bench.footer.text.strip() == "Esc leave"
        offered = {part.split()[0] for part in line.removeprefix(" copy").split("  ") if part}
        assert offered == set(PLACES[view])
        await driver.press("escape")
        assert driver.view == view


async def test_two_keys_copy_the_command(start: Start) -> None:
    async with start("traces solution=tma_a workload=wl-0256") as driver:
        text = await copied(driver, "y", "c")
        assert text.startswith("fitui bench -d double_h8 -s tma_a -w wl-0256 --device cpu ")
        size = len(text)
        assert driver.status.startswith(f" copied command, {size} B: clipboard, ")


async def test_the_line_fits_into_eighty_columns(start: Start) -> None:
    async with start("traces status:failed") as driver:
        await driver.press("y")
        assert driver.screen().splitlines()[-2:] == [
            " copy  y name  c command  e error  p path  j JSON  s source  m table  a brief",
            " Esc leave",
        ]


async def test_a_key_that_means_nothing_leaves_the_line_open(start: Start) -> None:
    async with start("definitions") as driver:
        await driver.press("y", "j", "y", "z", "down", "q")
        assert driver.bench.choosing
        assert await copied(driver, "y") == "double_h8"


async def test_what_cannot_be_made_is_said(start: Start) -> None:
    async with start("traces status:PASSED") as driver:
        await driver.press("y", "e")
        await driver.shows("nothing was copied: nothing failed here")
        assert driver.app.clipboard == ""


async def test_a_large_text_lies_in_the_file(start: Start, root: Path, state: Path) -> None:
    path = root / "solutions/me/pointwise/double_h8/fast.json"
    document = json.loads(path.read_text())
    document["sources"][0]["content"] += "# much\n" * 20_000
    path.write_text(json.dumps(document))
    async with start("solution fast") as driver:
        await driver.press("y", "s")
        await driver.shows("too large for the clipboard")
        assert driver.app.clipboard == ""
        assert (state / "clip.txt").read_text() == document["sources"][0]["content"]


async def test_of_an_evaluation_without_a_trace(start: Start, fake_run: FakeRun) -> None:
    async with start(f"run {fake_run.run}") as driver:
        await driver.shows("fast")
        text = await copied(driver, "y", "c")
        assert text.startswith("fitui bench -d double_h8 -s fast -w wl-0001 --device cpu --quick")
        assert json.loads(await copied(driver, "y", "j"))["run"] == fake_run.run


async def test_of_a_run(start: Start, fake_run: FakeRun) -> None:
    async with start("runs") as driver:
        text = await copied(driver, "y", "c")
        assert text.startswith("fitui bench --device cpu --definition=double_h8 --dataset=")
        assert await copied(driver, "y", "p") == str(fake_run.folder.path)


async def test_a_comparison_has_a_command_and_a_table(start: Start) -> None:
    async with start("compare fast large") as driver:
        await driver.shows("geomean")
        assert (await copied(driver, "y", "c")).startswith("fitui compare fast large --dataset=")
        text = await copied(driver, "y", "m")
        assert "| all | 2 | 1.000 |" in text and "A = `fast`, B = `large`" in text


async def test_the_table_is_the_view(start: Start) -> None:
    async with start("traces status:failed sort:id") as driver:
        text = await copied(driver, "y", "m")
        titles = text.splitlines()[0]
        shown = driver.bench.table.source
        assert titles.count(" | ") == len(shown.columns) - 1
        assert text.count("\n| ") == shown.row_count + 1
        assert "`fitui 'traces status:failed sort:id'`" in text


async def test_keys_answer_while_a_text_is_made(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr("fitui.copying.texts.Texts.json", lambda *_args: gate.wait(20) or 1 / 0)
    async with start("traces sort:id") as driver:
        await driver.press("y", "j", "j", "j")
        assert driver.bench.table.cursor == 2
        gate.set()


async def test_the_brief_is_that_of_the_command_line(
    start: Start, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with start("trace 5") as driver:
        text = await copied(driver, "y", "a")
    assert main(["show", "5", "--brief", "--dataset", str(root)]) == 0
    assert capsys.readouterr().out == text


async def test_what_was_edited_is_saved_and_run(start: Start, state: Path, root: Path) -> None:
    async with start("traces sort:id") as driver:
        store = driver.bench.session.store
        draft = open_draft(store, state, store.solution("fast"))
        draft.entry.write_text(draft.entry.read_text() + "# faster\n")
        edited = read_draft(store, draft).solution
        assert edited is not None
        driver.bench._ask_to_save(edited, draft)
        await driver.press("y")
        assert f"saved fast@{edited.content_hash()[:8]}; run it" in driver.status
        assert store.solution("fast") == edited
        await driver.press("y")
        await driver.until(lambda: driver.view == "matrix double_h8")
        (run,) = driver.bench.session.runs.values()
        assert list(run.request.solutions) == ["fast"]
