"""Who is on a GPU, with real processes and a made-up NVML."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from engine.run import occupancy, proc
from engine.run.devices import Device
from engine.run.occupancy import Occupancy, Occupant, health, look, memory_of, wait_free, words
from tests.engine.run.fake_nvml import GIB, FakeGpu, machine

DEVICE = Device(name="cuda:0", hardware="x", key="GPU-aaaa")
CPU = Device(name="cpu", hardware="x", key="cpu")
ME = proc.user_name(os.getuid())
NOBODY = 1 << 23
"""More than any process id."""
SLEEP = "import time; time.sleep(60)"

Start = Callable[..., int]


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    made = FakeGpu(DEVICE.key, memory=(141 * GIB, 3 * GIB), utilisation=12)
    with machine(made):
        yield made


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a process that sleeps."""
    started: list[subprocess.Popen[bytes]] = []

    def make(*command: str) -> int:
        started.append(subprocess.Popen(command or ("sleep", "60")))
        # The kernel has started the program before it shows the command line.
        while not any(proc.read_arguments(started[-1].pid)):
            time.sleep(0.001)
        return started[-1].pid

    yield make
    for process in started:
        process.kill()
        process.wait()


def test_a_process_of_somebody_else_is_foreign(gpu: FakeGpu, start: Start) -> None:
    pid = start()
    gpu.compute = {pid: 2 * GIB}
    assert look(DEVICE, ()) == Occupancy(
        foreign=(Occupant(pid, ME, "sleep", 2 * GIB),),
        known=True,
        memory_used=3 * GIB,
        memory_total=141 * GIB,
        utilisation=12,
    )


def test_what_draws_is_on_the_gpu_as_well(gpu: FakeGpu, start: Start) -> None:
    both, draws = sorted((start(), start()))
    gpu.compute, gpu.graphics = {both: 5 * GIB}, {both: 5 * GIB, draws: None}
    assert look(DEVICE, ()).foreign == (
        Occupant(both, ME, "sleep", 5 * GIB),
        Occupant(draws, ME, "sleep", None),
    )


def test_ours_and_what_they_started_is_not_foreign(gpu: FakeGpu, start: Start) -> None:
    pid = start()
    gpu.compute = {pid: GIB, os.getpid(): GIB}
    assert look(DEVICE, {os.getpid()}).foreign == ()
    assert [one.pid for one in look(DEVICE, {pid}).foreign] == [os.getpid()]


@pytest.mark.parametrize("module", ["engine.run.forkserver", "engine.run.worker"])
def test_another_runner_that_waits_for_its_turn_is_not_foreign(
    gpu: FakeGpu, start: Start, module: str
) -> None:
    gpu.compute = {start(sys.executable, "-c", SLEEP, module): GIB}
    assert look(DEVICE, ()).foreign == ()
    gpu.compute = {start(sys.executable, "-c", SLEEP, f"see {module}"): GIB}
    assert len(look(DEVICE, ()).foreign) == 1


@pytest.mark.parametrize(
    ("uid", "memory", "foreign"),
    [(0, 4 << 20, False), (0, GIB, True), (0, None, True), (1000, 4 << 20, True)],
)
def test_a_daemon_that_holds_nothing_is_not_foreign(
    gpu: FakeGpu,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    uid: int,
    memory: int | None,
    foreign: bool,
) -> None:
    monkeypatch.setattr(occupancy, "read_facts", lambda pid: proc.Facts(pid, 1, uid, "Xorg"))
    gpu.compute = {start(): memory}
    assert bool(look(DEVICE, ()).foreign) is foreign


