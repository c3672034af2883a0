"""GPUs that are shared: with somebody else's processes, between runs, and between runners."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from engine.run.client import RunHandle, submit
from engine.run.devices import Device, list_devices
from engine.run.files import EventReader
from engine.run.occupancy import look
from engine.schema import Kind, Settings
from engine.schema.run import Busy

from .conftest import wait_for, write_dataset

pytestmark = pytest.mark.gpu

SETTINGS = Settings(input_sets=1, min_samples=5, time_budget_s=0.1)
SOURCE = "def run(x, y):\n    y.copy_(x * 2)\n# variant {}\n"
HOLDS = (
    "import time, torch; torch.zeros(1 << 28, device='cuda'); print(1, flush=True); time.sleep(99)"
)


@contextmanager
def foreign_process() -> Iterator[None]:
    """Somebody else on the first GPU."""
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def gpus() -> list[Device]:
    return [device for device in list_devices() if device.name != "cpu"]


def sees_foreign() -> bool:
    with foreign_process():
        return bool(look(gpus()[0], []).foreign)


@pytest.fixture(scope="module")
def visible() -> None:
    if not sees_foreign():
        pytest.skip("processes on the GPU are hidden here: contention is unknown")


def started(dataset: Path, state: Path, devices: list[str], busy: Busy = Busy.WAIT) -> RunHandle:
    return submit([dataset], devices=devices, settings=SETTINGS, busy=busy, state=state)


def ended(*handles: RunHandle, seconds: float = 120) -> None:
    for handle in handles:
        wait_for(handle, lambda found: not found.live, seconds)


@pytest.mark.usefixtures("visible")
def test_a_run_waits_until_somebody_else_is_gone(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"a": SOURCE})
    with foreign_process():
        handle = started(dataset, tmp_path / "state", ["cuda:0"])
        wait_for(handle, lambda found: Kind.WAITING in _phases(found), 60)
        (cell,) = handle.progress.cells.values()
        assert "waiting for cuda:0: " in cell.message and "python" in cell.message
    ended(handle)
    assert handle.progress.counts == {"PASSED": 1}
    assert _contention(dataset) == ["none"]


def _phases(handle: RunHandle) -> set[Kind]:
    return {cell.phase for cell in handle.progress.cells.values()}


def _contention(dataset: Path) -> list[str]:
    text = "".join(path.read_text() for path in dataset.glob("traces/**/*.jsonl"))
    found = [json.loads(line)["evaluation"]["environment"]["libs"] for line in text.splitlines()]
    return [libs["fitui.contention"] for libs in found]


@pytest.mark.usefixtures("visible")
def test_a_run_can_do_without_a_busy_gpu_or_flag_it(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"a": SOURCE})
    with foreign_process():
        skips = started(dataset, tmp_path / "state", ["cuda:0"], Busy.SKIP)
        ended(skips)
        (cell,) = skips.progress.cells.values()
        assert cell.phase is Kind.NOT_RUN
        assert cell.message.startswith("cuda:0 is busy: ")
        flags = started(dataset, tmp_path / "state", ["cuda:0"], Busy.FLAG)
        ended(flags)
    assert flags.progress.counts == {"PASSED": 1}
    assert _contention(dataset) == ["contended"]


@pytest.mark.usefixtures("visible")
def test_who_comes_in_between_has_the_evaluation_made_again(tmp_path: Path) -> None:
    slow = "import time\ndef run(x, y):\n    time.sleep(1)\n    y.copy_(x * 2)\n"
    dataset = write_dataset(tmp_path / "dataset", {"a": slow})
    handle = started(dataset, tmp_path / "state", ["cuda:0"])
    wait_for(handle, lambda found: Kind.FIRST_CALL in _phases(found), 60)
    with foreign_process():
        wait_for(handle, lambda found: Kind.WAITING in _phases(found), 60)
    ended(handle)
    assert Kind.REQUEUED in [event.kind for event in EventReader(handle.folder.events_file).poll()]
    assert handle.progress.counts == {"PASSED": 1}
    assert _contention(dataset) == ["none"]


def spans(*handles: RunHandle) -> dict[str, list[tuple[float, float]]]:
    """When each device was at an evaluation, from its first event to its last, in order."""
    found: dict[str, list[tuple[float, float]]] = {}
    for handle in handles:
        begun: dict[str, float] = {}
        for event in EventReader(handle.folder.events_file).poll():
            if event.device:
                begun.setdefault(event.evaluation, event.t)
            if event.kind is Kind.DONE:
                found.setdefault(event.device, []).append((begun[event.evaluation], event.t))
    return {device: sorted(times) for device, times in found.items()}


def assert_nothing_overlaps(times: dict[str, list[tuple[float, float]]]) -> None:
    for on_one in times.values():
        assert all(before[1] <= after[0] for before, after in pairwise(on_one))


def test_two_runners_share_one_gpu_without_overlap(tmp_path: Path) -> None:
    sources = {f"s{number}": SOURCE.format(number) for number in range(6)}
    dataset = write_dataset(tmp_path / "dataset", sources, lengths=(64, 128))
    handles = [started(dataset, tmp_path / name, ["cuda:0"]) for name in ("one", "two")]
    ended(*handles)
    assert handles[0].runner_pid != handles[1].runner_pid or handles[0].runner_pid == 0
    for handle in handles:
        assert handle.progress.counts == {"PASSED": 12}
    assert_nothing_overlaps(spans(*handles))


@pytest.mark.skipif("len(gpus()) < 2", reason="needs two GPUs")
def test_two_gpus_are_both_busy_and_nothing_overlaps_on_either(tmp_path: Path) -> None:
    sources = {f"s{number}": SOURCE.format(number) for number in range(10)}
    dataset = write_dataset(tmp_path / "dataset", sources, lengths=tuple(range(64, 80)))
    names = [device.name for device in gpus()[:2]]
    begun = time.time()
    handle = started(dataset, tmp_path / "state", names)
    ended(handle)
    assert handle.progress.counts == {"PASSED": 160}
    times = spans(handle)
    assert sorted(times) == sorted(names)
    assert_nothing_overlaps(times)
    for on_one in times.values():
        assert sum(end - start for start, end in on_one) > 0.5 * (on_one[-1][1] - on_one[0][0])
    together = min(one[-1][1] for one in times.values()) - max(one[0][0] for one in times.values())
    assert together > 0.5 * (max(one[-1][1] for one in times.values()) - begun) - 10
    # All solutions on one workload were on one device.
    places: dict[str, set[str]] = {}
    for cell in handle.progress.cells.values():
        places.setdefault(cell.workload, set()).add(cell.device)
    assert all(len(devices) == 1 for devices in places.values())


@pytest.mark.skipif("len(gpus()) < 2", reason="needs two GPUs")
def test_two_runners_share_two_gpus_without_overlap(tmp_path: Path) -> None:
    sources = {f"s{number}": SOURCE.format(number) for number in range(6)}
    dataset = write_dataset(tmp_path / "dataset", sources, lengths=tuple(range(64, 72)))
    names = [device.name for device in gpus()[:2]]
    handles = [started(dataset, tmp_path / name, names) for name in ("one", "two")]
    ended(*handles)
    for handle in handles:
        assert handle.progress.counts == {"PASSED": 48}
    times = spans(*handles)
    assert sorted(times) == sorted(names)
    assert_nothing_overlaps(times)
