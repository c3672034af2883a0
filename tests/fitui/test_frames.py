"""Reduced frames: a terminal that gets them shows the same as one that gets all of them."""

from __future__ import annotations

import random

import pytest

from benchmarks.ui_screen import Screen
from fitui.frames import PLAIN, Shadow, change, style_of

SIZE = (40, 10)
STYLES = (
    "38;2;224;224;224;48;2;18;18;18",
    "1;38;2;224;224;224;48;2;18;18;18",
    "38;2;138;212;161;48;2;18;18;18",
    "1;38;2;221;237;249;48;2;1;120;212",
    "2;3;38;5;9",
    "7",
    "4;31;44",
    "1;2;91;104",
    "39;49",
    "1;7;38;5;3;48;5;4",
)
TEXTS = ("P ", "   ", "passed", "  a  b", "…", "12.5", "▐", " ", "日本", "e\u0301t", "12.6")


def segment(style: str, text: str) -> str:
    """A piece of text as Rich writes it."""
    return f"\x1b[{style}m{text}\x1b[0m"


def a_line(chosen: random.Random, y: int) -> str:
    """A line from its first column to its last."""
    parts, room = [f"\x1b[{y + 1};1H"], SIZE[0]
    while room > 12:
        text = chosen.choice(TEXTS) * chosen.randint(1, 2)
        room -= sum(2 if letter in "日本" else letter != "\u0301" for letter in text)
        parts.append(segment(chosen.choice(STYLES), text))
    return "".join(parts) + segment(chosen.choice(STYLES), " " * room)


def same(first: Screen, second: Screen) -> bool:
    """True if two terminals look alike; of a blank, the colour of its ink is not seen."""
    if first.letters != second.letters:
        return False
    for letters, looks, others in zip(first.letters, first.looks, second.looks, strict=True):
        for letter, look, other in zip(letters, looks, others, strict=True):
            if letter == " " and not set("479") & set(look.attributes):
                look = look._replace(fore="", attributes="")
                other = other._replace(fore="", attributes="")
            if look != other:
                return False
    return True


@pytest.mark.parametrize("seed", range(20))
def test_the_terminal_shows_the_same(seed: int) -> None:
    chosen = random.Random(seed)
    shadow, short, whole = Shadow(), Screen(SIZE), Screen(SIZE)
    written = 0
    for number in range(60):
        lines = range(SIZE[1]) if not number else chosen.sample(range(SIZE[1]), 3)
        frame = "\n".join(a_line(chosen, y) for y in sorted(lines)) + "\x1b[1;1H"
        if number == 30:
            shadow.forget()
        reduced = shadow.reduce(frame, SIZE)
        assert len(reduced) <= len(frame)
        assert shadow.reduce(frame, SIZE) == ""
        written += len(reduced)
        short.feed(reduced.encode())
        whole.feed(frame.encode())
        assert same(short, whole)
    assert written


def test_only_cells_that_differ_are_written() -> None:
    shadow = Shadow()
    plain, green = STYLES[0], STYLES[2]
    text = "a line of a table"
    first = f"\x1b[3;1H{segment(green, 'P ')}{segment(plain, text)}\x1b[1;1H"
    assert shadow.reduce(first, SIZE) == (
        f"\x1b[3H\x1b[{green}mP \x1b[38;2;224;224;224m{text}\x1b[m\x1b[1;1H"
    )
    second = first.replace("table", "lable")
    assert shadow.reduce(second, SIZE) == f"\x1b[3;15H\x1b[{plain}ml\x1b[m"
    assert shadow.reduce(second.replace("\x1b[1;1H", "\x1b[2;7H"), SIZE) == "\x1b[2;7H"


def test_cells_apart_are_passed_over_and_near_ones_written_again() -> None:
    shadow = Shadow()

    def frame(text: str) -> str:
        return f"\x1b[1;1H{segment('1', text)}\x1b[1;1H"

    shadow.reduce(frame("a234567890b2c"), SIZE)
    assert shadow.reduce(frame("A234567890B2C"), SIZE) == "\x1b[1H\x1b[1mA\x1b[9CB2C\x1b[m"


def test_lines_of_one_background_come_after_each_other() -> None:
    shadow = Shadow()
    rows = [(1, STYLES[0]), (2, STYLES[3]), (3, STYLES[2])]
    frame = "".join(f"\x1b[{y};1H{segment(style, f'line {y}')}" for y, style in rows)
    reduced = shadow.reduce(f"{frame}\x1b[1;1H", SIZE)
    assert reduced.index("line 1") < reduced.index("line 3") < reduced.index("line 2")


def test_a_visible_cursor_goes_back_to_its_place() -> None:
    shadow = Shadow()
    for text in ("find", "fin"):
        frame = f"\x1b[2;1H{segment('1', f'{text:5}')}\x1b[2;4H"
        assert shadow.reduce(frame, SIZE).endswith("\x1b[2;4H")


@pytest.mark.parametrize(
    "strange",
    ["\x1b[1;1Hnear\x1b]8;;x\x1b\\link", "\x1b[1;1H\x1b[1mbold\x1b[3mand more", "\x1b[99;1Hlow"],
)
def test_what_is_not_understood_goes_out_whole(strange: str) -> None:
    shadow, frame = Shadow(), "\x1b[1;1Hnear\x1b[1;1H"
    shadow.reduce(frame, SIZE)
    assert shadow.reduce(strange, SIZE) == strange
    assert "near" in shadow.reduce(frame, SIZE)


def test_a_terminal_of_another_size_is_painted_anew() -> None:
    shadow, frame = Shadow(), "\x1b[1;1Hnear\x1b[1;1H"
    shadow.reduce(frame, SIZE)
    assert "near" in shadow.reduce(frame, (50, 10))


@pytest.mark.parametrize("before", STYLES)
@pytest.mark.parametrize("after", STYLES)
def test_a_change_of_style_ends_what_was(before: str, after: str) -> None:
    told, anew = Screen(SIZE), Screen(SIZE)
    told.feed(f"\x1b[{before}mx{change(style_of(before), style_of(after))}y".encode())
    anew.feed(f"x\x1b[{after}my".encode())
    assert told.looks[0][1] == anew.looks[0][1]
    assert len(change(style_of(before), style_of(after))) <= len(f"\x1b[0;{after}m")
    assert change(style_of(before), PLAIN) in ("\x1b[m", "")
