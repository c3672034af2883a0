"""The chart: where points stand, and what a terminal without braille gets."""

from __future__ import annotations

import pytest

from fitui.widgets.series import Point, column_of, draw, is_plain


def points(*values: float | None) -> list[Point]:
    """Points without letters."""
    return [Point(value) for value in values]


def test_the_greatest_is_at_the_top_and_the_least_at_the_bottom() -> None:
    rows, _letters = draw(points(1.0, 2.0, 3.0), 3, 3, plain=True)
    assert rows == ["  *", " * ", "*  "]


def test_braille_has_four_levels_of_a_line() -> None:
    rows, _letters = draw(points(0.0, 1.0, 2.0, 3.0), 4, 1)
    assert rows == ["\u28c0\u2824\u2812\u2809"]


def test_one_value_is_in_the_middle() -> None:
    rows, _letters = draw(points(5.0, 5.0), 2, 3, plain=True)
    assert rows == ["  ", "**", "  "]


def test_few_points_are_broad_with_gaps_between() -> None:
    rows, letters = draw([Point(1.0), Point(None, "v")], 12, 1, plain=True)
    assert rows == ["*****   x   "]
    assert letters == "        v   "


def test_points_that_share_a_column_span_it() -> None:
    rows, letters = draw([Point(1.0), Point(4.0, "e"), Point(2.0), Point(2.0)], 2, 4, plain=True)
    assert rows == ["* ", "* ", "**", "* "]
    assert letters == "e "
    dots, _letters = draw(points(0.0, 7.0, 7.0, 7.0), 2, 2)
    assert dots == ["\u28ff\u2809", "\u28ff "]


@pytest.mark.parametrize(("count", "width"), [(1, 1), (3, 40), (40, 40), (1000, 71), (0, 10)])
def test_every_point_has_a_column(count: int, width: int) -> None:
    columns = [column_of(index, count, width) for index in range(count)]
    assert columns == sorted(columns)
    assert all(0 <= column < width for column in columns)
    rows, letters = draw(points(*map(float, range(count))), width, 5)
    assert [len(row) for row in rows] == [width] * 5 and len(letters) == width


@pytest.mark.parametrize(
    ("terminal", "encoding", "plain"),
    [
        ("xterm-256color", "utf-8", False),
        ("linux", "utf-8", True),
        ("xterm", "ANSI_X3.4-1968", True),
        ("xterm", None, True),
    ],
)
def test_terminals_without_braille(terminal: str, encoding: str | None, plain: bool) -> None:
    assert is_plain({"TERM": terminal}, encoding) is plain
