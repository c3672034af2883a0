"""Two solutions measured in turns, as a user sees it: the record, the verdict, and no trace."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs

from engine.measure.verdicts import FEWEST_PROCESSES, MOST_PROCESSES, Rule
from engine.run import client, runner
from engine.run.client import RunHandle, cancel, submit
from engine.run.devices import Device
from engine.run.files import EventReader
from engine.run.lane import Lane
from engine.run.plan import make_plan
from engine.run.preferences import release
from engine.run.process import Child
from engine.run.progress import ENDED
from engine.run.queue import host_name, surroundings
from engine.run.schedule import Scheduler, make_parts
from engine.run.turns import BLOCK_CALLS, Found
from engine.schema import Kind
from engine.schema.run import Busy, ComparisonRecord, Request, Verdict
from engine.store import TraceStore

from .conftest import GOOD, LIMITS, run_to_end, wait_for, write_dataset

CPU = Device(name="cpu", hardware="CPU", key="cpu")
SETTINGS = structs.replace(LIMITS, cpu_estimate_limit_s=300.0)
MORE = "def run(x, y):\n    for _ in range(40):\n        y.copy_(x * 2)\n"
SLOW = "import time\ndef run(x, y):\n    time.sleep(0.06)\n    y.copy_(x * 2)\n"
WRONG = "def run(x, y):\n    y.copy_(x * 3)\n"
LATE = (
    "calls = 0\n"
    "def run(x, y):\n"
    "    global calls\n"
    "    calls += 1\n"
    "    y.copy_(x * (2 if calls < 5 else 3))\n"
)
SOLUTIONS = {"good": GOOD, "more": MORE, "slow": SLOW, "wrong": WRONG, "late": LATE}
SOLUTIONS["broken"] = "import no_such_module\n"


PAIRS = {
    "itself": ("good", "good"),
    "slower": ("good", "more"),
    "faster": ("more", "good"),
    "sleepy": ("slow", "good"),
    "wrong": ("good", "wrong"),
    "late": ("late", "good"),
    "broken": ("good", "broken"),
}
Compared = tuple[RunHandle, ComparisonRecord]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compared]:
    """All pairs, by one runner: it takes longer to start than to compare."""
    root = tmp_path_factory.mktemp("compared")
    dataset = write_dataset(root / "dataset", SOLUTIONS, lengths=(1 << 14,))
    handles = carry_out(root, dataset, PAIRS)
    return {name: (handle, record_of(handle)) for name, handle in handles.items()}


def carry_out(root: Path, dataset: Path, pairs: dict[str, tuple[str, str]]) -> dict[str, RunHandle]:
    """Compare pairs, each in a run of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("STATE", "CACHE", "DATA", "LOCKS"):
            patch.setenv(f"FITUI_{name}", str(root / name.lower()))
        (root / "locks").mkdir()
        handles = {
            name: submit([dataset], devices=["cpu"], settings=SETTINGS, compare=pair, processes=4)
            for name, pair in pairs.items()
        }
        for handle in handles.values():
            wait_for(handle, lambda found: not found.live, 200)
    return handles


def record_of(handle: RunHandle) -> ComparisonRecord:
    """Of a run on one workload."""
    assert handle.state == "finished", handle.progress.message
    (record,) = handle.folder.read_comparisons().values()
    return record


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset", SOLUTIONS, lengths=(1 << 14,))


def test_a_solution_is_not_told_from_itself(compared: dict[str, Compared]) -> None:
    _, record = compared["itself"]
    # Others may use this machine: only a difference beyond what they cause would be wrong.
    found = Found(blocks=record.blocks).judge(Rule(least=0.5))
    assert found.verdict in (Verdict.SAME, Verdict.UNCLEAR)
    assert record.a_version == record.b_version
    assert record.time is not None
    assert record.time.low < record.time.value < record.time.high


def test_one_that_does_more_is_slower_in_either_place(compared: dict[str, Compared]) -> None:
    for name in ("slower", "faster"):
        _, record = compared[name]
        assert record.verdict == name, record.reason
        assert record.time is not None
        assert max(record.time.value, 1 / record.time.value) > 2


