"""Runs that go wrong around the solutions: each costs what it must and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.run.client import RunHandle, open_run, resume, submit
from engine.run.files import EventReader, RunFolder
from engine.run.progress import Cell
from engine.run.reap import descendants
from engine.schema import Event, Kind, Status, Trace

from .conftest import DOUBLE, GOOD, LIMITS, run_to_end, wait_for, write_dataset
from .test_odd_outputs import redefine

WRONG = "def run(x, y):\n    y.zero_()\n"

KILLS = """\
import os, signal, time
from pathlib import Path

def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\\0")
    except OSError:
        return []

def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])

def run(x, y):
    y.copy_(x * 2)
    guardian = os.getppid()
    server = parent(guardian)
"""
KILLS_SERVER = f"""{KILLS}
    if "engine.run.forkserver" in command(server):
        os.kill(server, signal.SIGKILL)
"""
KILLS_REFERENCE = f"""{KILLS}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == guardian:
            continue
        try:
            if parent(entry.name) == server:
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.3)
"""
OUTLIVES = """\
import ctypes, os, signal, time
def run(x, y):
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print("daemon", os.getpid(), flush=True)
            time.sleep(1000)
        os._exit(0)
    os.wait()
    print("child", os.getpid(), flush=True)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)
"""


def cells_of(handle: RunHandle) -> dict[str, Cell]:
    return {cell.solution: cell for cell in handle.progress.cells.values()}


def test_the_death_of_the_fork_server_costs_no_evaluation(tmp_path: Path) -> None:
    sources = {"a_kills": KILLS_SERVER, "b_good": GOOD, "c_good": GOOD}
    handle = run_to_end(write_dataset(tmp_path / "dataset", sources))
    assert handle.state == "finished", handle.progress.message
    cells = cells_of(handle)
    assert [cells[name].status for name in ("b_good", "c_good")] == [Status.PASSED] * 2


def test_the_death_of_the_reference_costs_one_verdict(tmp_path: Path) -> None:
    sources = {"a_kills": KILLS_REFERENCE, "b_good": GOOD}
    handle = run_to_end(write_dataset(tmp_path / "dataset", sources))
    assert handle.state == "finished", handle.progress.message
    cells = cells_of(handle)
    assert cells["a_kills"].phase is Kind.NOT_RUN
    assert "no verdict" in cells["a_kills"].message
    assert cells["b_good"].status is Status.PASSED


def test_nothing_outlives_its_evaluation_even_without_a_guardian(tmp_path: Path) -> None:
    slow = "import time\ndef run(x, y):\n    y.copy_(x * 2)\n    time.sleep(0.5)\n"
    dataset = write_dataset(tmp_path / "dataset", {"a_outlives": OUTLIVES, "b_waits": slow})
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    wait_for(handle, lambda found: Kind.TIMING in _phases(found, "b_waits"), 60)
    cell = cells_of(handle)["a_outlives"]
    assert cell.status is Status.TIMEOUT
    log = (handle.folder.path / cell.log).read_text()
    pids = [line.split()[1] for line in log.splitlines() if line.startswith(("daemon", "child"))]
    assert len(pids) == 2, log
    # While the run goes on: the next evaluation must not share the device with them.
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    wait_for(handle, lambda found: not found.live, 60)


def _phases(handle: RunHandle, solution: str) -> set[Kind]:
    return {cell.phase for cell in handle.progress.cells.values() if cell.solution == solution}


def test_wrong_solutions_do_not_collect_the_inputs_of_every_workload(tmp_path: Path) -> None:
    """A process that goes on after wrong values once kept every workload's inputs."""
    counts = (
        "import gc, torch\n"
        "def run(x, y):\n"
        "    y.zero_()\n"
        "    held = sum(isinstance(found, torch.Tensor) for found in gc.get_objects())\n"
        "    print('held', held, flush=True)\n"
    )
    lengths = tuple(range(64, 80))
    dataset = write_dataset(tmp_path / "dataset", {"wrong": counts}, lengths=lengths)
    handle = run_to_end(dataset)
    held = []
    for cell in handle.progress.cells.values():
        assert cell.status is Status.INCORRECT_NUMERICAL
        log = (handle.folder.path / cell.log).read_text()
        held.append(int(log.rpartition("held ")[2]))
    assert max(held) == held[0], held


