"""Flags: which are alarms, and what is left of them in an index."""

from __future__ import annotations

from engine.measure import cuda
from engine.run import judge_times
from engine.schema.flags import ALARMS, is_alarm, plain_flags, word_of


def test_alarms_are_the_words_that_the_engine_raises() -> None:
    assert {judge_times.FASTER, judge_times.BELOW, cuda.NOTHING, cuda.LATE} == ALARMS
    assert not is_alarm([cuda.HOST_SYNC, cuda.STREAMS, judge_times.LOW_CLOCK])
    assert is_alarm([cuda.HOST_SYNC, cuda.LATE])
    assert not is_alarm([])


def test_details_with_figures_are_left_out_and_others_stay() -> None:
    flags = ["low clock: 1200 of 1980 MHz", "throttled: power cap", "low clock: 7 of 9 MHz", ""]
    assert plain_flags(flags) == ["low clock", "throttled: power cap"]
    assert plain_flags(["more than 64 device activities"]) == ["more than 64 device activities"]
    assert word_of("throttled: power cap") == "throttled" and word_of("host_sync") == "host_sync"