def test_every_timed_call_is_kept_in_order(compared: dict[str, Compared]) -> None:
    handle, record = compared["slower"]
    processes = len(record.a_ns)
    assert 4 <= processes == len(record.b_ns) <= MOST_PROCESSES
    for number in range(processes):
        sides = "".join(one.side for one in record.blocks if one.process == number)
        # Who comes first changes from process to process, and from block to block.
        assert sides == ("ABBAABBA" if number % 2 == 0 else "BAABBAAB")
    assert {len(one.device_ns) for one in record.blocks} <= set(range(1, BLOCK_CALLS + 1))
    assert record.timer == "cpu-clock"
    assert record.cycles is None
    assert len(record.seed) == 32
    assert "torch" in record.libs
    (cell,) = handle.progress.cells.values()
    assert (cell.phase, cell.verdict, cell.ratio) == (Kind.COMPARED, record.verdict, record.time)
    assert cell.n == sum(len(one.device_ns) for one in record.blocks if one.side == "A")
    assert handle.progress.counts == {record.verdict.value: 1}


def test_a_comparison_leaves_no_trace(compared: dict[str, Compared]) -> None:
    for handle, _ in compared.values():
        assert not (Path(handle.request.dataset[0]) / "traces").exists()
        assert not handle.folder.samples_file.exists()


def test_slow_solutions_are_called_a_few_times_in_each_process(
    compared: dict[str, Compared],
) -> None:
    _, record = compared["sleepy"]
    assert record.verdict is Verdict.FASTER
    calls = sum(len(one.device_ns) for one in record.blocks if one.side == "A")
    assert 3 * len(record.a_ns) <= calls <= 8 * len(record.a_ns)


@pytest.mark.parametrize(
    ("name", "reason"), [("wrong", "B: y: "), ("late", "A: y: "), ("broken", "B: ")]
)
def test_what_is_wrong_is_not_compared(
    compared: dict[str, Compared], name: str, reason: str
) -> None:
    handle, record = compared[name]
    assert record.verdict is Verdict.FAILED
    assert record.reason.startswith(reason)
    assert record.time is None
    (cell,) = handle.progress.cells.values()
    log = (handle.folder.path / cell.log).read_text()
    assert record.reason in log
    assert handle.progress.failed == 1


def test_the_log_of_one_that_does_not_load_has_its_traceback(
    compared: dict[str, Compared],
) -> None:
    handle, _ = compared["broken"]
    (cell,) = handle.progress.cells.values()
    assert "import no_such_module" in (handle.folder.path / cell.log).read_text()


def test_what_cannot_be_compared_says_why(dataset: Path) -> None:
    handle = run_to_end(dataset, settings=SETTINGS, compare=("good", "nothing"))
    assert handle.state == "finished"
    assert "nothing" in handle.progress.notices[0]
    assert not handle.progress.cells


def test_a_version_is_named_by_its_hash(compared: dict[str, Compared], dataset: Path) -> None:
    version = compared["wrong"][1].b_version
    pair = f"wrong@{version[:8]}", "good"
    handle = run_to_end(dataset, settings=SETTINGS, compare=pair)
    assert record_of(handle).a_version == version
    assert handle.request.solutions == ["wrong", "good"]


def test_a_cancelled_comparison_stops(dataset: Path) -> None:
    handle = submit([dataset], devices=["cpu"], settings=SETTINGS, compare=("slow", "slow"))
    wait_for(handle, _is_timing, 60)
    cancel(handle)
    wait_for(handle, lambda found: not found.live, 10)
    assert handle.state == "cancelled"
    assert not handle.folder.read_comparisons()


def test_a_killed_runner_makes_a_comparison_again_from_the_start(dataset: Path) -> None:
    handle = submit([dataset], devices=["cpu"], settings=SETTINGS, compare=("slow", "good"))
    wait_for(handle, _is_timing, 60)
    os.kill(handle.runner_pid, signal.SIGKILL)
    wait_for(handle, lambda found: not found.live, 60)
    assert handle.state == "finished"
    record = record_of(handle)
    assert (record.a, record.b, record.verdict) == ("slow", "good", Verdict.FASTER)
    assert len(record.a_ns) >= FEWEST_PROCESSES


