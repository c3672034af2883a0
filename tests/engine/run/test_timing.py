"""Timed calls, block by block, from a child that answers as it likes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.run.process import ChildBrokeProtocol
from engine.run.protocol import Block, Done, FromChild, Ticks
from engine.run.timing import WARMUP_CALLS, time_calls
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


def test_blocks_are_taken_until_the_stop_rule_is_content() -> None:
    child, reports = FakeChild(), []
    timing = time_calls(child.ask, [1, 2], SETTINGS, reports.append)
    assert sum(block.n for block in child.blocks) == len(timing.device_ns) == timing.summary.n
    assert 5 <= timing.summary.n <= 12
    assert [summary.n for summary in reports][-1] == timing.summary.n
    assert (timing.timer, timing.latency_ms) == ("cpu-clock", 0.001)


def test_only_the_first_block_is_warmed_up_and_the_sets_rotate() -> None:
    child = FakeChild()
    time_calls(child.ask, [1, 2, 3], SETTINGS, lambda summary: None)
    warmups = [block.warmup for block in child.blocks]
    assert warmups == [WARMUP_CALLS] + [0] * (len(warmups) - 1)
    assert [block.keys for block in child.blocks][:2] == [[1, 2, 3], [2, 3, 1]]


@pytest.mark.parametrize("times", [[], [1, 2]])
def test_another_number_of_times_than_asked_for_breaks_the_protocol(times: list[int]) -> None:
    with pytest.raises(ChildBrokeProtocol):
        time_calls(FakeChild(device_ns=times).ask, [1], SETTINGS, lambda summary: None)


def test_another_answer_breaks_the_protocol() -> None:
    with pytest.raises(ChildBrokeProtocol, match="it sent Done instead of times"):
        time_calls(lambda order: Done(), [1], SETTINGS, lambda summary: None)


@pytest.mark.parametrize("time", ["-1", "1" + "0" * 400, str(1 << 62)])
def test_times_that_no_clock_gives_are_no_message(time: str) -> None:
    text = f'{{"type":"ticks","timer":"cupti","device_ns":[{time}],"host_ns":[1]}}'
    decoder: Any = msgspec.json.Decoder(FromChild)
    with pytest.raises(msgspec.ValidationError):
        decoder.decode(text)
