"""What stands around every page, in little room: breadcrumb, places, names and sentences."""

from __future__ import annotations

from typing import cast

import pytest

from fitui.screens.chrome import crumb_spans
from fitui.screens.documents import described
from fitui.screens.page import Page
from fitui.view import Trail, View
from fitui.widgets.lines import fit
from tests.fitui.ui.conftest import Start

COMPARING = (View("definitions"), View("matrix", "rmsnorm_h4096"), View("compare", "a", other="b"))
TITLE = "A cuda_rmsnorm_h4096   B example_compile_error"


class Titled:
    """A page, as far as the breadcrumb asks."""

    def __init__(self, title: str) -> None:
        self._title = title

    def crumb(self) -> str:
        """Its title."""
        return self._title


def crumbs(trail: Trail, title: str, room: int) -> str:
    """The breadcrumb in a number of cells."""
    spans = crumb_spans(trail, cast("Page", Titled(title)), room)
    return "".join(text for text, _style in spans)


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (84, " definitions > rmsnorm_h4096 matrix > " + TITLE),
        (80, " definitions > rmsnorm_h4…atrix > " + TITLE),
        (60, " … > " + TITLE),
        (40, " … > A cuda_rmsnorm_h4096   …mpile_error"),
        (5, " … > A cuda_…rror"),
    ],
)
def test_what_is_furthest_out_yields_first(room: int, expected: str) -> None:
    assert crumbs(COMPARING, TITLE, room) == expected


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (80, " 0 triage  1 definitions  2[traces] 3 runs  4 bad files  5 devices "),
        (60, " 0 triage  1 definitions  2[traces] 3 runs  4 bad files  5"),
        (20, " 0 1 2[traces] 3 4 5"),
        (19, " traces"),
    ],
)
def test_a_place_shows_the_digits_of_all_as_far_as_there_is_room(room: int, expected: str) -> None:
    assert crumbs((View("traces"),), "traces", room) == expected


def test_what_is_no_place_shows_none() -> None:
    assert crumbs((View("solution", "fast"),), "fast", 80) == " fast"


async def test_the_digits_lead_where_they_say(start: Start) -> None:
    async with start("triage") as driver:
        line = driver.screen().splitlines()[0]
        words = line.replace("[", " ").replace("]", " ").split()
        places = [words[at : at + 2] for at, word in enumerate(words) if word.isdigit()]
        assert len(places) == 6
        for digit, name in places:
            await driver.press(digit)
            assert driver.screen().splitlines()[0].count(f"{digit}[{name}") == 1


@pytest.mark.parametrize(
    ("width", "expected"),
    [(6, "abcd  "), (4, "abcd"), (3, "a…d"), (2, "a…"), (1, "…"), (0, "")],
)
def test_a_name_keeps_both_ends(width: int, expected: str) -> None:
    assert fit("abcd", width, middle=True) == expected


def test_names_that_begin_alike_stay_apart() -> None:
    names = [f"dsa_sparse_attention_h16_ckv512_kpe64_topk2048_ps{size}" for size in (1, 64)]
    assert len({fit(name, 26, middle=True) for name in names}) == 2


ROWS = [("x", "float32", "One word after another, more than there is room for."), ("yy", "", "")]


@pytest.mark.parametrize("width", [30, 50, 120])
def test_no_sentence_is_cut(width: int) -> None:
    lines = ["".join(text for text, _style in line) for line in described(ROWS, ("",) * 3, width)]
    assert all(len(line.rstrip()) < width for line in lines)
    assert " ".join(" ".join(lines).split()).count(ROWS[0][-1]) == 1
    assert lines[-1].strip() == "yy"


def test_a_sentence_goes_below_its_row_where_its_column_would_be_narrow() -> None:
    lines = described(ROWS, ("",) * 3, 30)
    assert "".join(text for text, _style in lines[0]).strip() == "x   float32"
