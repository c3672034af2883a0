"""Asking a child for timed calls until the stop rule is content."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from engine.measure.statistics import Summary, block_size, is_enough, summarise
from engine.run import protocol
from engine.run.process import ChildBrokeProtocol
from engine.schema.run import Settings

WARMUP_CALLS = 2


class Timing(Struct, kw_only=True):
    """Timed calls of one evaluation, and what is said of them."""

    timer: str
    summary: Summary
    device_ns: list[int]
    host_ns: list[int]
    kernels: list[tuple[str, int]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)

    @property
    def latency_ms(self) -> float:
        """Median in milliseconds."""
        return self.summary.median / 1e6


def time_calls(
    ask: Callable[[Any], Any],
    keys: list[int],
    settings: Settings,
    report: Callable[[Summary], None],
) -> Timing:
    """Take samples block by block.

    Args:
        ask: Sends an order to a child and returns its answer; raises where that fails.
        keys: Input sets to rotate through.
        settings: Of the run.
        report: Called with the running summary after each block.

    Raises:
        ChildBrokeProtocol: The answer is not what was asked for.
    """
    device: list[int] = []
    host: list[int] = []
    started = time.monotonic()
    size = 1
    while True:
        # The warm-up's length is what the first block costs most.
        warmup = WARMUP_CALLS if not device else 0
        ticks = ask(protocol.Block(keys=keys, n=size, warmup=warmup))
        if not isinstance(ticks, protocol.Ticks):
            raise ChildBrokeProtocol(f"it sent {type(ticks).__name__} instead of times")
        if len(ticks.device_ns) != size:
            raise ChildBrokeProtocol(f"{size} timed calls gave {ticks.device_ns[:8]} ...")
        device += ticks.device_ns
        host += ticks.host_ns
        summary = summarise(device)
        report(summary)
        elapsed = time.monotonic() - started
        if is_enough(summary, settings, elapsed):
            break
        # What a call costs in all, with the copies around it.
        per_call = elapsed / (len(device) + WARMUP_CALLS)
        size = min(block_size(per_call), settings.max_samples - len(device))
        # Rotate the sets, so that a block does not always start with the same one.
        keys = keys[1:] + keys[:1]
    return Timing(
        timer=ticks.timer,
        summary=summary,
        device_ns=device,
        host_ns=host,
        kernels=ticks.kernels,
        flags=ticks.flags,
    )