def _is_timing(handle: RunHandle) -> bool:
    return any(cell.phase is Kind.TIMING for cell in handle.progress.cells.values())


def test_a_comparison_that_would_take_too_long_on_the_cpu_is_not_made(tmp_path: Path) -> None:
    source = "import time\ndef run(x, y):\n    time.sleep(x.numel() * 1e-2)\n    y.copy_(x * 2)\n"
    root = write_dataset(tmp_path / "dataset", {"slow": source}, lengths=(1, 200))
    settings = structs.replace(SETTINGS, cpu_estimate_limit_s=30.0, call_limit_s=5.0)
    handle = run_to_end(root, settings=settings, compare=("slow", "slow"))
    small, large = handle.progress.cells.values()
    assert small.verdict is not None
    assert large.phase is Kind.NOT_RUN
    assert large.message.startswith("not run on cpu: comparing would take about")


def test_both_are_built_before_a_device_is_taken(dataset: Path) -> None:
    request = Request(run="r", created=0.0, dataset=[], devices=["cpu"], compare=("good", "more"))
    with TraceStore.open(dataset) as store:
        (job,) = make_plan(request, store).jobs
    (part,) = make_parts([job], 1, {})
    (unit,) = part.units
    assert [side.solution.name for side in unit.sides] == ["good", "more"]
    built: set[str] = {"good"}
    scheduler: Scheduler[Any] = Scheduler(lambda unit, _device: unit.solution.name in built)
    run = SimpleNamespace(
        parts=[part],
        devices=[CPU],
        order=(0, 0.0),
        busy=Busy.WAIT,
        stop=lambda: False,
        paused=lambda: False,
    )
    scheduler.add(run)
    assert scheduler.take(CPU, alone=True) is None
    built.add("more")
    assert scheduler.take(CPU, alone=True) == (run, unit)


# Several workloads

LENGTHS = (64, 128, 256)
LOADED = "import os\nwith open({file!r}, 'a') as log:\n    log.write('loaded ')\n" + GOOD
PARTLY = "def run(x, y):\n    y.copy_(x * (3 if x.numel() == 128 else 2))\n"
KEEPS = (
    "seen = set()\n"
    "def run(x, y):\n"
    "    seen.add(x.numel())\n"
    "    if len(seen) > 1:\n"
    "        raise MemoryError('it is all taken')\n"
    "    y.copy_(x * 2)\n"
)
GREEDY = (
    "def run(x, y):\n"
    "    if x.numel() == 128:\n"
    "        raise MemoryError('it never suffices')\n"
    "    y.copy_(x * 2)\n"
)
HANGS = "def run(x, y):\n    while x.numel() == 128:\n        pass\n    y.copy_(x * 2)\n"
MORTAL = (
    "import os, signal\n"
    "def run(x, y):\n"
    "    if x.numel() == 128 and not os.path.exists({file!r}):\n"
    "        open({file!r}, 'w').close()\n"
    "        os.kill(os.getpid(), signal.SIGKILL)\n"
    "    y.copy_(x * 2)\n"
)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunHandle]:
    """Runs on three workloads each, by one runner."""
    root = tmp_path_factory.mktemp("rounds")
    sources = {
        "loaded": LOADED.format(file=str(root / "loaded")),
        "mortal": MORTAL.format(file=str(root / "died")),
    }
    sources |= {"good": GOOD, "partly": PARTLY, "keeps": KEEPS, "greedy": GREEDY}
    dataset = write_dataset(root / "dataset", sources, lengths=LENGTHS)
    pairs = {name: ("good", name) for name in sources} | {"loaded": ("loaded", "loaded")}
    return carry_out(root, dataset, pairs)


def ends_of(handle: RunHandle) -> Iterator[str]:
    """How each workload ended, in their order; each exactly once."""
    assert handle.state == "finished", handle.progress.message
    events = list(EventReader(handle.folder.events_file).poll())
    ends = Counter(event.evaluation for event in events if event.kind in ENDED)
    assert ends == dict.fromkeys(handle.progress.cells, 1)
    for cell in handle.progress.cells.values():
        failed = cell.verdict is Verdict.FAILED
        yield "measured" if cell.verdict and not failed else str(cell.verdict or cell.phase)


