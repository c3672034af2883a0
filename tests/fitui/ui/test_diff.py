"""A unified diff: its lines and numbers, the words that changed, and what is held against what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.schema import Solution, decode, encode
from engine.store import keep_version
from fitui.widgets.diff import DiffLines, counts_of, diff_rows
from tests.fitui.ui.conftest import Start
from tests.fitui.ui.tiny_files import WORKLOADS, lines, solution, trace, write, write_dataset


def texts(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """A diff as plain lines."""
    shown = DiffLines(diff_rows(old, new))
    return [shown.plain(index).rstrip() for index in range(len(shown))]


def test_numbers_signs_and_surroundings() -> None:
    old = "".join(f"line {number}\n" for number in range(1, 13))
    new = old.replace("line 5\n", "line five\nand more\n")
    assert texts({"a.py": old}, {"a.py": new}) == [
        "",
        " a.py",
        " @@ -2,7 +2,8 @@",
        *(f" {number}   line {number}" for number in (2, 3, 4)),
        " 5 - line 5",
        " 5 + line five",
        " 6 + and more",
        *(f" {number + 1}   line {number}" for number in (6, 7, 8)),
    ]


def test_what_is_the_same_is_not_there() -> None:
    same = {"a.py": "x = 1\n"}
    assert diff_rows(same, dict(same)) == []
    assert counts_of(diff_rows(same, {"a.py": "x = 2\ny = 3\n"})) == (1, 2)


def test_files_that_came_and_went() -> None:
    shown = texts({"old.py": "x = 1\n"}, {"new.cu": "int x;\n"})
    assert " old.py   only in the first" in shown and " new.cu   new" in shown
    assert " 1 - x = 1" in shown and " 1 + int x;" in shown


def test_changed_words_are_marked_and_others_are_not() -> None:
    shown = DiffLines(diff_rows({"a.py": "x = load(p, 1)\n"}, {"a.py": "x = load2(p, 1)\n"}))
    removed, added = (shown.spans(index) for index in range(3, 5))
    assert [text for text, style in removed if style == "match"] == ["load"]
    assert [text for text, style in added if style == "match"] == ["load2"]
    other = DiffLines(diff_rows({"a.py": "import torch\n"}, {"a.py": "y[:] = x\n"}))
    assert not any(style == "match" for at in range(len(other)) for _text, style in other.spans(at))


def test_beginnings_of_changes_can_be_jumped_to() -> None:
    old = "".join(f"{number}\n" for number in range(40))
    shown = DiffLines(diff_rows({"a": old}, {"a": old.replace("5\n", "x\n")}))
    marks = [shown.plain(at) for at in range(len(shown)) if shown.is_mark(at)]
    assert marks and all(text.startswith(" @@") for text in marks)


def test_nothing_reaches_the_terminal() -> None:
    for text in texts({"a\x1b[2J": "x\x1b[31m\n"}, {"a\x1b[2J": "y\x07\n"}):
        assert text.isprintable()


# On the screen


def version(name: str, body: str) -> tuple[dict[str, Any], str]:
    """A solution with a source, kept as a version, and its hash."""
    document = solution(name)
    document["sources"][0]["content"] = f"def run(x, y):\n    y[:] = {body}\n"
    made = decode(encode(document), Solution)
    keep_version(made)
    return document, made.content_hash()


def evaluated(name: str, place: int, status: str, day: int, hash_: str) -> dict[str, Any]:
    """A trace of a version on a day of October."""
    line = trace(name, WORKLOADS[place], status, log="RuntimeError: no\n")
    line["evaluation"]["timestamp"] = f"2026-10-{day:02}T12:00:00+00:00"
    line["evaluation"]["environment"]["libs"] |= {
        "fitui.solution": hash_,
        "fitui.evaluation": f"e{day}{place}",
        "fitui.note": f"note of day {day}",
        "fitui.commit": "0123abcd",
    }
    return line


@pytest.fixture
def hashes() -> list[str]:
    """Hashes of the versions of ``edited``, from the oldest."""
    made = [version("edited", body)[1] for body in ("x + x", "x * 2", "x * 3")]
    # The clock of a file system is not fine enough to tell them apart.
    folder = Path(os.environ["FITUI_DATA"]) / "versions"
    for age, name in enumerate(made):
        os.utime(folder / f"{name}.json", (1.79e9 + age, 1.79e9 + age))
    return made


@pytest.fixture
def root(tmp_path: Path, hashes: list[str]) -> Path:
    """A solution whose third version fails, and one by the baseline."""
    root = write_dataset(tmp_path / "dataset", traces=False)
    write(root / "solutions/me/pointwise/double_h8/edited.json", version("edited", "x * 3")[0])
    baseline = {**solution("torch_double"), "author": "baseline"}
    write(root / "solutions/baseline/pointwise/double_h8/torch_double.json", baseline)
    lines(
        root / "traces/t.jsonl",
        [
            evaluated("edited", 0, "PASSED", 1, hashes[0]),
            evaluated("edited", 1, "PASSED", 2, hashes[1]),
            evaluated("edited", 0, "RUNTIME_ERROR", 3, hashes[2]),
            trace("fast", WORKLOADS[0], "RUNTIME_ERROR", log="RuntimeError: no\n"),
        ],
    )
    return root


async def test_a_failure_against_the_version_that_passed(start: Start, hashes: list[str]) -> None:
    async with start("trace 3") as driver:
        await driver.press("D")
        assert driver.view == "trace 3 tab:diff"
        await driver.shows("the last version that passed (2026-10-01")
        screen = driver.screen()
        assert f"- edited@{hashes[0]}" in screen and "+ edited " in screen
        assert "2 -     y[:] = x + x" in screen and "2 +     y[:] = x * 3" in screen
        await driver.press("right_curly_bracket")
        assert "line 7 of" in driver.status and "change 1 of 1" in driver.status


async def test_what_never_passed_is_held_against_another_solution(start: Start) -> None:
    async with start("trace 4 tab:diff") as driver:
        await driver.shows("+ fast")
        assert "- torch_double   the baseline" in driver.screen()
        assert "The trace does not say which version ran" in driver.screen()


async def test_versions_of_a_solution(start: Start, hashes: list[str]) -> None:
    async with start("solution edited") as driver:
        await driver.press("tab")
        assert driver.view == "solution edited tab:versions"
        await driver.shows(hashes[0])
        source = driver.bench.table.source
        rows = [
            {column.title: source.cell(row, at) for at, column in enumerate(source.columns)}
            for row in range(source.row_count)
        ]
        assert [row["VERSION"] for row in rows] == hashes[::-1]
        assert [row["IS"] for row in rows] == ["now", "kept", "kept"]
        assert [row["PASSED"] for row in rows] == ["0/1", "1/1", "1/1"]
        assert rows[2]["GEOM"] == "2.00x" and rows[2]["SINCE"].startswith("2026-")
        assert rows[1]["NOTE"] == "note of day 2" and rows[1]["COMMIT"] == "0123abcd"
        await driver.press("j", "enter")
        assert driver.view == f"solution edited@{hashes[1]}"
        assert "y[:] = x * 2" in driver.screen()


async def test_d_holds_a_version_against_the_one_before(start: Start, hashes: list[str]) -> None:
    async with start("solution edited tab:versions") as driver:
        await driver.shows(hashes[0])
        await driver.press("j", "D")
        assert driver.view == f"solution edited@{hashes[1]} tab:diff"
        await driver.shows("the version before")
        assert "-     y[:] = x + x" in driver.screen()
        await driver.press("D")
        assert driver.view.endswith(" against:edited")
        await driver.shows("the version after")
        await driver.press("escape")
        assert driver.view == "solution edited tab:versions"
        await driver.press("G", "D")
        await driver.shows("the version after")


async def test_a_marked_solution_is_what_another_is_held_against(start: Start) -> None:
    async with start("definition double_h8 tab:solutions") as driver:
        driver.bench.marks.toggle("double_h8", "slow")
        driver.bench.table.put_cursor("fast")
        await driver.press("D")
        assert driver.view == "solution fast tab:diff against:slow"
        await driver.shows("- slow")
        assert "-1" in driver.screen() and "# slow" in driver.screen()


async def test_a_version_that_is_gone_is_said_to_be(start: Start, root: Path) -> None:
    lines(root / "traces/t.jsonl", [evaluated("edited", 2, "PASSED", 4, "f" * 16)])
    async with start("solution edited tab:versions") as driver:
        await driver.shows("f" * 16)
        await driver.press("j")
        assert "gone" in driver.screen() and "not kept on this machine" in driver.status
        await driver.press("enter")
        assert driver.view == "solution edited tab:versions"
    async with start("trace 5 tab:source") as driver:
        assert f"Version {'f' * 16} was not kept on this machine" in driver.screen()
