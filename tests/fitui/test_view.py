"""The text form of views: each is read back from it, and a text that means nothing says why."""

from __future__ import annotations

import random

import pytest

from fitui.view import (
    KINDS,
    NEWEST,
    WITH_OTHER,
    WITH_SUBJECT,
    Navigator,
    View,
    ViewError,
    parse_view,
)

FIELDS = ("speedup", "latency", "axis.M", "age", "hardware", "max_absolute_error")
FILTERS = (
    "",
    "status:failed",
    "lat>=12.45us lat<12.55us",
    '!(op:gemm | author="two words") "out of memory"',
    "axis.M>=1024 !flag:?*",
)
SUBJECTS = (
    "rmsnorm_h4096",
    "a name",
    'quo"te\\d',
    "fast@3f9a12c0",
    "(odd)",
    "20261122-100000-beef/e0",
)


def some_view(chance: random.Random) -> View:
    """Any view that has a text."""
    kind = chance.choice(KINDS)
    tab = chance.choice(("", "traces", "solutions")) if kind in ("definition", "solution") else ""
    view = View(
        kind,
        chance.choice(SUBJECTS) if kind in WITH_SUBJECT else "",
        tab,
        filter=chance.choice(FILTERS),
        sort=",".join(chance.choice(("", "-")) + name for name in some(chance)),
        other=chance.choice(SUBJECTS) if kind in WITH_OTHER else "",
    )
    if not view.has_rows:
        return view
    delta = chance.random() < 0.5
    cols = [(chance.choice("+-") if delta else "") + name for name in some(chance)]
    return view.but(
        cols=",".join(cols),
        group=chance.choice(("", *FIELDS)),
        follow=chance.choice(("", NEWEST)),
    )


def some(chance: random.Random) -> list[str]:
    """A few fields, each once, in any order."""
    return chance.sample(FIELDS, chance.randrange(len(FIELDS)))


@pytest.mark.parametrize("seed", range(400))
def test_every_view_is_read_back_from_its_text(seed: int) -> None:
    view = some_view(random.Random(seed))
    assert parse_view(str(view)) == view


@pytest.mark.parametrize("seed", range(50))
def test_the_order_of_the_parts_of_a_text_says_nothing(seed: int) -> None:
    chance = random.Random(seed)
    parts = ["status:failed", "sort:-speedup,latency", "cols:+run,-age", "group:solution"]
    chance.shuffle(parts)
    expected = View(
        "traces",
        filter="status:failed",
        sort="-speedup,latency",
        cols="+run,-age",
        group="solution",
    )
    assert parse_view(" ".join(["traces", *parts])) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("traces cols:+run,age", "mixes both ways"),
        ("traces cols:run,run", "names run twice"),
        ("traces cols:+run,-run", "names run twice"),
        ("traces cols:run,,age", "lacks the name of a field"),
        ("traces cols:", "needs a value"),
        ("traces cols:a cols:b", "there twice"),
        ("traces sort:", "needs a value"),
        ("traces sort:-", "lacks the name of a field"),
        ("traces sort:a,-a", "names a twice"),
        ("traces group:a,b", "grouped by one"),
        ("traces follow:oldest", "follow:newest"),
        ("matrix d cols:a", "is no table of rows"),
        ("definition d group:a", "is no table of rows"),
        ("trace 1 follow:newest", "is no table of rows"),
    ],
)
def test_a_text_that_means_nothing_says_why(text: str, words: str) -> None:
    with pytest.raises(ViewError, match=words):
        parse_view(text)


def test_a_tab_that_is_a_table_has_columns() -> None:
    text = "definition d tab:traces cols:-age"
    assert str(parse_view(text)) == text


def test_the_cursor_of_a_frequency_table_is_its_own() -> None:
    rows, groups = parse_view("traces status:failed"), parse_view("traces group:solution")
    assert rows.place == parse_view("traces sort:-speedup cols:-age").place == "traces"
    assert groups.place == "traces group:solution"


def test_toggling_goes_between_the_last_two_views() -> None:
    way = Navigator((View("triage"),))
    assert not way.toggle()
    way.jump(View("traces"))
    way.jump(View("runs"))
    for kind in ("traces", "runs", "traces"):
        assert way.toggle() and way.view.kind == kind
    way.enter(View("trace", "1"))
    way.out()
    assert way.toggle() and way.view == View("trace", "1")