@pytest.mark.parametrize(
    "source",
    [
        "import sys\ndef run(x, y):\n    y.copy_(x * 2)\n    sys.stdout.close()\n",
        "import sys\nsys.stdout = sys.stderr = None\ndef run(x, y):\n    y.copy_(x * 2)\n",
    ],
)
def test_a_solution_may_close_its_streams(tmp_path: Path, source: str) -> None:
    (cell,) = cells_of(run_to_end(write_dataset(tmp_path / "dataset", {"only": source}))).values()
    assert cell.status is Status.PASSED, cell


def test_bytes_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    prints = "os.write(1, b'start \\xff\\xfe\\x00 end')"
    source = f"import os\ndef run(x, y):\n    {prints}\n    raise OSError\n"
    handle = run_to_end(write_dataset(tmp_path / "dataset", {"only": source}))
    (cell,) = handle.progress.cells.values()
    assert cell.status is Status.RUNTIME_ERROR
    log = (handle.folder.path / cell.log).read_text(encoding="utf-8")
    assert "start \ufffd\ufffd\0 end" in log
    (line,) = Path(cell.trace_file).read_bytes().splitlines()
    msgspec.json.decode(line, type=Trace)


def test_a_reference_that_cannot_be_loaded_says_why_for_every_workload(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"only": GOOD}, lengths=(64, 65))
    definition = {**DOUBLE, "reference": "import no_such_module\ndef run(x):\n    return x\n"}
    (dataset / "definitions/toy/double.json").write_text(json.dumps(definition))
    handle = run_to_end(dataset)
    for cell in handle.progress.cells.values():
        assert cell.phase is Kind.NOT_RUN
        assert "No module named 'no_such_module'" in cell.message


def test_a_hanging_reference_costs_its_limit_once(tmp_path: Path) -> None:
    sources = dict.fromkeys(("a", "b", "c"), GOOD)
    dataset = write_dataset(tmp_path / "dataset", sources)
    redefine(dataset, {"reference": "import time\ndef run(x):\n    time.sleep(1000)\n"})
    limits = msgspec.structs.replace(LIMITS, build_limit_s=1.0, first_call_limit_s=1.0)
    started = time.monotonic()
    handle = run_to_end(dataset, settings=limits)
    assert time.monotonic() - started < 30
    for cell in handle.progress.cells.values():
        assert "the reference did not finish within 2 s" in cell.message


def test_the_references_time_is_not_the_solutions(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"only": GOOD})
    redefine(
        dataset, {"reference": "import time\ndef run(x):\n    time.sleep(0.6)\n    return x * 2\n"}
    )
    limits = msgspec.structs.replace(LIMITS, total_limit_s=2.0, cpu_estimate_limit_s=100.0)
    (cell,) = run_to_end(dataset, settings=limits).progress.cells.values()
    assert cell.status is Status.PASSED, cell


def test_many_small_workloads_do_not_use_up_the_descriptors(tmp_path: Path) -> None:
    lengths = tuple(range(1, 60))
    dataset = write_dataset(tmp_path / "dataset", {"a": GOOD, "b": WRONG}, lengths=lengths)
    code = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "from pathlib import Path\n"
        "from engine.run.client import submit\n"
        "from engine.schema import Settings\n"
        "limits = Settings(input_sets=2, min_samples=3, max_samples=3, time_budget_s=0.01)\n"
        "print(submit([Path(sys.argv[1])], devices=['cpu'], settings=limits).run)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", code, str(dataset)], capture_output=True, text=True, check=True
    )
    handle = open_run(made.stdout.strip())
    wait_for(handle, lambda found: not found.live, 120)
    assert handle.state == "finished", handle.progress.message
    statuses = {cell.status for cell in handle.progress.cells.values()}
    assert statuses == {Status.PASSED, Status.INCORRECT_NUMERICAL}


def test_a_run_of_many_solutions_keeps_the_runner_small(tmp_path: Path) -> None:
    sources = {f"s{number:03}": GOOD for number in range(60)}
    dataset = write_dataset(tmp_path / "dataset", sources)
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    seen: list[tuple[int, int, int]] = []

    def watch(found: RunHandle) -> bool:
        if found.progress.ended > len(seen) * 10:
            pid = found.runner_pid
            if found.live:
                seen.append((*_size(pid), len(descendants(pid))))
        return not found.live

    wait_for(handle, watch, 120)
    assert handle.state == "finished"
    first, last = seen[1], seen[-1]
    assert last[0] <= first[0] + 4, seen
    assert last[1] <= first[1] + 4096, seen
    assert last[2] <= first[2] + 4, seen


