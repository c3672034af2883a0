"""Compare: from traces, while a run measures, from its file, and the marks that lead there."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.run.client import list_runs, runs_dir
from engine.run.files import RunFolder
from engine.run.plan import find_solution
from engine.schema.run import ComparisonRecord, Kind, Ratio, Request, Verdict
from engine.store import TraceStore
from fitui.cli import main
from fitui.screens import compare
from fitui.screens.compare_model import ratio_words
from fitui.view import View, ViewError, parse_view
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace, write_dataset

SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 50)])
VIEW = "compare fast slow"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Both solutions have passed on two of three workloads."""
    root = write_dataset(tmp_path / "dataset")
    found = [trace("slow", item, "PASSED") for item in WORKLOADS[:2]]
    for line, latency in zip(found, (0.0127, 0.0250), strict=True):
        line["evaluation"]["timestamp"] = "2026-11-22T12:00:00+00:00"
        line["evaluation"]["performance"]["latency_ms"] = latency
    lines(root / "traces/me/pointwise/slow.jsonl", found)
    return root


class Measuring:
    """A run of the comparison, written as a runner would."""

    def __init__(self, state: Path, root: Path, names: tuple[str, str] = ("fast", "slow")) -> None:
        with TraceStore.open(root) as store:
            self.versions = [find_solution(store, name).content_hash() for name in names]
        self.folder = RunFolder(runs_dir(state) / "20261122-110000-cafe")
        self.names = names
        self.folder.create(
            Request(
                run=self.folder.run,
                created=time.time(),
                dataset=[str(root)],
                devices=["cpu"],
                definitions=["double_h8"],
                compare=names,
            )
        )
        fake = FakeRun.__new__(FakeRun)
        fake.folder = self.folder
        self.event = fake.event
        fake.begin(solutions=names[:1])

    def measured(self, place: int, ratio: float, verdict: Verdict) -> None:
        """One workload has been measured."""
        work = WORKLOADS[place]["workload"]
        self.folder.append_comparison(
            ComparisonRecord(
                evaluation=f"e{place}",
                definition="double_h8",
                workload=work["uuid"],
                axes=work["axes"],
                a=self.names[0],
                b=self.names[1],
                a_version=self.versions[0],
                b_version=self.versions[1],
                device="cpu",
                hardware="Test CPU",
                verdict=verdict,
                t=time.time(),
                timer="cpu",
                time=Ratio(value=ratio, low=ratio - 0.004, high=ratio + 0.004),
                a_ns=[10000.0, 10000.0, 10000.0],
                b_ns=[10000.0 * ratio] * 3,
                flags=["B: host_sync"],
            )
        )
        self.event(Kind.COMPARED, f"e{place}", device="cpu", verdict=verdict)


