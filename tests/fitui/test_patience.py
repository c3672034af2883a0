"""Questions that may take long: the newest of a slot counts, late answers are handed over later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fitui.screens.patience import Patience, Wanted
from fitui.screens.rows import HELD, PAGE, FetchedRows, Field

FIELDS = (Field("S", 1, str), Field("NUMBER", 8, str))


class Asker:
    """Somebody with a patience, who hears of late answers."""

    def __init__(self) -> None:
        self.told = threading.Semaphore(0)
        self.patience = Patience(self.told.release)
        self.answers: list[Any] = []
        self.errors: list[Exception] = []
        self.parked = threading.Semaphore(0)
        self.gate = threading.Event()

    def ask(self, slot: str, answer: Any) -> None:
        """Ask what is answered at once."""
        self.patience.ask(slot, lambda _wanted: answer, self.answers.append)

    def ask_parked(self, slot: str, answer: Any) -> None:
        """Ask what is answered once the gate is open: True if the answer was wanted then."""

        def find(wanted: Wanted) -> Any:
            self.parked.release()
            assert self.gate.wait(30)
            if isinstance(answer, Exception):
                raise answer
            return answer, wanted()

        self.patience.ask(slot, find, self.answers.append)

    def take(self) -> None:
        """Open the gate, wait for word of a late answer, and take it."""
        self.gate.set()
        assert self.told.acquire(timeout=30)
        self.patience.take()


@pytest.fixture
def asker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asker]:
    """One whose questions are answered in time unless they are parked."""
    monkeypatch.setattr("fitui.screens.patience.KEY_S", 30.0)
    asker = Asker()
    yield asker
    asker.gate.set()


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for nothing from now on."""
    monkeypatch.setattr("fitui.screens.patience.KEY_S", 0.0)


def test_what_comes_in_time_is_there_at_once(asker: Asker) -> None:
    asker.ask("a", 1)
    asker.ask("a", 2)
    assert asker.answers == [1, 2] and not asker.patience.waits("a")
    with pytest.raises(ZeroDivisionError):
        asker.patience.ask("a", lambda _wanted: 1 // 0, asker.answers.append)
    assert not asker.patience.waits("a")
    asker.patience.ask("a", lambda _wanted: 1 // 0, asker.answers.append, asker.errors.append)
    assert [type(error) for error in asker.errors] == [ZeroDivisionError]


def test_what_is_late_is_taken_later(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    asker.ask_parked("a", 1)
    assert asker.patience.waits("b", "a") and not asker.patience.waits("b")
    asker.patience.take()
    assert asker.answers == []
    asker.take()
    assert asker.answers == [(1, True)] and not asker.patience.waits("a")


def test_the_newest_of_a_slot_counts(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    asker.ask_parked("a", "old")
    assert asker.parked.acquire(timeout=30)
    asker.ask("a", "passed over")
    asker.ask("b", "other")
    asker.ask("a", "new")
    asker.take()
    asker.take()
    assert asker.answers == ["other", "new"], "the one that runs is finished, and left out"


def test_what_is_dropped_is_not_handed_over(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    asker.ask_parked("a", 1)
    assert asker.parked.acquire(timeout=30)
    asker.ask("b", 2)
    asker.ask("c", 3)
    asker.patience.drop("a", "b")
    assert not asker.patience.waits("a", "b")
    asker.take()
    assert asker.answers == [3]


def test_a_late_error_is_raised_where_it_is_taken(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    asker.ask_parked("a", LookupError("gone"))
    with pytest.raises(LookupError, match="gone"):
        asker.take()
    assert asker.answers == [] and not asker.patience.waits("a")


def numbers(count: int, asked: list[tuple[int, int]]) -> FetchedRows:
    """Rows that are their numbers, noting what is fetched."""

    def fetch(limit: int, offset: int) -> list[int]:
        asked.append((offset, limit))
        return list(range(count))[offset : offset + limit]

    return FetchedRows(FIELDS, count, fetch, str)


@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize("start", [0, 199, 200, 3000, 5049])
@pytest.mark.parametrize("hits", [{7}, {4999}, {200, 2500}, set()])
def test_seeking_finds_the_next_round_the_end(step: int, start: int, hits: set[int]) -> None:
    count = 5050
    rows = numbers(count, [])
    expected = next(
        (
            index
            for index in ((start + step * distance) % count for distance in range(1, count + 1))
            if index in hits
        ),
        None,
    )
    assert rows.seek(lambda row: row in hits, start, step, count, lambda: True) == expected
    if expected is not None:
        assert not rows.is_missing(expected)


def test_seeking_far_asks_seldom_and_ends_when_nobody_wants_it() -> None:
    asked: list[tuple[int, int]] = []
    rows = numbers(100 * PAGE, asked)
    assert rows.seek(lambda _row: False, 0, 1, 50 * PAGE, lambda: True) is None
    assert len(asked) < 10 and sum(limit for _offset, limit in asked) < 80 * PAGE
    asked.clear()
    assert rows.seek(lambda _row: False, 0, 1, 50 * PAGE, lambda: len(asked) < 2) is None
    assert len(asked) == 2


def test_what_is_read_later_never_fetches() -> None:
    asked: list[tuple[int, int]] = []
    wanted: list[int] = []
    rows = numbers(10 * PAGE, asked)
    rows.fetch(0, 1)
    rows.later = wanted.append
    assert rows.row(5) == 5 and not wanted
    assert rows.row(PAGE) is None and wanted == [PAGE]
    assert [rows.cell(PAGE, column) for column in (0, 1)] == ["", "..."]
    assert rows.mark(PAGE, 1) == "dim" and rows.find(str(PAGE)) is None
    assert asked == [(0, PAGE)]
    assert rows.locate(str(PAGE)) == PAGE and rows.cell(PAGE, 1) == str(PAGE)


def test_the_first_page_is_kept_whatever_is_read() -> None:
    rows = numbers(3 * HELD, [])
    for index in range(0, 3 * HELD, PAGE):
        rows.row(index)
    kept = [index for index in range(0, 3 * HELD, PAGE) if not rows.is_missing(index)]
    assert len(kept) == HELD // PAGE and kept[0] == 0 and kept[1] > HELD