def _size(pid: int) -> tuple[int, int]:
    """Descriptors and resident kilobytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), int(resident.split()[1])


def test_a_lack_of_memory_is_a_verdict_once_nothing_else_of_ours_is_there(tmp_path: Path) -> None:
    greedy = "import torch\ndef run(x, y):\n    raise torch.OutOfMemoryError('too little')\n"
    sources = {"a_good": GOOD, "b_greedy": greedy, "c_good": GOOD}
    handle = run_to_end(write_dataset(tmp_path / "dataset", sources, lengths=(8, 16)))
    statuses = [cell.status for cell in handle.progress.cells.values()]
    passed, failed = [Status.PASSED] * 2, [Status.RUNTIME_ERROR] * 2
    assert statuses == [*passed, *failed, *passed]
    assert "out of memory" in cells_of(handle)["b_greedy"].message
    events = list(EventReader(handle.folder.events_file).poll())
    again = [event.evaluation for event in events if event.kind is Kind.REQUEUED]
    assert sorted(again) == sorted(set(again)) and len(again) == 2


def test_the_next_runner_clears_up_after_one_that_was_killed(tmp_path: Path) -> None:
    slow = "import time\ndef run(x, y):\n    time.sleep(1)\n"
    dataset = write_dataset(tmp_path / "dataset", {"a_slow": slow, "b_good": GOOD})
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    wait_for(handle, lambda found: Kind.FIRST_CALL in _phases(found, "a_slow"), 60)
    (left,) = handle.folder.path.parents[1].glob("scratch/*/cpu/solution-1")
    (left / "mark").touch()
    os.kill(handle.runner_pid, signal.SIGKILL)
    wait_for(handle, lambda found: not found.live, 60)
    assert handle.state == "finished"
    assert not (left / "mark").exists()
    assert cells_of(handle)["b_good"].status is Status.PASSED


def test_looking_at_a_run_never_keeps_its_runner_from_starting(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset", {"only": GOOD})
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    deadline = time.monotonic() + 60
    while handle.state in ("queued", "running") and time.monotonic() < deadline:
        handle.poll()
    assert handle.state == "finished", handle.log_file.read_text()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_dataset_loses_no_trace(tiny_disk: Path) -> None:
    dataset = write_dataset(tiny_disk / "dataset", {"a": GOOD, "b": GOOD})
    _fill(dataset / "filler")
    handle = run_to_end(dataset)
    assert handle.state == "failed"
    assert "No space left on device" in handle.progress.message
    (saved,) = handle.folder.pending.iterdir()
    assert str(saved) in handle.progress.message
    assert msgspec.json.decode(saved.read_bytes().splitlines()[1], type=Trace).solution == "a"
    assert cells_of(handle)["a"].status is None
    (dataset / "filler").unlink()
    resume(handle)
    wait_for(handle, lambda found: found.state == "finished", 60)
    assert not list(handle.folder.pending.iterdir())
    lines = [
        line for path in dataset.glob("traces/**/*.jsonl") for line in path.read_text().splitlines()
    ]
    assert [json.loads(line)["solution"] for line in lines] == ["a", "b"]


def test_half_an_event_on_a_full_disk_does_not_spoil_the_next(tiny_disk: Path) -> None:
    folder = RunFolder(tiny_disk)
    folder.append_events(Event(kind=Kind.NOTICE, t=1.0, message="first"))
    _fill(tiny_disk / "filler")
    with pytest.raises(OSError, match="No space"):
        folder.append_events(Event(kind=Kind.NOTICE, t=2.0, message="x" * 100_000))
    (tiny_disk / "filler").unlink()
    folder.append_events(Event(kind=Kind.NOTICE, t=3.0, message="third"))
    messages = [event.message for event in EventReader(folder.events_file).poll()]
    assert messages == ["first", "third"]


def test_a_full_state_folder_ends_the_run_and_leaves_nothing_running(
    tiny_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FITUI_STATE", str(tiny_disk / "state"))
    slow = "import time\ndef run(x, y):\n    y.copy_(x * 2)\n    time.sleep(0.2)\n"
    dataset = write_dataset(tmp_path / "dataset", {"a": slow, "b": slow})
    handle = submit([dataset], devices=["cpu"], settings=LIMITS)
    wait_for(handle, lambda found: found.progress.state == "running", 60)
    pid = handle.runner_pid
    _fill(tiny_disk / "filler")
    wait_for(handle, lambda found: not Path(f"/proc/{pid}").exists(), 60)
    for cell in handle.progress.cells.values():
        # Where the last event had no room, nothing claims to be done either.
        assert cell.status is None or Path(cell.trace_file).is_file()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        try:
            for size in (1 << 16, 1):
                while True:
                    try:
                        stream.write(b"x" * size)
                    except OSError:
                        break
        finally:
            os.fsync(stream.fileno())
