"""Timed calls that tell more than a message holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec

from engine.measure.timers import Sample
from engine.run import protocol
from engine.run.channel import LIMIT
from engine.run.worker import MOST_KERNELS, Worker


class ManyKernels:
    """A timer that sees very many kernels with very long names."""

    name = "cupti"

    def begin(self, *, afresh: bool = False) -> None:
        pass

    def preparing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def measure(self, call: Callable[[], Any], *, cold: bool = True) -> Sample:
        kernels = [("void kernel<" + "x" * 5000, 1000)] * 50_000
        return Sample(result=call(), device_ns=1, host_ns=1, kernels=kernels)

    def settle(self, samples: Sequence[Sample]) -> None:
        pass


class NoInputs:
    same = False

    def arguments(self) -> list[Any]:
        return []

    def destinations(self) -> list[Any]:
        return []


def test_a_call_of_very_many_kernels_still_fits_into_a_message() -> None:
    worker: Any = Worker("cpu", -1)
    worker._timers, worker._sets = {"auto": ManyKernels()}, {1: NoInputs()}
    worker._entry = lambda: None
    ticks, _ = worker.handle(protocol.Block(keys=[1], n=2), [])
    assert len(msgspec.json.encode(ticks)) < LIMIT
    assert len(ticks.kernels) == MOST_KERNELS
    assert ticks.flags == [f"more than {MOST_KERNELS} device activities"]
