"""Who works on what next: the evaluations of all active runs, handed out to the lanes of devices.

A part is a set of workloads of one definition with every solution that is to be compared on them;
all of it runs on one device. A unit is one solution of a part, or two that are measured in turns,
and what a lane takes at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

from msgspec import Struct, field

from engine.run.devices import Device
from engine.run.estimate import CallTimes
from engine.run.plan import Job, Task
from engine.schema.definition import Definition
from engine.schema.run import Busy
from engine.schema.solution import Solution

_FEWEST = 4
"""Workloads that are worth loading every solution once more for."""


class Run(Protocol):
    """What the scheduler must know of a run."""

    parts: list[Part]
    devices: list[Device]

    @property
    def order(self) -> tuple[int, float]:
        """Smaller goes first."""

    @property
    def busy(self) -> Busy:
        """What to do beside somebody else's processes."""

    def stop(self) -> bool:
        """True once it is cancelled or has failed."""

    def paused(self) -> bool:
        """True while it must not begin anything."""


class Part(Struct, kw_only=True, eq=False):
    """Some workloads of a definition with everything to be compared on them.

    Args:
        units: What no lane has taken yet.
        device: Name of the device that all of it runs on; "" until a lane takes the first unit.
        at_work: Units that a lane has now.
        reference_times: How long the reference takes.
    """

    definition: Definition
    units: list[Unit] = field(default_factory=list)
    device: str = ""
    at_work: int = 0
    reference_times: CallTimes = field(default_factory=CallTimes)

    @property
    def ended(self) -> bool:
        """True if nothing is left to be done."""
        return not self.units and not self.at_work


class Unit(Struct, kw_only=True, eq=False):
    """One solution on the workloads of a part.

    Args:
        cells: Evaluations that have not ended, in order.
        against: The solution that it is measured in turns with, on the very same cells.
        tries: How often an evaluation has been put back, by its id.
        timeouts: Evaluations that timed out.
        times: How long the solution takes.
    """

    part: Part
    solution: Solution
    cells: list[Task]
    against: Unit | None = None
    tries: dict[str, int] = field(default_factory=dict)
    timeouts: int = 0
    times: CallTimes = field(default_factory=CallTimes)

    @property
    def sides(self) -> list[Unit]:
        """Everything that has to be built for it."""
        return [self] if self.against is None else [self, self.against]


R = TypeVar("R", bound=Run)


class Scheduler(Generic[R]):
    """The parts of all active runs. Every method may be called from any thread.

    Args:
        ready: True once nothing has to be built any more for a unit on a device.
    """

    def __init__(self, ready: Callable[[Unit, Device], bool]) -> None:
        self._ready = ready
        self._runs: list[R] = []
        self.changed = threading.Condition()

    def add(self, run: R) -> None:
        """Begin to hand out a run's parts."""
        with self.changed:
            self._runs.append(run)
            self.changed.notify_all()

    def remove(self, run: R) -> None:
        """The run has ended."""
        with self.changed:
            self._runs = [one for one in self._runs if one is not run]

    def _in_order(self) -> list[R]:
        return sorted(self._runs, key=lambda run: run.order)

    def wants(self, device: Device) -> list[R]:
        """Runs that have something to do for a device, first things first."""
        with self.changed:
            return [run for run in self._in_order() if self._next(run, device) is not None]

    def take(self, device: Device, *, alone: bool) -> tuple[R, Unit] | None:
        """The next unit for a device, which is bound to that device with its whole part.

        Args:
            device: Held by the caller.
            alone: Nobody else's processes are on it; else only runs that do not mind get it.
        """
        with self.changed:
            for run in self._in_order():
                if not alone and run.busy is not Busy.FLAG:
                    continue
                unit = self._next(run, device)
                if unit is not None:
                    unit.part.device = device.name
                    # In this order: who looks without the lock must never see neither.
                    unit.part.at_work += 1
                    unit.part.units.remove(unit)
                    return run, unit
        return None

    def give_back(self, unit: Unit) -> None:
        """A lane has done what it could; what is left of the unit goes to the head again."""
        with self.changed:
            if unit.cells:
                unit.part.units.insert(0, unit)
            unit.part.at_work -= 1
            self.changed.notify_all()

    def should_yield(self, run: R, device: Device, *, alone: bool) -> bool:
        """True if a lane should leave a unit of a run where it is: something goes before it."""
        if run.paused():
            return True
        with self.changed:
            return any(
                one.order[0] < run.order[0]
                and (alone or one.busy is Busy.FLAG)
                and self._next(one, device) is not None
                for one in self._runs
            )

    def drop_device(self, device: Device, runs: Iterable[R] | None = None) -> list[R]:
        """Have runs do without a device: their parts go to other devices.

        Args:
            device: Held by no unit of these runs.
            runs: Which; None for all.

        Returns:
            Those that have no device left.
        """
        with self.changed:
            chosen = list(self._runs if runs is None else runs)
            for run in chosen:
                run.devices = [one for one in run.devices if one.name != device.name]
                for part in run.parts:
                    if part.device == device.name:
                        part.device = ""
            self.changed.notify_all()
            return [run for run in chosen if not run.devices]

    def wake(self) -> None:
        """Something outside has changed (a build is ready, a run is resumed)."""
        with self.changed:
            self.changed.notify_all()

    def _next(self, run: R, device: Device) -> Unit | None:
        if run.stop() or run.paused() or device.name not in [one.name for one in run.devices]:
            return None
        for part in run.parts:
            if part.device not in ("", device.name):
                continue
            for unit in part.units:
                if all(self._ready(side, device) for side in unit.sides):
                    return unit
        return None


def make_parts(
    jobs: Iterable[Job], devices: int, before: Mapping[tuple[str, str], str]
) -> list[Part]:
    """Divide jobs into parts, so that every device has something to do.

    Args:
        jobs: What is to be done.
        devices: How many devices there are.
        before: Device that a (definition, workload) was on already, which it is kept on.
    """
    jobs = list(jobs)
    parts: list[Part] = []
    for job in jobs:
        name = job.definition.name
        uuids = list(dict.fromkeys(c.workload.uuid for cells in job.cells.values() for c in cells))
        bound: dict[str, list[str]] = {}
        for uuid in uuids:
            bound.setdefault(before.get((name, uuid), ""), []).append(uuid)
        for device, chosen in bound.items():
            pieces = 1 if device else _pieces(len(jobs), devices, len(chosen))
            # Dealt out in turn: workloads are sorted by size.
            parts += [_part(job, set(chosen[number::pieces]), device) for number in range(pieces)]
    return parts


def _pieces(jobs: int, devices: int, workloads: int) -> int:
    if jobs >= 2 * devices:
        return 1
    return max(1, min(devices, -(-2 * devices // jobs), workloads // _FEWEST))


def _part(job: Job, uuids: set[str], device: str) -> Part:
    part = Part(definition=job.definition, device=device)
    for cells in job.cells.values():
        chosen = [cell for cell in cells if cell.workload.uuid in uuids]
        if chosen:
            unit = Unit(part=part, solution=chosen[0].solution, cells=chosen)
            if (other := chosen[0].against) is not None:
                unit.against = Unit(part=part, solution=other, cells=chosen)
            part.units.append(unit)
    return part
