"""The timed calls of an evaluation as a histogram, honest about what is not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.run.client import runs_dir
from engine.run.files import RunFolder
from engine.schema.run import SampleRecord
from fitui.samples import Samples, find_samples, sample_lines
from fitui.widgets.histogram import Histogram, histogram_lines
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import WORKLOADS, FakeRun, lines, trace

RUN = "20261122-100000-beef"
LIBS = {"fitui.run": RUN, "fitui.evaluation": "e1"}


def shown(record: SampleRecord, width: int = 80, *, plain: bool = False) -> list[str]:
    """The lines about samples."""
    lines = sample_lines(Samples(record), width, plain=plain)
    return ["".join(text for text, _style in line).rstrip() for line in lines]


def test_bars_marks_and_ends() -> None:
    values = [10.0] * 8 + [11.0] * 4 + [12.0] * 2
    histogram = Histogram(values, 10, 12, 9)
    assert histogram.counts == [8, 4, 2] and histogram.width == 9
    lines = histogram_lines(histogram, [(11.0, "^")], ("10", "12"), 2)
    assert ["".join(text for text, _style in line).rstrip() for line in lines] == [
        "   ███",
        "   ██████▄▄▄",
        "       ^",
        "   10     12",
    ]


def test_a_plain_terminal_gets_ascii() -> None:
    lines = Histogram([1.0, 1.0, 1.0, 2.0, 3.0], 1, 3, 30).bars(3, plain=True)
    assert "".join(lines).isascii() and lines[-1].count("#") == 12


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.0, 0.0]])
def test_one_value_is_one_bar(values: list[float]) -> None:
    histogram = Histogram(values, values[0], values[0], 40)
    assert histogram.counts == [len(values)]
    assert histogram.bars(1)[0].strip()


def test_what_is_far_out_is_counted_and_not_drawn() -> None:
    values = [10.0 + number / 100 for number in range(100)] + [500.0]
    histogram = Histogram(values, 10, 11, 40)
    assert (histogram.below, histogram.above) == (0, 1)
    assert histogram.last <= 14 and sum(histogram.counts) == 100


def test_bins_are_no_finer_than_the_values() -> None:
    steps = [32.0 * (number % 4) for number in range(400)]
    assert len(Histogram(steps, 0, 96, 70).counts) == 4


@pytest.mark.parametrize("width", [40, 80, 200])
def test_samples_fit_and_say_their_marks(width: int) -> None:
    times = [2000 + number % 40 * 8 for number in range(200)] + [9000]
    record = SampleRecord(
        evaluation="e1",
        device_ns=[*times, 2600, 2600],
        clock_mhz=[1980.0] * 201 + [1200.0] * 2,
        kernels=[("void \x1b[31mkernel<float>", 1500), ("copy", 10), ("copy", 10)],
    )
    lines = shown(record, width)
    assert all(len(line) <= max(width, 80) for line in lines)
    text = "\n".join(lines)
    assert "median 2.16 us" in text and "of 201 calls" in text
    assert "not drawn: 1 slower, up to 9.00 us" in text
    assert "c 2 at another clock, left out" in text and "1200 to 1980 MHz" in text
    assert "1.50 us  void kernel<float>" in text and "copy   2 times" in text
    marks = next(line for line in lines if "^" in line)
    assert "<" in marks and ">" in marks and "\x1b" not in text


def test_clocks_that_do_not_fit_the_calls_are_passed_over() -> None:
    record = SampleRecord(evaluation="e1", device_ns=[5, 6, 7], clock_mhz=[1.0])
    assert "of 3 calls" in "\n".join(shown(record))


@pytest.mark.parametrize(
    ("libs", "words"),
    [
        ({}, "the trace names no run and evaluation"),
        ({"fitui.run": "../x", "fitui.evaluation": "e1"}, "names no run"),
        ({"fitui.run": "gone", "fitui.evaluation": "e1"}, "samples are not on this machine"),
        ({**LIBS, "fitui.evaluation": "e9"}, "kept no samples of this evaluation"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, libs: dict[str, str], words: str) -> None:
    (runs_dir(tmp_path) / RUN).mkdir(parents=True)
    folder = RunFolder(runs_dir(tmp_path) / RUN)
    folder.append_samples(SampleRecord(evaluation="e1", device_ns=[1]))
    found = find_samples(tmp_path, libs)
    assert found.record is None and words in found.missing


def test_of_several_records_the_last_whole_one_counts(tmp_path: Path) -> None:
    folder = RunFolder(runs_dir(tmp_path) / RUN)
    folder.path.mkdir(parents=True)
    for evaluation, value in (("e1", 1), ("e10", 5), ("e1", 2)):
        folder.append_samples(SampleRecord(evaluation=evaluation, device_ns=[value]))
    with folder.samples_file.open("ab") as stream:
        stream.write(b'{"evaluation":"e1","device_ns":[3')
    record = find_samples(tmp_path, LIBS).record
    assert record is not None and record.device_ns == [2]


async def test_the_why_tab_shows_them(start: Start, root: Path, fake_run: FakeRun) -> None:
    fake_run.folder.append_samples(
        SampleRecord(evaluation="e1", device_ns=[12_000 + number * 10 for number in range(50)])
    )
    libs: dict[str, Any] = {**LIBS, "torch": "2.11"}
    line = trace("fast", WORKLOADS[0], "PASSED")
    line["evaluation"]["environment"]["libs"] = libs
    lines(root / "traces/a.jsonl", [line])
    async with start("trace 1", size=(80, 50)) as driver:
        await driver.shows("of 50 calls")
        assert "median 12.2 us" in driver.screen() and "█" in driver.screen()
        assert "Test CPU" in driver.screen()
    async with start("trace 2") as driver:
        await driver.shows("samples were not kept")
