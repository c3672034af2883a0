"""Which unit goes where and when: parts, devices, priorities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from engine.run.devices import Device
from engine.run.plan import Job, Task
from engine.run.schedule import Part, Scheduler, Unit, make_parts
from engine.schema import BuildSpec, Definition, Language, Solution, SourceFile, Workload
from engine.schema.run import Busy

from .conftest import DOUBLE

GPUS = [Device(name=f"cuda:{n}", hardware="H200", key=f"GPU-{n}") for n in range(4)]


class FakeRun(Struct, kw_only=True, eq=False):
    """As much of a run as the scheduler looks at."""

    parts: list[Part]
    devices: list[Device]
    order: tuple[int, float] = (0, 0.0)
    busy: Busy = Busy.WAIT
    halted: bool = False
    stopped: bool = False

    def stop(self) -> bool:
        return self.stopped

    def paused(self) -> bool:
        return self.halted


def job(name: str, solutions: int, workloads: int) -> Job:
    definition = msgspec.convert({**DOUBLE, "name": name}, Definition)
    cells = {}
    for number in range(solutions):
        source = SourceFile(path="main.py", content="def run(x, y): ...")
        solution = Solution(
            name=f"{name}-{number}",
            definition=name,
            author="tester",
            spec=BuildSpec(
                language=Language.PYTHON,
                target_hardware=["cpu"],
                entry_point="main.py::run",
            ),
            sources=[source],
        )
        cells[solution.name] = [
            Task(
                evaluation=f"{solution.name}.{place}",
                solution=solution,
                workload=Workload(uuid=f"w{place}", axes={"n": place + 1}, inputs={}),
            )
            for place in range(workloads)
        ]
    return Job(definition=definition, cells=cells)


def scheduler(*runs: FakeRun, built: Callable[[Unit, Device], bool] = lambda *_: True) -> Any:
    made: Scheduler[FakeRun] = Scheduler(built)
    for run in runs:
        made.add(run)
    return made


def uuids(part: Part) -> set[str]:
    return {cell.workload.uuid for unit in part.units for cell in unit.cells}


@pytest.mark.parametrize(
    ("jobs", "devices", "workloads", "parts"),
    [(1, 1, 14, 1), (1, 2, 14, 2), (1, 4, 14, 3), (1, 4, 3, 1), (3, 2, 8, 6), (8, 2, 14, 8)],
)
def test_definitions_are_divided_where_devices_would_be_idle(
    jobs: int, devices: int, workloads: int, parts: int
) -> None:
    made = make_parts([job(f"d{n}", 2, workloads) for n in range(jobs)], devices, {})
    assert len(made) == parts
    for name in {part.definition.name for part in made}:
        sets = [uuids(part) for part in made if part.definition.name == name]
        assert sum(map(len, sets)) == workloads == len(set.union(*sets))
    # Whatever is compared on a workload is in the same part.
    assert all(len(part.units) == 2 for part in made)
    assert all(len(unit.cells) == len(uuids(part)) for part in made for unit in part.units)


def test_workloads_stay_on_the_device_that_they_were_on() -> None:
    before = {("d", "w1"): "cuda:1", ("d", "w2"): "cuda:1"}
    made = make_parts([job("d", 1, 4)], 2, before)
    assert {part.device: uuids(part) for part in made} == {
        "cuda:1": {"w1", "w2"},
        "": {"w0", "w3"},
    }


def test_a_part_stays_on_the_device_that_took_its_first_unit() -> None:
    run = FakeRun(parts=make_parts([job("d", 3, 2)], 1, {}), devices=GPUS[:2])
    made = scheduler(run)
    taken = made.take(GPUS[0], alone=True)
    assert taken is not None
    assert made.take(GPUS[1], alone=True) is None
    made.give_back(taken[1])
    assert made.wants(GPUS[0]) == [run]
    assert made.wants(GPUS[1]) == []


def test_what_is_left_of_a_unit_comes_first_again() -> None:
    run = FakeRun(parts=make_parts([job("d", 2, 3)], 1, {}), devices=GPUS[:1])
    made = scheduler(run)
    _, unit = made.take(GPUS[0], alone=True)
    unit.cells.pop(0)
    made.give_back(unit)
    assert made.take(GPUS[0], alone=True)[1] is unit
    unit.cells.clear()
    made.give_back(unit)
    assert made.take(GPUS[0], alone=True)[1].solution.name == "d-1"


def test_what_is_not_built_waits_and_what_is_goes_ahead() -> None:
    run = FakeRun(parts=make_parts([job("d", 2, 1)], 1, {}), devices=GPUS[:1])
    made = scheduler(run, built=lambda unit, _: unit.solution.name == "d-1")
    assert made.take(GPUS[0], alone=True)[1].solution.name == "d-1"
    assert made.take(GPUS[0], alone=True) is None


def test_higher_priority_goes_first_and_is_made_way_for() -> None:
    low = FakeRun(parts=make_parts([job("low", 2, 1)], 1, {}), devices=GPUS[:1], order=(0, 1.0))
    made = scheduler(low)
    taken, _ = made.take(GPUS[0], alone=True)
    assert taken is low and not made.should_yield(low, GPUS[0], alone=True)
    high = FakeRun(parts=make_parts([job("high", 1, 1)], 1, {}), devices=GPUS[:1], order=(-5, 2.0))
    made.add(high)
    assert made.should_yield(low, GPUS[0], alone=True)
    assert made.take(GPUS[0], alone=True)[0] is high
    assert not made.should_yield(low, GPUS[0], alone=True)


def test_a_later_run_of_the_same_priority_is_not_made_way_for() -> None:
    first = FakeRun(parts=make_parts([job("a", 2, 1)], 1, {}), devices=GPUS[:1], order=(0, 1.0))
    later = FakeRun(parts=make_parts([job("b", 1, 1)], 1, {}), devices=GPUS[:1], order=(0, 2.0))
    made = scheduler(later, first)
    assert made.take(GPUS[0], alone=True)[0] is first
    assert not made.should_yield(first, GPUS[0], alone=True)


def test_paused_and_stopped_runs_get_nothing() -> None:
    run = FakeRun(parts=make_parts([job("d", 1, 1)], 1, {}), devices=GPUS[:1], halted=True)
    made = scheduler(run)
    assert made.take(GPUS[0], alone=True) is None
    run.halted, run.stopped = False, True
    assert made.take(GPUS[0], alone=True) is None


def test_beside_others_only_runs_that_flag_it_get_a_device() -> None:
    waits = FakeRun(parts=make_parts([job("a", 1, 1)], 1, {}), devices=GPUS[:1])
    flags = FakeRun(
        parts=make_parts([job("b", 1, 1)], 1, {}),
        devices=GPUS[:1],
        order=(0, 1.0),
        busy=Busy.FLAG,
    )
    made = scheduler(waits, flags)
    assert made.take(GPUS[0], alone=False)[0] is flags
    assert made.take(GPUS[0], alone=False) is None
    assert made.take(GPUS[0], alone=True)[0] is waits


def test_parts_of_a_dropped_device_go_to_another() -> None:
    run = FakeRun(parts=make_parts([job("d", 2, 1)], 1, {}), devices=GPUS[:2])
    lost = FakeRun(parts=make_parts([job("e", 1, 1)], 1, {}), devices=GPUS[:1], order=(0, 1.0))
    made = scheduler(run, lost)
    _, unit = made.take(GPUS[0], alone=True)
    made.give_back(unit)
    assert made.drop_device(GPUS[0]) == [lost]
    assert made.take(GPUS[1], alone=True)[1] is unit
    assert made.take(GPUS[0], alone=True) is None


def test_a_run_can_do_without_a_device_that_others_go_on_with() -> None:
    picky = FakeRun(parts=make_parts([job("a", 1, 1)], 1, {}), devices=GPUS[:2])
    patient = FakeRun(parts=make_parts([job("b", 1, 1)], 1, {}), devices=GPUS[:1], order=(0, 1.0))
    made = scheduler(picky, patient)
    assert made.drop_device(GPUS[0], [picky]) == []
    assert made.wants(GPUS[0]) == [patient]
    assert made.wants(GPUS[1]) == [picky]
