"""When news may be painted."""

from __future__ import annotations

from fitui.screens.pace import BLIND_S, PATIENCE_S, PERIOD_S, PROBES, Pace


def test_the_first_news_come_at_once_and_then_four_times_a_second() -> None:
    pace = Pace()
    assert pace.wait(100.0) == 0.0
    pace.painted(100.0)
    assert pace.wait(100.0) == PERIOD_S == 0.25
    assert pace.wait(100.0 + PERIOD_S) == 0.0


def test_a_terminal_that_has_not_answered_is_waited_for() -> None:
    pace = Pace()
    pace.painted(100.0)
    pace.asked(100.0)
    assert pace.wait(101.0) == PATIENCE_S - 1.0
    pace.answered()
    assert pace.wait(101.0) == 0.0


def test_after_three_questions_without_an_answer_none_is_asked() -> None:
    pace, now = Pace(), 100.0
    for _ in range(PROBES):
        assert pace.asks
        pace.painted(now)
        pace.asked(now)
        now += PATIENCE_S
        assert pace.wait(now) == 0.0
    assert not pace.asks
    pace.painted(now)
    assert pace.wait(now) == BLIND_S > PERIOD_S


def test_one_late_answer_and_it_is_asked_again() -> None:
    pace, now = Pace(), 100.0
    for _ in range(PROBES - 1):
        pace.asked(now)
        now += PATIENCE_S
        pace.wait(now)
    pace.answered()
    pace.asked(now)
    pace.wait(now + PATIENCE_S)
    assert pace.asks