def test_a_process_that_ended_meanwhile_is_no_error(
    gpu: FakeGpu, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = start()
    gpu.compute = {mine: GIB, NOBODY: GIB}
    assert look(DEVICE, {mine}, expect=mine) == Occupancy(
        memory_used=3 * GIB, memory_total=141 * GIB, utilisation=12
    )


def test_one_that_proc_hides_is_foreign_all_the_same(
    gpu: FakeGpu, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = start()
    gpu.compute = {pid: GIB}
    monkeypatch.setattr(occupancy, "read_facts", lambda pid: None)
    assert look(DEVICE, ()).foreign == (Occupant(pid, "?", "?", GIB),)


def test_where_ours_is_not_listed_nobody_is_known(gpu: FakeGpu, start: Start) -> None:
    mine, other = start(), start()
    for listed in ({}, {NOBODY: GIB}, {other: GIB}):
        gpu.compute = dict(listed)
        found = look(DEVICE, {mine}, expect=mine)
        assert (found.known, found.foreign) == (False, ())
        assert words(found) == "contention unknown"
    gpu.compute = {mine: GIB}
    assert look(DEVICE, {mine}, expect=mine).known


def test_one_of_ours_that_has_ended_proves_nothing(gpu: FakeGpu, start: Start) -> None:
    gpu.compute = {start(): GIB}
    found = look(DEVICE, (), expect=NOBODY)
    assert found.known and len(found.foreign) == 1


def test_processes_that_are_nobody_here_are_those_of_another_namespace(gpu: FakeGpu) -> None:
    gpu.compute = {NOBODY: GIB, os.getpid(): GIB}
    assert not look(DEVICE, ()).known
    assert look(DEVICE, ()).foreign == ()


def test_memory_that_nobody_holds_is_somebodys_whom_we_cannot_see(gpu: FakeGpu) -> None:
    assert not look(DEVICE, ()).known
    gpu.memory = (141 * GIB, 4 << 20)
    assert look(DEVICE, ()).known


def test_without_nvml_nothing_is_known_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.run.nvml.load", lambda: None)
    assert look(DEVICE, ()) == Occupancy(known=False)
    assert health(DEVICE) == ""
    assert memory_of(DEVICE, {1}) is wait_free(DEVICE, {1}, 0.1) is None


def test_on_the_cpu_nobody_is_foreign() -> None:
    found = look(CPU, ())
    assert found.known and found.foreign == ()
    assert found.memory_total and found.memory_used
    assert 0 < found.memory_used < found.memory_total
    assert health(CPU) == ""
    assert memory_of(CPU, {os.getpid()}) is None


def test_occupants_in_words() -> None:
    foreign = (
        Occupant(1, "alice", "python", int(12.34 * GIB)),
        Occupant(2, "bob", "vllm", 80 * GIB),
        Occupant(3, "carol", "game", None),
    )
    expected = "alice: python (12.3 GiB), bob: vllm (80 GiB), carol: game"
    assert words(Occupancy(foreign=foreign)) == expected
    assert words(Occupancy()) == ""


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 MiB"),
        (512 << 20, "512 MiB"),
        (1000 << 20, "0.977 GiB"),
        (141 * GIB, "141 GiB"),
        (2048 * GIB, "2 TiB"),
    ],
)
def test_sizes_in_words(count: int, text: str) -> None:
    assert occupancy.size_in_words(count) == text


def test_a_gpu_is_unfit_where_it_is_lost_or_its_memory_errs(gpu: FakeGpu) -> None:
    assert health(DEVICE) == ""
    gpu.ecc = 1
    assert health(DEVICE) == "1 uncorrectable memory error since the driver was loaded"
    gpu.ecc = None
    assert health(DEVICE) == ""
    gpu.lost = True
    assert health(DEVICE) == "the driver says: GPU is lost"


def test_memory_of_processes_that_were_killed(gpu: FakeGpu, start: Start) -> None:
    other = start()
    gpu.compute = {NOBODY: GIB, NOBODY + 1: 2 * GIB, other: GIB}
    assert memory_of(DEVICE, {NOBODY, NOBODY + 1}) == 3 * GIB
    gpu.compute = {other: GIB}
    assert memory_of(DEVICE, {NOBODY, NOBODY + 1}) == 0


def test_memory_is_unknown_where_the_driver_tells_none_or_processes_are_hidden(
    gpu: FakeGpu,
) -> None:
    gpu.compute = {NOBODY: None}
    assert memory_of(DEVICE, {NOBODY}) is None
    gpu.compute = {NOBODY: GIB}
    assert memory_of(DEVICE, {NOBODY + 1}) is None


def test_waiting_for_memory_to_come_back(gpu: FakeGpu) -> None:
    gpu.compute = {NOBODY: GIB}
    started = time.monotonic()
    assert wait_free(DEVICE, {NOBODY}, 0.1) is False
    assert time.monotonic() - started >= 0.1

    def come_back() -> None:
        gpu.compute = {}

    timer = threading.Timer(0.05, come_back)
    timer.start()
    assert wait_free(DEVICE, {NOBODY}, 5) is True
    timer.join()
