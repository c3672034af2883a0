"""Timed calls, block by block, from a child that answers as it likes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.measure.statistics import Summary
from engine.run.process import ChildBrokeProtocol
from engine.run.protocol import Block, Done, FromChild, Ticks
from engine.run.timing import WARMUP_CALLS, Series, Timing, speedup_interval, take_turns
from engine.schema import Settings

SETTINGS = Settings(min_samples=5, max_samples=12, time_budget_s=0.0, interval=0.0)


class FakeChild:
    """Answers every block with the same latency and remembers what it was asked."""

    def __init__(self, **changed: Any) -> None:
        self.blocks: list[Block] = []
        self.changed = changed

    def ask(self, block: Block) -> Any:
        self.blocks.append(block)
        times = [1000] * block.n
        known: dict[str, Any] = {"timer": "cpu-clock", "device_ns": times, "host_ns": times}
        return Ticks(**{**known, **self.changed})


def time_calls(
    ask: Any, keys: list[int], settings: Settings, report: Any = lambda summary: None
) -> Timing:
    series = Series(ask, keys, settings)
    take_turns([series], report)
    return series.timing()


def test_blocks_are_taken_until_the_stop_rule_is_content() -> None:
    child, reports = FakeChild(), []
    timing = time_calls(child.ask, [1, 2], SETTINGS, reports.append)
    assert sum(block.n for block in child.blocks) == len(timing.device_ns) == timing.summary.n
    assert 5 <= timing.summary.n <= 12
    assert [summary.n for summary in reports][-1] == timing.summary.n
    assert (timing.timer, timing.latency_ms) == ("cpu-clock", 0.001)


def test_only_the_first_block_is_warmed_up_and_the_sets_rotate() -> None:
    child = FakeChild()
    time_calls(child.ask, [1, 2, 3], SETTINGS)
    warmups = [block.warmup for block in child.blocks]
    assert warmups == [WARMUP_CALLS] + [0] * (len(warmups) - 1)
    assert [block.keys for block in child.blocks][:2] == [[1, 2, 3], [2, 3, 1]]


def test_two_take_turns_in_small_blocks() -> None:
    settings = Settings(min_samples=40, max_samples=48, time_budget_s=60.0, interval=0.0)
    order: list[str] = []

    class Named(FakeChild):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def ask(self, block: Block) -> Any:
            order.append(self.name)
            return super().ask(block)

    first, second = Named("a"), Named("b")
    reports: list[Summary] = []
    both = [Series(one.ask, [1], settings) for one in (first, second)]
    take_turns(both, reports.append)
    assert "".join(order).startswith("abababab")
    assert max(block.n for block in first.blocks + second.blocks) <= 16
    assert [one.timing().summary.n for one in both] == [48, 48]
    assert len(reports) == len(first.blocks)


def test_samples_at_another_clock_are_left_out_and_kept() -> None:
    class Throttled(FakeChild):
        def ask(self, block: Block) -> Any:
            ticks = super().ask(block)
            slow = len(self.blocks) % 2 == 0
            ticks.clock_mhz = [1200.0 if slow else 1980.0] * block.n
            ticks.device_ns = [1650 if slow else 1000] * block.n
            return ticks

    settings = Settings(min_samples=60, max_samples=100, time_budget_s=60.0, interval=0.0)
    child = Throttled()
    timing = time_calls(child.ask, [1], settings)
    assert timing.dropped + timing.summary.n == len(timing.device_ns) <= 100
    assert timing.dropped > 20
    assert timing.summary.low == timing.summary.high
    assert "clock unsteady" in timing.flags


@pytest.mark.parametrize("name", ["host_ns", "busy_ns", "activities", "clock_mhz"])
def test_figures_of_other_calls_break_the_protocol(name: str) -> None:
    with pytest.raises(ChildBrokeProtocol, match=name):
        time_calls(FakeChild(**{name: [1, 2, 3]}).ask, [1], SETTINGS)


def test_a_speed_up_is_never_said_too_exactly() -> None:
    settings = Settings(min_samples=1, max_samples=1)
    fast = time_calls(FakeChild().ask, [1], settings).summary
    slow = time_calls(FakeChild(device_ns=[2000]).ask, [1], settings).summary
    assert speedup_interval(fast, slow) == (2.0, 2.0)


@pytest.mark.parametrize("times", [[], [1, 2]])
def test_another_number_of_times_than_asked_for_breaks_the_protocol(times: list[int]) -> None:
    with pytest.raises(ChildBrokeProtocol):
        time_calls(FakeChild(device_ns=times).ask, [1], SETTINGS)


def test_another_answer_breaks_the_protocol() -> None:
    with pytest.raises(ChildBrokeProtocol, match="it sent Done instead of times"):
        time_calls(lambda order: Done(), [1], SETTINGS)


@pytest.mark.parametrize("time", ["-1", "1" + "0" * 400, str(1 << 62)])
def test_times_that_no_clock_gives_are_no_message(time: str) -> None:
    text = f'{{"type":"ticks","timer":"cupti","device_ns":[{time}],"host_ns":[1]}}'
    decoder: Any = msgspec.json.Decoder(FromChild)
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(text)
