"""flashinfer-bench's trials in a worker and in a run: a fixed plan, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from engine.measure.timers import CannotMeasure, Sample
from engine.measure.trials import ALL_TIMED, ALL_UNTIMED, TIMED_CALLS
from engine.run import protocol
from engine.run.process import ChildBrokeProtocol
from engine.run.timing import Series, take_turns
from engine.run.worker import Worker
from engine.schema import Kind, Settings
from engine.schema.timers import FLASHINFER

from .conftest import GOOD, LIMITS, run_to_end, write_dataset

SETTINGS = Settings(timer=FLASHINFER, min_samples=5, max_samples=12)


class Child:
    """Answers with three trials whose medians are 1, 2 and 6 us."""

    def __init__(self, calls: int = ALL_TIMED, timer: str = FLASHINFER) -> None:
        self.blocks: list[protocol.Block] = []
        times = [1000] * TIMED_CALLS + [2000] * TIMED_CALLS + [6000] * TIMED_CALLS
        self.times = [*times, 1][:calls]
        self.timer = timer

    def ask(self, block: protocol.Block) -> protocol.Ticks:
        self.blocks.append(block)
        return protocol.Ticks(timer=self.timer, device_ns=self.times, host_ns=self.times)


def test_it_is_one_order_whatever_the_stop_rule_says() -> None:
    child = Child()
    series, reports = Series(child.ask, [1, 2, 3], SETTINGS), []
    take_turns([series], reports.append)
    series.take_warm()
    (block,) = child.blocks
    assert (block.keys, block.n, block.warmup) == ([1, 2, 3], ALL_TIMED, ALL_UNTIMED)
    assert (block.timer, block.cold) == (FLASHINFER, True)
    timing = series.timing()
    assert timing.latency_ms == pytest.approx(0.003), "the mean of the medians"
    assert (timing.summary.n, len(timing.device_ns), timing.dropped) == (150, 150, 0)
    assert timing.warm_ns == []
    assert [summary.median for summary in reports] == [3000.0]


def test_it_takes_no_turns() -> None:
    own, reference = Child(), Child()
    both = [Series(child.ask, [1], SETTINGS) for child in (own, reference)]
    take_turns(both, lambda summary: None)
    assert [len(child.blocks) for child in (own, reference)] == [1, 1]


def test_the_timer_is_what_the_child_says() -> None:
    series = Series(Child(timer="flashinfer-events").ask, [1], SETTINGS)
    series.take()
    assert series.timing().timer == "flashinfer-events"


@pytest.mark.parametrize("calls", [0, 50, ALL_TIMED + 1])
def test_another_number_of_calls_breaks_the_protocol(calls: int) -> None:
    with pytest.raises(ChildBrokeProtocol):
        Series(Child(calls).ask, [1], SETTINGS).take()


class Trials:
    """A timer that notes with what it was called."""

    name = FLASHINFER

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def trial(self, call: Callable[[], object]) -> list[Sample]:
        self.calls.append(call)
        for _ in range(3):
            call()
        return [Sample(result=None, device_ns=len(self.calls), host_ns=1)] * TIMED_CALLS


class Inputs:
    """A set whose only input is made anew whenever it is asked for."""

    def __init__(self, value: float) -> None:
        self.value = value

    def arguments(self) -> list[Any]:
        return [torch.tensor(self.value)]

    def destinations(self) -> list[Any]:
        return [torch.zeros(())]


def worker_with(seen: list[tuple[Any, ...]], sets: int) -> Any:
    worker: Any = Worker("cpu", -1)
    worker._trial_timer = Trials()
    worker._sets = {number: Inputs(float(number)) for number in range(sets)}
    worker._entry = lambda *arguments: seen.append(arguments)
    return worker


@pytest.mark.parametrize(("sets", "values"), [(3, [0.0, 1.0, 2.0]), (1, [0.0, 0.0, 0.0])])
def test_each_trial_has_its_own_set_and_the_same_objects_throughout(
    sets: int, values: list[float]
) -> None:
    seen: list[tuple[Any, ...]] = []
    worker = worker_with(seen, sets)
    order = protocol.Block(keys=list(range(sets)), n=ALL_TIMED, timer=FLASHINFER)
    ticks, _ = worker.handle(order, [])
    assert ticks.timer == FLASHINFER
    assert ticks.device_ns == [1] * TIMED_CALLS + [2] * TIMED_CALLS + [3] * TIMED_CALLS
    trials = [seen[at : at + 3] for at in range(0, 9, 3)]
    assert [trial[0][0].item() for trial in trials] == values
    for trial in trials:
        assert all(
            one is other for call in trial for one, other in zip(call, trial[0], strict=True)
        )


def test_fewer_calls_are_not_its_way() -> None:
    worker = worker_with([], 1)
    with pytest.raises(CannotMeasure, match="times 150 calls, never fewer"):
        worker.handle(protocol.Block(keys=[0], n=16, timer=FLASHINFER), [])


def test_without_a_gpu_there_is_no_verdict_and_the_reason_is_told(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "dataset", {"good": GOOD})
    handle = run_to_end(root, settings=replace(LIMITS, timer=FLASHINFER))
    (cell,) = handle.progress.cells.values()
    assert cell.phase is Kind.NOT_RUN
    assert "the timer 'flashinfer' needs a GPU" in cell.message
