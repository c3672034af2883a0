"""Whose the device's activities are, by a clock that is some microseconds off."""

from __future__ import annotations

import random

import msgspec
import pytest

from engine.measure.activity import Record
from engine.measure.attribution import attribute
from engine.measure.driver import GATE, SPIN

OURS, CALLER, OTHER = 13, 7, 20


class Block:
    """A block of calls as a device would record it: times in nanoseconds."""

    def __init__(self, skew: int = 0) -> None:
        self.skew = skew
        self.now = 1_000_000
        self.records: list[Record] = []
        self.windows: list[tuple[int, int]] = []

    def run(self, took: int, stream: int, name: str = "kernel", at: int | None = None) -> None:
        start = self.now if at is None else at
        self.records.append(Record(start + self.skew, start + took + self.skew, stream, name))
        self.now = max(self.now, start + took)

    def call(
        self, *kernels: int, clock: bool = True, warm: bool = False, prepared: int = 3
    ) -> None:
        """Prepare, wait, make the call of kernels of these lengths, wait."""
        for _ in range(prepared):
            self.run(4000, OURS, "copy")
        self.now += 8000
        if warm:
            for took in kernels:
                self.run(took, CALLER)
            self.now += 8000
        opened = self.now
        self.now += 30_000
        if clock:
            self.run(15_000, CALLER, SPIN)
        for took in kernels:
            self.now += 1000
            self.run(took, CALLER)
        self.now += 2700
        self.windows.append((opened, self.now))
        self.now += 25_000

    def shares(self, *, cold: bool = True) -> tuple[list[list[int]], bool]:
        found, late = attribute(
            sorted(self.records, key=lambda record: record.start), self.windows, OURS, cold=cold
        )
        return [[one.end - one.start for one in share.own] for share in found], late


@pytest.mark.parametrize("skew", [-9000, -3000, 0, 3000, 9000, 15_000])
@pytest.mark.parametrize("warm", [False, True])
def test_a_clock_that_is_off_changes_nothing(skew: int, warm: bool) -> None:
    block = Block(skew)
    for number in range(20):
        block.call(1700 + number, 900, warm=warm)
    shares, late = block.shares(cold=not warm)
    assert shares == [[1700 + number, 900] for number in range(20)]
    assert not late


def test_a_warm_calls_forerunner_is_not_the_call_befores() -> None:
    block = Block()
    for number in range(5):
        block.now -= 20_000  # The host is quick.
        block.call(1700 + number, warm=True, prepared=1)
    assert block.shares(cold=False)[0] == [[1700 + number] for number in range(5)]


@pytest.mark.parametrize("skew", [-9000, 0, 9000])
def test_without_the_clocks_kernel_the_preparation_is_the_border(skew: int) -> None:
    block = Block(skew)
    for _ in range(5):
        block.call(2000, clock=False)
    assert block.shares() == ([[2000]] * 5, False)


def test_a_call_without_work_has_no_share() -> None:
    block = Block()
    block.call(1700)
    block.call()
    block.call(1800)
    assert block.shares()[0] == [[1700], [], [1800]]


def test_work_during_the_next_preparation_is_late() -> None:
    block = Block()
    block.call(1700)
    block.run(500, OURS, "copy")
    block.run(700, OTHER)
    block.call(1800)
    assert block.shares() == ([[1700], [1800]], True)


def test_work_after_the_last_call_is_late() -> None:
    block = Block()
    block.call(1700)
    block.now += 300_000
    block.run(700, OTHER)
    assert block.shares() == ([[1700]], True)


def test_a_stream_that_is_not_blocked_counts_from_its_own_start() -> None:
    block = Block()
    block.call(1700)
    opened = block.windows[-1][0]
    block.run(5000, OTHER, at=opened + 5000)
    shares, late = block.shares()
    assert sorted(shares[0]) == [1700, 5000]
    assert not late


def test_who_works_on_our_own_stream_during_a_call_works_for_it() -> None:
    block = Block()
    block.call(1700, 400_000)
    opened, _ = block.windows[-1]
    block.run(300_000, OURS, "hidden", at=opened + 60_000)
    assert sorted(block.shares()[0][0]) == [1700, 300_000, 400_000]


@pytest.mark.parametrize("skew", [-15_000, 0, 15_000])
@pytest.mark.parametrize("clock", [True, False])
def test_who_works_on_our_own_stream_while_the_callers_is_blocked_works_for_the_call(
    skew: int, clock: bool
) -> None:
    block = Block(skew)
    block.call(1700, 2000, clock=clock)
    opened, _ = block.windows[-1]
    # Before the kernel that tells the clock, which waits with the caller's stream.
    own = Record(opened + 40_000 + skew, opened + 45_000 + skew, OURS, "hidden")
    block.records = [
        msgspec.structs.replace(one, start=one.start + 40_000, end=one.end + 40_000)
        if one.start >= opened + skew
        else one
        for one in block.records
    ]
    block.windows = [(opened, block.now + 40_000)]
    block.records.append(own)
    assert block.shares() == ([[5000, 1700, 2000]], False)


def test_the_gates_kernel_is_nobodys() -> None:
    block = Block()
    block.call(1700)
    block.run(20_000, CALLER, GATE, at=block.windows[0][0] + 1000)
    assert block.shares()[0] == [[1700]]


def test_all_sorts_of_blocks_are_shared_out_rightly() -> None:
    chosen = random.Random(7)
    for _ in range(200):
        block = Block(chosen.randint(-9000, 15_000))
        due = []
        for _ in range(chosen.randint(1, 32)):
            kernels = [chosen.randint(600, 90_000) for _ in range(chosen.randint(1, 6))]
            block.call(*kernels)
            due.append(kernels)
        assert block.shares() == (due, False)
