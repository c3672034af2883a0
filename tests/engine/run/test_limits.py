"""Solutions that want too much: each is stopped at its limit, and the next one is unharmed."""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec
import pytest

from engine.run.client import RunHandle
from engine.run.progress import Cell
from engine.schema import Status

from .conftest import GOOD, LIMITS, run_to_end, write_dataset

GREEDY = {
    "a_hogs_memory": (
        "kept = []\n"
        "def run(x, y):\n"
        "    while True:\n"
        "        kept.append(bytearray(b'x' * (32 << 20)))\n"
    ),
    "b_hogs_memory_by_children": (
        "import os, time\n"
        "def run(x, y):\n"
        "    for _ in range(4):\n"
        "        if os.fork() == 0:\n"
        "            kept = bytearray(b'x' * (300 << 20))\n"
        "            time.sleep(1000)\n"
        "    time.sleep(1000)\n"
    ),
    "c_forks_for_ever": (
        "import os, time\n"
        "def run(x, y):\n"
        "    while True:\n"
        "        try:\n"
        "            os.fork()\n"
        "        except OSError:\n"
        "            time.sleep(0.01)\n"
    ),
    "d_prints_two_gigabytes": (
        "import os\n"
        "first = True\n"
        "def run(x, y):\n"
        "    global first\n"
        "    for _ in range(2000 if first else 0):\n"
        "        os.write(1, b'x' * 1_000_000)\n"
        "    first = False\n"
        "    y.copy_(x * 2)\n"
    ),
}
SETTINGS = msgspec.structs.replace(LIMITS, memory_limit_gib=0.9, first_call_limit_s=30.0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunHandle:
    root = tmp_path_factory.mktemp("greedy")
    healthy = {f"{name}_then_healthy": GOOD for name in GREEDY}
    dataset = write_dataset(root / "dataset", {**GREEDY, **healthy})
    with pytest.MonkeyPatch.context() as patch:
        (root / "locks").mkdir()
        for name in ("STATE", "CACHE", "DATA", "LOCKS"):
            patch.setenv(f"FITUI_{name}", str(root / name.lower()))
        patch.setenv("FITUI_LINGER_S", "0")
        return run_to_end(dataset, settings=SETTINGS, seconds=240)


def cell_of(handle: RunHandle, solution: str) -> Cell:
    return next(cell for cell in handle.progress.cells.values() if cell.solution == solution)


@pytest.mark.parametrize("name", ["a_hogs_memory", "b_hogs_memory_by_children"])
def test_memory_is_limited_over_the_whole_tree(finished: RunHandle, name: str) -> None:
    cell = cell_of(finished, name)
    assert cell.status is Status.RUNTIME_ERROR
    assert cell.message == "it used more than 0.9 GiB of memory (in the first call)"


def test_processes_are_limited(finished: RunHandle) -> None:
    cell = cell_of(finished, "c_forks_for_ever")
    assert cell.status is Status.RUNTIME_ERROR
    # Whichever limit is passed first: each of them takes some memory too.
    assert re.match(r"it (started|used) more than .* \(in the first call\)", cell.message)


def test_two_gigabytes_of_output_are_taken_and_cut(finished: RunHandle) -> None:
    cell = cell_of(finished, "d_prints_two_gigabytes")
    assert cell.status is Status.PASSED
    assert (finished.folder.path / cell.log).stat().st_size < 1 << 20


@pytest.mark.parametrize("name", GREEDY)
def test_the_next_evaluation_is_unharmed(finished: RunHandle, name: str) -> None:
    assert cell_of(finished, f"{name}_then_healthy").status is Status.PASSED


def test_nothing_is_left_of_them(finished: RunHandle) -> None:
    deadline = time.monotonic() + 20
    while (left := _standing_in(finished.folder.path.parents[1])) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def _standing_in(folder: Path) -> list[str]:
    """Processes whose working folder is below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            where = (entry / "cwd").readlink()
        except OSError:
            continue
        if where.is_relative_to(folder):
            found.append(entry.name)
    return found
