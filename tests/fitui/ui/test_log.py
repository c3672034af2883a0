"""The log as lines: found by their place, made safe, searched on a thread; its errors."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest

from engine.insight.folding import log_lines
from fitui.format import clean_lines
from fitui.widgets.lines import Span
from fitui.widgets.log import LONGEST, LogLines
from fitui.widgets.scan import AT_ONCE, Scan
from fitui.widgets.spans import mark_hits, seen_spans
from fitui.widgets.text import Document, Joined, Part
from tests.fitui.ui.conftest import Driver, Start
from tests.fitui.ui.tiny_files import WORKLOADS, lines, trace, write_dataset

PIECES = ("a", "\n", "\r", "\r\n", "\t", "ü", "\x1b[31m", "error: x", "\x07", "word ", "\n\n")


def shown(text: str) -> list[str]:
    """All lines of a log."""
    found = LogLines(text)
    return [found.plain(index) for index in range(len(found))]


def long_log(errors: tuple[int, ...] = (), count: int = 3 * AT_ONCE) -> str:
    """A log of many lines, some of which are errors."""
    return "".join(
        f"k.cu({at}): error: number {at}\n" if at in errors else f"line {at}\n"
        for at in range(count)
    )


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_those_of_the_text(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Blocks so small that lines, and ends of lines, lie across them.
    monkeypatch.setattr("fitui.widgets.log._BLOCK", 7)
    choose = random.Random(seed)
    text = "".join(choose.choice(PIECES) for _ in range(choose.randrange(400)))
    assert shown(text) == clean_lines(text)
    assert len(LogLines(text)) == len(log_lines(text))


def test_any_order_gives_the_same_lines() -> None:
    text = long_log()
    found, wanted = LogLines(text), clean_lines(text)
    for index in random.Random(1).sample(range(len(found)), 500):
        assert found.plain(index) == wanted[index]


def test_nothing_that_moves_a_cursor_is_left() -> None:
    text = "\x1b[2J\x1b[1;31mred\x1b[0m\x1b]0;title\x07 bell\x07 back\b c1\x9b2J \u202ebidi\x00\n"
    line = shown(text)[0]
    assert line.isprintable()
    assert "red" in line and "title" not in line


def test_a_progress_bar_shows_its_last_state() -> None:
    assert shown("  1 %\r 50 %\r100 %\r\nnext\r\n") == ["100 %", "next"]


def test_a_line_of_megabytes_is_cut() -> None:
    found = LogLines("x" * 5_000_000)
    line = found.plain(0)
    assert len(found) == 1 and line.startswith("x" * LONGEST)
    assert line.endswith(f"and {5_000_000 - LONGEST} characters more")


def test_five_megabytes_open_and_show_at_once() -> None:
    text = "[12] ptxas info    : Used 32 registers, 380 bytes cmem[0]\n" * 90_000
    begun = time.perf_counter()
    found = LogLines(text)
    for index in (*range(50), *range(len(found) - 50, len(found))):
        found.spans(index)
    assert len(text) > 5e6
    assert time.perf_counter() - begun < 0.05


def test_errors_are_marked() -> None:
    found = LogLines("fine\nk.cu(3): error: no\nTraceback (most recent call last):\nx: Killed\n")
    assert [at for at in range(len(found)) if found.is_mark(at)] == [1, 3]
    assert found.spans(1) == [("k.cu(3): error: no", "failed")]


def test_a_part_and_joined_texts_keep_marks() -> None:
    part = Part(LogLines("a\nerror: b\nc\n"), 1, 9)
    both = Joined([Document([[("top", "")]]), part])
    assert [both.plain(at) for at in range(len(both))] == ["top", "error: b", "c"]
    assert [both.is_mark(at) for at in range(len(both))] == [False, True, False]


@pytest.mark.parametrize(
    ("needle", "wanted"),
    [
        ("ab", [("ab", "match"), ("c", ""), ("AB", "match"), ("d", "x")]),
        ("ca", [("ab", ""), ("c", "match"), ("A", "match"), ("Bd", "x")]),
        ("abcabd", [("abc", "match"), ("ABd", "match")]),
        ("d", [("abc", ""), ("AB", "x"), ("d", "match")]),
        ("z", [("abc", ""), ("ABd", "x")]),
    ],
)
def test_hits_are_marked_across_spans(needle: str, wanted: list[Span]) -> None:
    assert mark_hits([("abc", ""), ("ABd", "x")], needle) == wanted


def test_only_what_is_in_sight_is_kept() -> None:
    spans = [("0123456789", "a"), ("abcdef", "b")]
    assert seen_spans(spans, 8, 4) == ([("89", "a"), ("ab", "b")], 0)
    assert seen_spans(spans, 12, 40) == ([("cdef", "b")], 0)
    # Where a character may be two columns wide, the strip is cut.
    assert seen_spans([("0123456789", "a"), ("äöü", "b")], 11, 4) == ([("äöü", "b")], 1)


# Looking through on a thread


def scanned(count: int, wanted: set[int], start: int) -> Scan:
    """A finished scan."""
    ended = threading.Event()
    scan = Scan(count, wanted.__contains__, start, lambda scan: ended.set() if scan.done else None)
    assert count <= AT_ONCE or ended.wait(20)
    return scan


@pytest.mark.parametrize("count", [AT_ONCE, 3 * AT_ONCE])
@pytest.mark.parametrize("start", [0, 700, 1999])
def test_what_was_found_is_gone_through_in_a_ring(count: int, start: int) -> None:
    scan = scanned(count, {3, 700, 1500}, start)
    assert scan.total == 3
    assert [scan.after(line) for line in (-1, 3, 700, 1500, 1900)] == [3, 700, 1500, 3, 3]
    assert [scan.before(line) for line in (3, 700, 701, 1900)] == [1500, 3, 700, 1500]
    assert [scan.rank(line) for line in (3, 700, 1500)] == [0, 1, 2]
    assert scanned(count, set(), start).after(0) is None


def test_what_is_near_is_known_before_the_rest() -> None:
    gate, first, ended = threading.Event(), threading.Event(), threading.Event()

    def wanted(line: int) -> bool:
        if line == 5000:
            gate.wait(20)
        return line in (100, 4000, 5500)

    scan = Scan(6000, wanted, 3000, lambda scan: (ended if scan.done else first).set())
    assert first.wait(20)
    assert scan.after(2999) == 4000
    assert scan.after(4000) is None and scan.before(4000) is None and not scan.done
    gate.set()
    assert ended.wait(20)
    assert scan.after(4000) == 5500 and scan.after(5500) == 100


# On the screen


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A trace with a long log, whose first error is in its middle."""
    root = write_dataset(tmp_path / "dataset", traces=False)
    log = long_log((2500, 4100))
    lines(root / "traces/t.jsonl", [trace("fast", WORKLOADS[0], "COMPILE_ERROR", log=log)])
    return root


