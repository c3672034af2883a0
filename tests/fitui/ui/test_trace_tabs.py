"""Trace: it opens where it helps most, and its tabs show all there is."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import msgspec
import pytest

from engine.insight.causes import cause_of
from engine.schema.run import Settings
from fitui.screens import log_places
from fitui.screens.log_places import LONG
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.failing_files import NVCC, cuda, write_failing
from tests.fitui.ui.tiny_files import (
    DEFINITION,
    WORKLOADS,
    FakeRun,
    lines,
    trace,
    write,
    write_dataset,
)

TABS = ["log", "source", "diff", "workload", "history", "json"]
SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 50)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Much of it fails."""
    return write_failing(tmp_path / "dataset")


def number_of(driver: Driver, where: str) -> int:
    """Id of the newest trace of a kind."""
    return driver.bench.session.store.traces(where, sort="-time")[0].id


def marked(driver: Driver) -> str:
    """The marked line of the text."""
    assert driver.bench.text.here is not None
    return driver.bench.text.lines.plain(driver.bench.text.here)


@SIZES
async def test_a_compile_error_opens_on_its_first_error(
    start: Start, size: tuple[int, int]
) -> None:
    async with start("traces sol:tma_a", size=size) as driver:
        await driver.press("enter")
        shown = driver.screen().splitlines()
        assert "C COMPILE_ERROR" in shown[3]
        assert 'kernel.cu:88: error: identifier "tma_load" is undefined' in shown[5]
        log = shown.index(next(line for line in shown if line.startswith(" log")))
        assert any("error: identifier" in line for line in shown[log:-2])
        source = next(at for at, line in enumerate(shown) if "kernel.cu, line 88" in line)
        assert source < len(shown) - 2
        assert all(len(line) <= size[0] for line in shown)
        await driver.press("enter")
        assert driver.view == "solution tma_a at:kernel.cu:88"


@SIZES
async def test_wrong_values_open_on_the_worst(start: Start, size: tuple[int, int]) -> None:
    async with start("matrix double_h8", size=size) as driver:
        driver.bench.matrix.put_cursor("large")
        await driver.press("e")
        keys = ["enter"]
        await driver.press(*keys)
        for text in ("INCORRECT_NUMERICAL", "expected", "[3, 7]", "1.5", "2.5"):
            assert text in driver.screen()
        assert len(["e", *keys]) <= 3


async def test_from_triage_to_the_source_line(start: Start) -> None:
    async with start() as driver:
        await driver.shows("identifier")
        driver.bench.table.move_to(0)
        keys = ["enter", "enter", "enter"]
        await driver.press(*keys)
        assert "at:kernel.cu:88" in driver.view and len(keys) <= 6


async def test_from_a_slow_row_to_its_history(start: Start) -> None:
    async with start("traces") as driver:
        await driver.press("j", "H")
        assert driver.view.startswith("history ")


async def test_the_tabs_in_their_order(start: Start) -> None:
    async with start("traces sol:tma_a") as driver:
        await driver.press("enter")
        for tab in TABS:
            await driver.press("tab")
            assert driver.view.endswith(f"tab:{tab}")
            assert driver.bench.bar.text.startswith("  why ")
        await driver.press("tab")
        assert "tab:" not in driver.view
        await driver.press("shift+tab", "escape")
        assert driver.view.startswith("traces")


async def test_the_source_is_at_the_failing_line(start: Start) -> None:
    async with start("traces sol:tma_a") as driver:
        await driver.press("enter", "tab", "tab")
        assert marked(driver).endswith("tma_load(smem, desc);")
        assert "tma_load" in driver.screen()
        await driver.press("g")
        assert "kernel.cu (119 lines)" in driver.screen()


async def test_the_workload_and_how_it_is_made(start: Start, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "other", traces=False)
    inputs = {
        "x": {"shape": ["batch_size", "hidden"], "dtype": "float32"},
        "table": {"shape": ["batch_size"], "dtype": "int32"},
        "more": {"shape": ["batch_size"], "dtype": "int32"},
        "scale": {"shape": None, "dtype": "float32"},
    }
    reference = "def run(x, table, more, scale):\n    return x\n"
    write(
        root / "definitions/pointwise/double_h8.json",
        {**DEFINITION, "inputs": inputs, "reference": reference},
    )
    (root / "blob").mkdir()
    (root / "blob/here.safetensors").write_bytes(b"x" * 2000)
    work = json.loads(json.dumps(WORKLOADS[1]))
    work["workload"]["inputs"] |= {
        "table": {"type": "safetensors", "path": "blob/here.safetensors", "tensor_key": "t"},
        "more": {"type": "safetensors", "path": "blob/gone.safetensors", "tensor_key": "m"},
        "scale": {"type": "scalar", "value": 0.125},
    }
    lines(root / "traces/t.jsonl", [trace("wrong", work, "INCORRECT_NUMERICAL")])
    async with start("trace 1 tab:workload", dataset=root, size=(100, 40)) as driver:
        await driver.shows("tolerance")
        screen = driver.screen()
        for text in (
            "batch_size  16",
            "fixed by the definition",
            "[16, 8]",
            "random, from the seed",
            "t of blob/here.safetensors (there, 2 kB)",
            "m of blob/gone.safetensors",
            "! blob file blob/gone.safetensors is missing",
            "scalar",
            "= 0.125",
            "|got - expected| <= 0.01 + 0.01 * |expected|",
            "settings are not on this machine",
            "00ff",
        ):
            assert text in screen, text


