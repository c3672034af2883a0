"""From a line of a log to a line of the solution's source, by keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.schema import Solution, decode, encode
from engine.schema.names import Status
from engine.schema.run import Kind
from engine.store import keep_version
from fitui.screens.trace import EvaluationPage
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.failing_files import KERNEL, NVCC, cuda
from tests.fitui.ui.tiny_files import (
    WORKLOADS,
    FakeRun,
    lines,
    solution,
    trace,
    write,
    write_dataset,
)

TWO_ERRORS = NVCC + 'kernel.cu(100): error: expected a ";"\n/usr/include/math.h(3): error: later\n'

TRACEBACK = """\
Traceback (most recent call last):
  File "main.py", line 3, in run
    y[:] = helper(x)
  File "lib/helper.py", line 2, in helper
    raise ValueError("no such size")
ValueError: no such size
"""


def _files(root: Path, name: str, document: dict[str, Any], log: str, **libs: str) -> None:
    write_dataset(root, traces=False)
    write(root / f"solutions/me/pointwise/double_h8/{name}.json", document)
    line = trace(name, WORKLOADS[0], "RUNTIME_ERROR", log=log)
    line["evaluation"]["environment"]["libs"] |= {f"fitui.{key}": libs[key] for key in libs}
    lines(root / "traces/t.jsonl", [line])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One CUDA solution that does not compile."""
    _files(tmp_path / "dataset", "tma", cuda("tma"), TWO_ERRORS)
    return tmp_path / "dataset"


def marked(driver: Driver) -> str:
    """The marked line of the text."""
    assert driver.bench.text.here is not None
    return driver.bench.text.lines.plain(driver.bench.text.here)


async def test_enter_goes_where_the_cause_is(start: Start) -> None:
    async with start("trace 1") as driver:
        assert "Enter shows kernel.cu, line 88" in driver.status
        assert "Enter source line" in driver.bench.footer.text
        await driver.press("enter")
        assert driver.view == "solution tma at:kernel.cu:88"
        assert marked(driver).endswith("tma_load(smem, desc);")


@pytest.mark.parametrize("tab", ["", " tab:log"])
async def test_enter_goes_where_the_marked_line_says(start: Start, tab: str) -> None:
    async with start(f"trace 1{tab}") as driver:
        await driver.press("e", "e", "e", "e", "enter")
        assert driver.view == "solution tma at:kernel.cu:100"
        assert marked(driver).endswith("// line 100")
        await driver.press("escape")
        # Another text has no mark of the last one; the log opens at its first error again.
        assert driver.bench.text.here == (0 if tab else None)


async def test_other_tabs_go_where_the_cause_is(start: Start) -> None:
    async with start("trace 1 tab:json") as driver:
        await driver.press("slash", "i", "enter", "enter")
        assert driver.view == "solution tma at:kernel.cu:88"


async def test_scrolling_in_the_source_is_left_alone(start: Start, root: Path) -> None:
    async with start("solution tma at:kernel.cu:88") as driver:
        assert "tma_load(smem, desc);" in driver.screen()
        await driver.press("g")
        assert driver.bench.text._top == 0
        driver.bench.page.store_changed()
        assert driver.bench.text._top == 0


@pytest.mark.parametrize("at", ["kernel.cu:9999", "kernel.cu:0", "nothing.cu:1", "nonsense"])
async def test_a_line_that_is_not_there_shows_the_beginning(start: Start, at: str) -> None:
    async with start(f"solution tma at:{at}") as driver:
        assert driver.bench.text.here is None
        assert "entry point" in driver.screen()


async def test_a_traceback_leads_to_its_innermost_own_frame(start: Start, tmp_path: Path) -> None:
    document = solution("helped")
    helper = 'def helper(x):\n    raise ValueError("no such size")\n'
    document["sources"].append({"path": "lib/helper.py", "content": helper})
    _files(tmp_path / "other", "helped", document, TRACEBACK)
    async with start("trace 1", dataset=tmp_path / "other") as driver:
        await driver.press("enter")
        assert driver.view == "solution helped at:lib/helper.py:2"
        await driver.press("escape", "tab", "slash")
        await driver.type("main.py")
        await driver.press("enter", "enter")
        assert driver.view == "solution helped at:main.py:3"


async def test_a_former_version_is_shown_as_it_was(start: Start, tmp_path: Path) -> None:
    document = cuda("tma")
    before = decode(encode(document), Solution)
    keep_version(before)
    document["sources"][0]["content"] = "// written anew\n" + KERNEL
    version = before.content_hash()
    _files(tmp_path / "other", "tma", document, NVCC, solution=version)
    async with start("trace 1", dataset=tmp_path / "other") as driver:
        await driver.press("enter")
        assert driver.view == f"solution tma@{version} at:kernel.cu:88"
        assert marked(driver).endswith("tma_load(smem, desc);")
        await driver.press("tab", "tab")
        assert driver.bench.table.source.row_count == 1


async def test_a_version_that_is_gone_is_shown_as_it_is_now(start: Start, tmp_path: Path) -> None:
    _files(tmp_path / "other", "tma", cuda("tma"), NVCC, solution="0123456789abcdef")
    async with start("trace 1", dataset=tmp_path / "other") as driver:
        await driver.press("enter")
        assert driver.view == "solution tma at:kernel.cu:88"


async def test_without_the_solution_there_is_nowhere_to_go(start: Start, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "other", traces=False)
    lines(root / "traces/t.jsonl", [trace("gone", WORKLOADS[0], "COMPILE_ERROR", log=NVCC)])
    async with start("trace 1", dataset=root) as driver:
        await driver.press("enter")
        assert driver.view == "trace 1"
        assert isinstance(driver.bench.page, EvaluationPage)
        assert "source line" not in driver.bench.footer.text


async def test_an_evaluation_of_a_run_leads_there_too(
    start: Start, fake_run: FakeRun, root: Path
) -> None:
    fake_run.event(
        Kind.QUEUED,
        "e99",
        definition="double_h8",
        solution="tma",
        workload=WORKLOADS[1]["workload"]["uuid"],
        axes=WORKLOADS[1]["workload"]["axes"],
    )
    fake_run.event(Kind.DONE, "e99", status=Status.COMPILE_ERROR, message="does not compile")
    fake_run.folder.logs.mkdir(exist_ok=True)
    (fake_run.folder.logs / "e99.txt").write_text(NVCC)
    async with start(f"evaluation {fake_run.run}/e99") as driver:
        await driver.shows("kernel.cu, line 88")
        await driver.press("enter")
        assert driver.view == "solution tma at:kernel.cu:88"