def put_back(handle: RunHandle) -> set[str]:
    """Why something of a run was put back."""
    events = EventReader(handle.folder.events_file).poll()
    return {event.message for event in events if event.kind is Kind.REQUEUED}


def test_a_pair_of_processes_measures_all_workloads(rounds: dict[str, RunHandle]) -> None:
    handle = rounds["loaded"]
    assert list(ends_of(handle)) == ["measured"] * 3
    processes = [len(record.a_ns) for record in handle.folder.read_comparisons().values()]
    assert min(processes) >= 4
    loaded = (Path(handle.request.dataset[0]).parent / "loaded").read_text().split()
    assert 2 * max(processes) <= len(loaded) < 2 * sum(processes)


def test_what_is_wrong_on_one_workload_is_compared_on_the_others(
    rounds: dict[str, RunHandle],
) -> None:
    handle = rounds["partly"]
    assert list(ends_of(handle)) == ["measured", "failed", "measured"]
    assert not put_back(handle)


def test_memory_that_is_kept_from_former_workloads_is_in_nobodys_way(
    rounds: dict[str, RunHandle],
) -> None:
    assert list(ends_of(rounds["keeps"])) == ["measured"] * 3
    assert not put_back(rounds["keeps"])


def test_a_lack_of_memory_is_tried_once_more_and_is_no_verdict(
    rounds: dict[str, RunHandle],
) -> None:
    handle = rounds["greedy"]
    assert list(ends_of(handle)) == ["measured", "not_run", "measured"]
    assert put_back(handle) == {"out of memory; once more with nothing else of ours there"}
    (cell,) = (cell for cell in handle.progress.cells.values() if cell.axes["n"] == 128)
    assert "it never suffices" in cell.message


def test_a_process_that_is_killed_costs_no_workload(rounds: dict[str, RunHandle]) -> None:
    handle = rounds["mortal"]
    assert list(ends_of(handle)) == ["measured"] * 3
    assert put_back(handle) == {"a process was killed from outside"}
    for record in handle.folder.read_comparisons().values():
        assert {one.process for one in record.blocks} == set(range(len(record.a_ns)))


def test_what_goes_first_gets_its_turn_between_two_workloads(tmp_path: Path) -> None:
    sources = {"good": GOOD, "slow": SLOW}
    dataset = write_dataset(tmp_path / "dataset", sources, lengths=LENGTHS)
    long = submit([dataset], devices=["cpu"], settings=SETTINGS, compare=("slow", "good"))
    wait_for(long, _is_timing, 60)
    pair = "good", "good"
    urgent = submit([dataset], devices=["cpu"], settings=SETTINGS, compare=pair, priority=5)
    wait_for(urgent, lambda found: not found.live, 100)
    long.poll()
    assert long.live
    assert list(ends_of(urgent)) == ["measured"] * 3
    wait_for(long, lambda found: not found.live, 100)
    assert list(ends_of(long)) == ["measured"] * 3
    assert put_back(long) == {"interrupted: it begins again later"}


def test_a_device_made_sick_costs_one_workload_of_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(lane: Lane, run: object, child: Child, _ended: object) -> None:
        if child.hung:
            lane._quarantine("a healthy process cannot use it any more", run)  # type: ignore[arg-type]

    def serve(handle: RunHandle) -> None:
        state = handle.folder.path.parents[1]
        runner.Runner(state, host_name(), surroundings()).serve(lambda: None)
        handle.poll()

    monkeypatch.setattr(client, "start_runner", lambda _state: None)
    monkeypatch.setattr(runner, "LINGER_S", 0.0)
    monkeypatch.setattr(Lane, "_confirm_free", confirm)
    dataset = write_dataset(tmp_path / "dataset", {"good": GOOD, "hangs": HANGS}, lengths=LENGTHS)
    handle = submit([dataset], devices=["cpu"], settings=SETTINGS, compare=("good", "hangs"))
    serve(handle)
    assert "cpu is quarantined" in handle.progress.message
    assert [cell.ended for cell in handle.progress.cells.values()] == [False, True, False]
    release("cpu")
    client.resume(handle)
    serve(handle)
    assert list(ends_of(handle)) == ["measured", "not_run", "measured"]
