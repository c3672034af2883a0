"""Views as texts, and the way through them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitui.memory import Memory, MemoryFile
from fitui.view import HOME, Navigator, View, ViewError, parse_view, trail_to


@pytest.mark.parametrize(
    "view",
    [
        View("definitions", filter="op:gemm", sort="-speedup"),
        View("definition", "rmsnorm_h4096", "workloads"),
        View("matrix", "a name with spaces"),
        View("solution", 'quo"te\\d'),
        View("solution", "fast@3f9a12c04d77aabb", at="src/kernel.cu:88"),
        View("solution", "fast", at="my kernel.cu:8"),
        View("triage", filter="is:muted illegal", sort="-last"),
        View("trace", "123", "json"),
        View("evaluation", "20261122-100000-beef/e0"),
        View("traces", filter='status:failed "out of memory" (a | b)'),
        View("problems"),
    ],
)
def test_a_view_is_its_text(view: View) -> None:
    assert parse_view(str(view)) == view


def test_nothing_is_home() -> None:
    assert parse_view("  ") == HOME


@pytest.mark.parametrize("text", ["nonsense", "definition", "matrix sort:a"])
def test_a_text_that_names_no_view_says_what_is_missing(text: str) -> None:
    with pytest.raises(ViewError, match=r"no view named|which"):
        parse_view(text)


def test_out_goes_where_one_came_from_and_history_walks_back() -> None:
    way = Navigator((HOME,))
    way.enter(View("matrix", "d"))
    way.enter(View("trace", "1"))
    assert way.out() and way.view == View("matrix", "d")
    assert way.step(-1) and way.view == View("trace", "1")
    assert way.step(1) and way.view == View("matrix", "d")
    assert not way.step(1)
    assert way.out() and not way.out()


def test_a_jump_begins_a_trail_of_its_own() -> None:
    way = Navigator((HOME,))
    way.jump(View("run", "r"))
    assert way.trail == trail_to(View("run", "r")) == (View("runs"), View("run", "r"))


def test_a_state_file_that_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    state = tmp_path / "state"
    file = MemoryFile(state)
    assert file.read() == Memory()
    file.write(Memory(trail=["runs"]))
    assert MemoryFile(state).read().trail == ["runs"]
    file.path.write_text("{")
    assert file.read() == Memory()
    assert [item.name for item in state.iterdir()] == ["state.json"]