def marked(driver: Driver) -> str:
    """The marked line of the text."""
    text = driver.bench.text
    return "" if text.here is None else text.lines.plain(text.here)


async def test_a_long_log_opens_at_its_first_error(start: Start) -> None:
    async with start("trace 1 tab:log") as driver:
        assert marked(driver).startswith("k.cu(2500): error")
        assert "error: number 2500" in driver.screen()
        await driver.press("e")
        await driver.until(lambda: "error 2 of 2" in driver.status)
        assert marked(driver).startswith("k.cu(4100)")
        await driver.press("E")
        assert marked(driver).startswith("k.cu(2500)")
        assert "line 2501 of 6000, error 1 of 2" in driver.status


async def test_a_long_log_is_searched_forwards_and_back(start: Start) -> None:
    async with start("trace 1 tab:log") as driver:
        await driver.press("slash")
        await driver.type("line 599")
        # 599, and 5990 to 5999.
        await driver.until(lambda: "hit 2 of 11" in driver.bench.typing.note)
        await driver.press("enter", "n")
        assert "line 5992 of 6000, hit 3 of 11" in driver.status
        await driver.press("N", "N")
        assert "line 600 of 6000, hit 1 of 11" in driver.status
        await driver.press("N")
        assert "line 6000 of 6000, hit 11 of 11" in driver.status


async def test_keys_answer_while_a_log_is_searched(start: Start) -> None:
    gate = threading.Event()

    class Slow(LogLines):
        def plain(self, index: int) -> str:
            if index == 1500 and threading.current_thread() is not threading.main_thread():
                gate.wait(20)
            return super().plain(index)

    async with start("trace 1 tab:log") as driver:
        text = driver.bench.text
        text.show(Slow(long_log()))
        try:
            await driver.press("slash")
            await driver.type("line 5999")
            assert "looking" in driver.bench.typing.note
            await driver.press("enter", "G", "g", "j")
            assert text._top == 1
        finally:
            gate.set()
        await driver.until(lambda: marked(driver) == "line 5999")


async def test_a_very_long_line_is_painted_and_marked(start: Start, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "other", traces=False)
    log = "\x1b[1m" + "0123456789" * 300_000 + " the end\nRuntimeError: no\n"
    lines(root / "traces/t.jsonl", [trace("fast", WORKLOADS[0], "RUNTIME_ERROR", log=log)])
    async with start("trace 1 tab:log", dataset=root) as driver:
        await driver.press("g", "l", "slash")
        await driver.type("789012")
        assert driver.bench.text.here == 0
        strip = driver.bench.text.paint(0)
        assert strip.cell_length == driver.bench.text.size.width
        assert strip.text.startswith("89012345")
        assert any(item.style and item.style.reverse for item in strip)
