"""The way from what is seen to why it is so, counted in keys, on the fixed dataset at 80x24."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.fitui.ui.conftest import Start
from tests.fitui.ui.fixed_files import NORM
from tests.fitui.ui.fixed_machine import ROOT, fixed_machine, write_everything


class Way(Struct, frozen=True):
    """A way through the screens.

    Args:
        begin: View to start on, "" for what fitui opens by itself.
        before: Keys that are not counted: to the place that the way begins at.
        there: Words that are on the screen at that place.
        keys: The way.
        most: Keys that it may take.
        ends: Words that are on the screen at its end.
        copied: Words that the clipboard has at its end.
    """

    begin: str
    there: str
    keys: tuple[str, ...]
    most: int
    ends: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()


WAYS = {
    "from the start to the source line of a compile error": Way(
        begin="",
        there='identifier "sum_of_block"',
        keys=("enter", "enter", "enter"),
        most=6,
        ends=("31    const float scale = rsqrtf(sum_of_block(partial)",),
    ),
    "from the start to a line of a header, by way of its log": Way(
        begin="triage status:COMPILE_ERROR",
        there='identifier "kWidth"',
        keys=("j", "enter", "enter", "enter"),
        most=6,
        ends=("6    __device__ int steps() const { return kWidth / K; }",),
    ),
    "from a failing cell of the matrix to expected and got": Way(
        begin=f"matrix {NORM}",
        before=("e",),
        there="8192 of 8388608 elements",
        keys=("enter",),
        most=3,
        ends=("expected", "got", "[2047, 4095]", "0.8125"),
    ),
    "from a slow row to its history": Way(
        begin=f"traces sol:torch_rmsnorm def:{NORM} sort:-latency",
        there="bs=14107",
        keys=("H",),
        most=2,
        ends=("history torch_rmsnorm", "117"),
    ),
    "from a slow cell of the matrix to its history": Way(
        begin=f"matrix {NORM}",
        before=tuple("jlllll"),
        there="low clock, throttled",
        keys=("H",),
        most=2,
        ends=("history triton_rmsnorm", "version"),
    ),
    "copying the command that repeats a trace": Way(
        begin="traces status:INCORRECT_NUMERICAL",
        there="triton_rmsnorm_split",
        keys=("y", "c"),
        most=2,
        copied=("fitui bench", "-s triton_rmsnorm_split", "-w 0000371b"),
    ),
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be in a folder with the fixed dataset, on the fixed machine."""
    write_everything(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    with fixed_machine(monkeypatch):
        yield


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("name", WAYS)
async def test_a_way_takes_no_more_keys(start: Start, name: str) -> None:
    way = WAYS[name]
    assert len(way.keys) <= way.most
    async with start(way.begin, dataset=ROOT) as driver:
        await driver.until(lambda: bool(driver.bench.table.source.row_count) or way.before != ())
        await driver.press(*way.before)
        await driver.shows(way.there)
        await driver.press(*way.keys)
        for words in way.ends:
            await driver.shows(words)
        for words in way.copied:
            await driver.until(lambda words=words: words in driver.app.clipboard)