async def test_the_tolerance_of_its_own_run(start: Start, root: Path, fake_run: FakeRun) -> None:
    request = fake_run.folder.read_request()
    request.settings = Settings(atol=0.5, input_sets=7)
    fake_run.folder.request_file.write_bytes(msgspec.json.encode(request))
    line = trace("fast", WORKLOADS[0], "PASSED")
    line["evaluation"]["environment"]["libs"]["fitui.run"] = fake_run.run
    lines(root / "traces/a.jsonl", [line])
    async with start("trace 1 tab:workload", size=(80, 40)) as driver:
        await driver.shows("0.5 + 0.01 * |expected|")
        assert "7 sets of inputs" in driver.screen()
        assert "not on this machine" not in driver.screen()


async def test_a_trace_of_a_definition_that_is_gone(start: Start, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "other", traces=False)
    line = trace("fast", {**WORKLOADS[0], "definition": "gone"}, "RUNTIME_ERROR", log="x: no\n")
    lines(root / "traces/t.jsonl", [line])
    async with start("trace 1 tab:workload", dataset=root) as driver:
        await driver.shows("There is no definition 'gone'")
        assert "batch_size  1" in driver.screen()


async def test_the_history_is_on_the_trace(start: Start, root: Path) -> None:
    found = []
    for day in (1, 2, 3):
        line = trace("slow", WORKLOADS[0], "PASSED")
        line["evaluation"]["timestamp"] = f"2026-10-{day:02}T12:00:00+00:00"
        found.append(line)
    lines(root / "traces/a.jsonl", found)
    async with start("trace 2 tab:history") as driver:
        await driver.shows("4 traces")
        source, table = driver.bench.table.source, driver.bench.table
        assert source.key(table.cursor) == "2"
        assert driver.bench.series.display
        await driver.press("j", "enter")
        assert driver.view == "trace 1"
        await driver.press("escape")
        assert driver.view == "trace 2 tab:history"
        await driver.until(lambda: table.source.row_count == 4)
        await driver.press("tab")
        assert driver.view == "trace 2 tab:json" and not driver.bench.series.display


async def test_json_is_the_line_as_it_is_in_the_file(start: Start, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "other", traces=False)
    line = {"mark": "of somebody else", **trace("fast", WORKLOADS[0], "PASSED")}
    lines(root / "traces/t.jsonl", [line])
    async with start("trace 1 tab:json", dataset=root) as driver:
        shown = driver.bench.text.lines
        text = "\n".join(shown.plain(at) for at in range(len(shown)))
        assert json.loads(text) == line
        assert '"mark": "of somebody else"' in driver.screen().splitlines()[3]
        assert any(style == "name" for _text, style in shown.spans(1))


async def test_a_line_with_a_bare_nan_is_shown_too(start: Start, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "other", traces=False)
    line = trace("fast", WORKLOADS[0], "INCORRECT_NUMERICAL")
    line["evaluation"]["correctness"]["max_absolute_error"] = float("nan")
    lines(root / "traces/t.jsonl", [line])
    async with start("trace 1 tab:json", dataset=root) as driver:
        assert '"NaN"' in "".join(
            driver.bench.text.lines.plain(at) for at in range(len(driver.bench.text.lines))
        )


async def test_a_trace_that_is_not_there(start: Start) -> None:
    for tab in ("", *TABS):
        async with start(f"trace 9999{f' tab:{tab}' if tab else ''}") as driver:
            assert "9999" in driver.screen() and "traces" in driver.screen()


@pytest.fixture
def long_root(tmp_path: Path) -> Path:
    """A compile error in the middle of a very long log."""
    root = write_dataset(tmp_path / "long", traces=False)
    write(root / "solutions/me/pointwise/double_h8/tma.json", cuda("tma"))
    noise = "".join(f"ptxas info {at}\n" for at in range(60_000))
    log = noise + NVCC + noise
    assert len(log) > 4 * LONG
    lines(root / "traces/t.jsonl", [trace("tma", WORKLOADS[0], "COMPILE_ERROR", log=log)])
    return root


async def test_a_very_long_log_opens_on_its_first_error(start: Start, long_root: Path) -> None:
    async with start("trace 1", dataset=long_root) as driver:
        await driver.shows("log, lines 59998 to 60009 of 120005")
        assert 'kernel.cu:88: error: identifier "tma_load"' in driver.screen().splitlines()[5]
        await driver.press("tab")
        await driver.until(lambda: driver.bench.text.here is not None)
        assert marked(driver).startswith("kernel.cu:88: error")
        await driver.press("enter")
        assert driver.view == "solution tma at:kernel.cu:88"


async def test_keys_answer_while_a_long_log_is_read(
    start: Start, long_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def slow(status: str, log: str) -> object:
        gate.wait(20)
        return cause_of(status, log)

    monkeypatch.setattr(log_places, "cause_of", slow)
    async with start("trace 1", dataset=long_root) as driver:
        try:
            assert "The log is being read" in driver.screen()
            await driver.press("tab", "G")
            assert "ptxas info 59999" in driver.screen()
            await driver.press("shift+tab")
        finally:
            gate.set()
        await driver.shows("log, lines 59998 to")


@pytest.mark.parametrize("tab", ["", *TABS])
async def test_without_colour(start: Start, monkeypatch: pytest.MonkeyPatch, tab: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with start("traces sol:large status:INCORRECT_NUMERICAL") as driver:
        number = number_of(driver, "sol:large status:INCORRECT_NUMERICAL")
    async with start(f"trace {number}{f' tab:{tab}' if tab else ''}") as driver:
        strips = driver.app.screen._compositor.render_strips()
        colours = {
            item.style.color.name
            for strip in strips
            for item in strip
            if item.style and item.style.color
        }
        assert colours <= {"default"}
