"""One pair of processes, one of each of two solutions, that take turns with timed calls.

Both are checked and warmed up before the first call that counts. Then blocks of calls alternate:
A B B A and so on, so that what changes with time hits both alike. A block costs some milliseconds
however few its calls are (on a GPU, records are waited for), so there are few.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from msgspec import Struct, field, structs

from engine.evaluate.registry import Plan
from engine.measure.verdicts import DEFAULT, Judgement, Process, Rule, centre, judge
from engine.run import protocol
from engine.run.conditions import Conditions
from engine.run.evaluation import Ended, Evaluator, broke_protocol
from engine.run.process import ChildBrokeProtocol
from engine.run.reference import Prepared
from engine.run.timing import WARMUP_CALLS, ticks_of
from engine.schema.endings import Ending
from engine.schema.run import TimedBlock, Verdict
from engine.schema.workload import Workload

BUDGET_S = 0.25
"""Seconds of timed calls in a process, with the copies around them; slow calls may take longer."""
WARM_UP_S = 0.1
"""Seconds of warm-up calls at least that a fresh pair of processes needs."""
SETTLE_S = 0.003
"""The same of a pair that has just been at work on something else."""
SLOW_S = 0.05
"""Seconds of a call from which on two calls are warm-up enough."""
BLOCKS = 4
"""Of each process; even, so that each solution is first as often as the other."""
BLOCK_CALLS = 24
"""Calls of a block at most."""
FEWEST_CALLS = 15
"""Calls of each process that slow solutions need: checked, warmed up, timed, checked again."""

Read = Callable[[TimedBlock], list[float]]


class SideFailed(Exception):
    """One of the two does not do what it should, so that there is nothing to compare.

    Attributes:
        side: Which.
        ended: How.
    """

    def __init__(self, side: str, ended: Ended) -> None:
        super().__init__(f"{side}: {ended.reason}")
        self.side = side
        self.ended = ended


class Found(Struct, kw_only=True):
    """What has been measured of one workload so far, block by block.

    Args:
        seeds: Of the inputs; several only where they had to be made again.
        elapsed_s: Seconds that it took.
    """

    blocks: list[TimedBlock] = field(default_factory=list)
    timers: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)
    seeds: set[str] = field(default_factory=set)
    elapsed_s: float = 0.0

    @property
    def processes(self) -> int:
        """Processes of each that it has been measured in."""
        return self.blocks[-1].process + 1 if self.blocks else 0

    @property
    def calls(self) -> int:
        """Timed calls of A."""
        return sum(len(block.device_ns) for block in self.blocks if block.side == "A")

    @property
    def clocked(self) -> bool:
        """Whether cycles can be told of every block."""
        return all(any(block.clock_mhz) for block in self.blocks)

    def add(self, process: Found) -> None:
        """Take in what one more pair of processes gave."""
        self.blocks += process.blocks
        self.timers |= process.timers
        self.flags |= process.flags

    def judge(self, rule: Rule = DEFAULT) -> Judgement:
        """The verdict on all processes so far."""
        cycles = self._processes(_cycles) if self.clocked else None
        found = judge(self._processes(_times), cycles, rule)
        if len(self.timers) > 1:
            reason = f"different timers: {', '.join(sorted(self.timers))}"
            found = structs.replace(found, verdict=Verdict.UNCLEAR, reason=reason)
        return found

    def _processes(self, read: Read) -> list[Process]:
        sides = self._blocks("A", read), self._blocks("B", read)
        return [list(zip(a, b, strict=True)) for a, b in zip(*sides, strict=True)]

    def _blocks(self, side: str, read: Read) -> list[list[list[float]]]:
        """Figures of the calls of one side: by process, by block."""
        found: dict[int, list[list[float]]] = {}
        for block in self.blocks:
            if block.side == side:
                found.setdefault(block.process, []).append(read(block))
        return list(found.values())

    def medians(self, side: str) -> list[float]:
        """Median nanoseconds of a call in each process."""
        return [_median(blocks) for blocks in self._blocks(side, _times)]

    def median_cycles(self, side: str) -> list[float]:
        """Median cycles of a call in each process, where clocks are known."""
        return [_median(blocks) for blocks in self._blocks(side, _cycles)] if self.clocked else []


def _median(blocks: list[list[float]]) -> float:
    return round(median(value for block in blocks for value in block), 2)


def _times(block: TimedBlock) -> list[float]:
    return [float(took) for took in block.device_ns]


def _cycles(block: TimedBlock) -> list[float]:
    """Of the calls whose clock is known."""
    both = zip(block.device_ns, block.clock_mhz, strict=True)
    return [took * clock / 1000 for took, clock in both if clock > 0]


class Case(Struct, kw_only=True):
    """A workload that is ready to be measured on."""

    workload: Workload
    plan: Plan
    prepared: Prepared


class Checked(Evaluator):
    """Does in parts what an evaluation does: checks the first calls, times blocks, checks again."""

    _turn = 0

    def check(self, case: Case, *, thoroughly: bool) -> None:
        """Make the first calls and judge their outputs.

        Args:
            case: On which workload.
            thoroughly: On all sets of inputs, and many calls where one says nothing.

        Raises:
            Ended: Something is wrong with the solution.
        """
        for item in case.prepared.sets:
            self._open(item, case.workload)
        first, *others = case.prepared.sets
        answer = self._call(first, 1, self._settings.first_call_limit_s, "the first call")
        self._judge(first, case.workload, case.plan, 1, answer, "first call")
        if thoroughly:
            self._check_further(first, others, case.workload, case.plan)

    def block(self, case: Case, calls: int, warmup: int = 0) -> protocol.Ticks:
        """Time some calls, on the same sets as the other solution in its block of the same number.

        Raises:
            Ended: Something is wrong with the solution.
        """
        keys = [item.key for item in case.prepared.sets]
        start = self._turn % len(keys)
        self._turn += 1
        order = protocol.Block(
            keys=keys[start:] + keys[:start],
            n=calls,
            warmup=warmup,
            timer=self._settings.timer,
        )
        limit = self._settings.call_limit_s * (calls + warmup)
        answer, _ = self._order(order, limit, f"{calls + warmup} timed calls")
        try:
            ticks = ticks_of(answer, calls)
        except ChildBrokeProtocol as error:
            raise broke_protocol(error) from None
        if centre(ticks.device_ns) <= 0:
            raise Ended(Ending.RAISED, "its timed calls do nothing on the device")
        return ticks

    def check_timed(self, case: Case) -> None:
        """Judge the outputs of a timed call.

        Raises:
            Ended: They are wrong.
        """
        self._verify_timed(case.prepared, case.workload, case.plan)

    def close(self, case: Case) -> None:
        """Make room for another workload; a process that fails to is ended."""
        self._close(case.prepared)


def measure_pair(
    checked: dict[str, Checked], case: Case, process: int, watch: Conditions, *, fresh: bool
) -> Found:
    """Measure one workload with one pair of processes.

    Args:
        checked: "A" and "B", neither of which has made a call on that workload.
        case: Which.
        process: How many processes of each it has been measured in before.
        watch: Looks at the device meanwhile.
        fresh: The two have measured nothing before.

    Raises:
        SideFailed: One of the two is not right.
    """
    # Who comes first changes from process to process.
    names = ["B", "A"] if process % 2 else ["A", "B"]
    for name in names:
        with blame(name):
            checked[name].check(case, thoroughly=process == 0)
    calls = _how_many(_warm_up(checked, case, fresh=fresh))
    # The first call after the other process had the device finds caches that are not its own.
    warmup = 1 if calls > 1 else 0
    found = Found()
    watch.begin()
    for name in _order(names):
        with blame(name):
            ticks = checked[name].block(case, calls, warmup)
        clocks = [round(clock, 2) for clock in ticks.clock_mhz]
        found.blocks.append(
            TimedBlock(process=process, side=name, device_ns=ticks.device_ns, clock_mhz=clocks)
        )
        found.timers.add(ticks.timer)
        found.flags.update(f"{name}: {flag}" for flag in ticks.flags)
        watch.look()
    found.flags.update(watch.flags())
    for name in names:
        with blame(name):
            checked[name].check_timed(case)
        checked[name].close(case)
    return found


@contextmanager
def blame(side: str) -> Iterator[None]:
    """Say whose fault it is where something goes wrong within."""
    try:
        yield
    except Ended as end:
        raise SideFailed(side, end) from None


def _warm_up(checked: dict[str, Checked], case: Case, *, fresh: bool) -> float:
    """Call both in turns until clocks and caches are as they will be.

    Returns:
        Seconds that a timed call costs, with the copies around it, on average of both.
    """
    begun = time.monotonic()
    calls, warmup = 1, WARMUP_CALLS
    while True:
        passed = time.monotonic()
        slowest = 0.0
        for name, one in checked.items():
            with blame(name):
                ticks = one.block(case, calls, warmup)
            slowest = max(slowest, median(ticks.device_ns) / 1e9)
        now = time.monotonic()
        # A fresh pair's first pass contains what a timer needs to get ready.
        enough = now - begun > WARM_UP_S and not warmup if fresh else now - begun > SETTLE_S
        if enough or slowest > SLOW_S:
            return (now - passed) / len(checked) / (calls + warmup)
        calls, warmup = min(2 * calls, BLOCK_CALLS), 0


def _how_many(call_s: float) -> int:
    """Calls of a block, for what a call costs in seconds."""
    return min(max(int(BUDGET_S / BLOCKS / max(call_s, 1e-6)), 1), BLOCK_CALLS)


def _order(names: list[str]) -> Iterator[str]:
    """A B B A A B B A"""
    for number in range(BLOCKS):
        yield from reversed(names) if number % 2 else names