@pytest.fixture
def measuring(state: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Measuring:
    """A run of the comparison whose runner seems to be alive."""
    monkeypatch.setattr("engine.run.client.is_running", lambda _queue, _run: True)
    return Measuring(state, root)


def cells(driver: Driver, row: int) -> list[str]:
    """A row of the table."""
    source = driver.bench.table.source
    return [source.cell(row, column) for column in range(len(source.columns))]


@SIZES
async def test_traces_alone_are_unclear_or_clear(start: Start, size: tuple[int, int]) -> None:
    async with start(VIEW, size=size) as driver:
        await driver.shows("not measured together")
        assert cells(driver, 0)[:6] == ["bs=1", "12.5", "12.7", "1.016", "", "unclear"]
        assert cells(driver, 1)[3:7] == ["2.000", "", "slower", ""]
        assert cells(driver, 2)[5:7] == ["", "never measured"]
        assert "B is 1 slower, 1 unclear" in driver.bench.bar.text
        below = next(text for text in driver.screen().splitlines() if "geomean B/A" in text)
        assert "of 2: geomean B/A 1.425  by latency 1.508  A 25.0 us, B 37.7 us" in below
        assert "r measures both in turns" in driver.status
        assert all(len(text) <= size[0] for text in driver.screen().splitlines())
        await driver.press("tab")
        await driver.shows("GEOMEAN")
        assert driver.view == "compare fast slow tab:totals"
        await driver.until(lambda: cells(driver, 0)[:3] == ["all", "2", "1.425"])
        await driver.press("tab")
        assert driver.view == VIEW


@SIZES
async def test_what_a_run_measures_streams_in(
    start: Start, measuring: Measuring, size: tuple[int, int]
) -> None:
    async with start(VIEW, size=size) as driver:
        await driver.shows("queued")
        measuring.event(Kind.TIMING, "e0", device="cpu", message="pair 2 of 8")
        await driver.until(lambda: cells(driver, 0)[5:] == ["timing", "pair 2 of 8"])
        assert cells(driver, 0)[1] == "12.5", "the former figures stay in sight"
        measuring.measured(0, 1.25, Verdict.SLOWER)
        await driver.until(lambda: cells(driver, 0)[5] == "slower")
        assert cells(driver, 0)[1:5] == ["10.0", "12.5", "1.250", "1.246-1.254"]
        assert cells(driver, 0)[6] == "B: host_sync"
        assert "B is slower  3 processes of each" in driver.status
        measuring.measured(1, 0.5, Verdict.FASTER)
        measuring.measured(2, 1.0, Verdict.SAME)
        await driver.shows("B is 1 same, 1 faster, 1 slower")
        await driver.shows("of 3: geomean B/A 0.855 (0.85")
        if size[0] == 200:
            await driver.shows("time B/A     1.250   1.246-1.254")
        measuring.event(Kind.RUN_FINISHED, state="finished")
        await driver.press("enter")
        assert driver.view == "evaluation 20261122-110000-cafe/e0"


async def test_a_workload_that_was_not_run_says_why(start: Start, measuring: Measuring) -> None:
    measuring.event(Kind.NOT_RUN, "e2", message="its blob is missing")
    async with start(VIEW) as driver:
        await driver.until(lambda: cells(driver, 2)[6:] == ["not run: its blob is missing"])


async def test_measured_versions_that_are_gone_do_not_count(
    start: Start, measuring: Measuring
) -> None:
    measuring.versions[1] = "0" * 64
    measuring.measured(0, 0.5, Verdict.FASTER)
    measuring.event(Kind.RUN_FINISHED, state="finished")
    async with start(VIEW) as driver:
        await driver.until(lambda: cells(driver, 0)[5:] == ["unclear", "not measured together"])


async def test_r_measures_both_in_turns_and_stays(start: Start, state: Path) -> None:
    async with start(VIEW) as driver:
        await driver.press("r")
        await driver.shows("queued")
        assert driver.view == VIEW and "started" in driver.status
        (handle,) = list_runs(state)
        assert handle.request.compare == ("fast", "slow")
        assert handle.request.pairs == [] and handle.request.workloads == []
        await driver.press("R")
        await driver.shows("18 evaluations")
        await driver.press("escape", "x")
        assert "cancel run" in driver.status
        await driver.press("y")
        assert handle.folder.cancel_file.exists()


async def test_a_comparison_is_run_again_as_one(start: Start, measuring: Measuring) -> None:
    async with start(VIEW) as driver:
        session = driver.bench.session
        again = session.run_again(session.runs[measuring.folder.run])
        assert again.request.compare == ("fast", "slow")


@pytest.mark.parametrize("view", ["definition double_h8 tab:solutions", "matrix double_h8"])
async def test_two_marked_solutions_are_compared(start: Start, view: str) -> None:
    async with start(view) as driver:
        table = driver.bench.table if view.startswith("definition") else driver.bench.matrix
        await driver.press("d")
        assert "Space marks a solution" in driver.status
        table.put_cursor("wrong")
        await driver.press("space")
        assert driver.status.strip() == "A = wrong, d compares"
        table.put_cursor("slow")
        await driver.press("space")
        assert "A wrong" in driver.screen() and "B slow" in driver.screen()
        table.put_cursor("fast")
        await driver.press("d")
        assert driver.view == "compare wrong slow"
        await driver.press("escape")
        assert driver.view == view and "A wrong" in driver.screen()
        table.put_cursor("wrong")
        await driver.press("space")
        table.put_cursor("fast")
        await driver.press("d")
        assert driver.view == "compare slow fast", "the marked one against that under the cursor"


async def test_three_marks_are_too_many_to_compare(start: Start) -> None:
    async with start("definition double_h8 tab:solutions") as driver:
        await driver.press("g", "space", "j", "space", "j", "space", "d")
        assert driver.bench.marks.of("double_h8") == ["fast", "slow", "wrong"]
        assert "3 are marked, and d compares two" in driver.status
        assert driver.bench.marks.of("triple_h8") == []


async def test_filter_and_sort(start: Start) -> None:
    async with start(VIEW) as driver:
        await driver.shows("not measured together")
        await driver.press("l", "l", "l", "s")
        assert driver.view == f"{VIEW} sort:-ratio"
        await driver.until(lambda: driver.bench.table.source.row_count == 3)
        assert cells(driver, 0)[3] == "2.000"
        await driver.press("slash")
        await driver.type("unclear")
        assert driver.bench.table.source.row_count == 1
        await driver.press("enter")
        assert driver.view == f"{VIEW} unclear sort:-ratio"
    async with start(driver.view) as driver:
        await driver.until(lambda: driver.bench.table.source.row_count == 1)


@pytest.mark.parametrize(
    ("view", "words"), [("compare fast nobody", "nobody"), ("compare nobody fast", "nobody")]
)
async def test_what_cannot_be_compared_is_a_sentence(start: Start, view: str, words: str) -> None:
    async with start(view) as driver:
        assert words in driver.screen()
        await driver.press("escape", "escape")
        assert driver.view in ("definitions", "triage")


async def test_keys_answer_while_it_is_read(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, original = threading.Event(), compare.look_up

    def slow(*arguments: object) -> object:
        gate.wait(20)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(compare, "look_up", slow)
    async with start(VIEW) as driver:
        try:
            assert "Reading what was measured" in driver.screen()
            await driver.press("tab", "tab", "1")
            assert driver.view == "definitions"
            await driver.press("left_square_bracket")
            assert driver.view == VIEW
        finally:
            gate.set()
        await driver.shows("not measured together")


async def test_what_breaks_is_said(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> object:
        raise OSError("the disk is gone")

    monkeypatch.setattr(compare, "look_up", broken)
    async with start(VIEW) as driver:
        await driver.until(lambda: "the disk is gone" in driver.status)


@pytest.mark.parametrize(
    "view",
    [
        View("compare", "fast", other="slow@3f9a12c04d77"),
        View("compare", "a b", "totals", other='q"', filter="bs=1", sort="-ratio"),
        View("history", "fast", other="wl-0001"),
        View("history", "fast", filter="is: x"),
        View("devices"),
    ],
)
def test_the_views_are_their_texts(view: View) -> None:
    assert parse_view(str(view)) == view


def test_a_comparison_of_one_names_what_is_missing() -> None:
    with pytest.raises(ViewError, match="which second solution"):
        parse_view("compare fast")


@pytest.mark.parametrize(
    ("arguments", "view"),
    [
        (["compare a b"], "compare a b"),
        ([":devices"], "devices"),
        ([":compare", "a", "b"], "compare a b"),
        (["history a w"], "history a w"),
    ],
)
def test_the_command_line_opens_them(
    arguments: list[str], view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("fitui.app.run_app", lambda view, **_where: opened.append(view))
    assert main(arguments) == 0
    assert opened == [view]


@pytest.mark.parametrize(
    ("value", "words"), [(None, ""), (1.0344, "1.034"), (12.5, "12.50"), (153.2, "153.2")]
)
def test_ratios(value: float | None, words: str) -> None:
    assert ratio_words(value) == words
