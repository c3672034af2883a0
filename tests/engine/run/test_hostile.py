"""Solutions that misbehave: each ends in its own status, and those after it are unharmed."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest

from engine.run.client import RunHandle
from engine.run.progress import Cell
from engine.schema import Kind, Status

from .conftest import GOOD, run_to_end, write_dataset

HOSTILE = {
    "a_hangs": "def run(x, y):\n    while True:\n        pass\n",
    "b_exits": "import os\ndef run(x, y):\n    os._exit(0)\n",
    "c_segfaults": "import ctypes\ndef run(x, y):\n    ctypes.string_at(0)\n",
    "d_prints_a_lot": (
        "import os\n"
        "def run(x, y):\n"
        "    y.copy_(x * 2)\n"
        "    os.write(1, b'start of it\\n')\n"
        "    for _ in range(100):\n"
        "        os.write(1, b'x' * 1_000_000)\n"
        "    os.write(1, b'\\nend of it\\n')\n"
    ),
    "e_leaves_a_daemon": (
        "import os, time\n"
        "def run(x, y):\n"
        "    y.copy_(x * 2)\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            print('daemon', os.getpid(), flush=True)\n"
        "            time.sleep(1000)\n"
        "        os._exit(0)\n"
        "    os.wait()\n"
    ),
    "f_closes_everything": (
        "import os, time\ndef run(x, y):\n    os.closerange(3, 4096)\n    time.sleep(60)\n"
    ),
    "g_kills_its_parent": (
        "import os, signal, time\n"
        "def run(x, y):\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n"
        "    time.sleep(60)\n"
    ),
    "h_ignores_signals": (
        "import signal, time\n"
        "for number in range(1, 32):\n"
        "    try:\n"
        "        signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n"
        "        pass\n"
        "def run(x, y):\n"
        "    time.sleep(1000)\n"
    ),
    "i_speaks_for_itself": (
        "import os, stat\n"
        "def run(x, y):\n"
        '    forged = b\'{"type":"outputs","tensors":[]}\'\n'
        "    for number in range(3, 64):\n"
        "        try:\n"
        "            if stat.S_ISSOCK(os.fstat(number).st_mode):\n"
        "                os.write(number, len(forged).to_bytes(4, 'little') + forged)\n"
        "        except OSError:\n"
        "            pass\n"
    ),
    "j_sends_garbage": (
        "import os, stat\n"
        "def run(x, y):\n"
        "    for number in range(3, 64):\n"
        "        try:\n"
        "            if stat.S_ISSOCK(os.fstat(number).st_mode):\n"
        "                os.write(number, b'\\xff' * 64)\n"
        "        except OSError:\n"
        "            pass\n"
    ),
    "k_has_no_text": (
        "class Odd(Exception):\n"
        "    def __str__(self):\n"
        "        raise Odd\n"
        "def run(x, y):\n"
        "    raise Odd\n"
    ),
    "l_exits_politely": "import sys\ndef run(x, y):\n    sys.exit(0)\n",
    "m_exits_at_import": "import os\nos._exit(3)\ndef run(x, y):\n    pass\n",
    "n_writes_nothing": "def run(x, y):\n    pass\n",
    "o_changes_its_input": "def run(x, y):\n    y.copy_(x * 2)\n    x.zero_()\n",
}

EXPECTED = {
    "a_hangs": (Status.TIMEOUT, "the first call did not finish within 2 s"),
    "b_exits": (Status.RUNTIME_ERROR, "exit code 0 during the first call"),
    "c_segfaults": (Status.RUNTIME_ERROR, "killed by SIGSEGV"),
    "d_prints_a_lot": (Status.PASSED, ""),
    "e_leaves_a_daemon": (Status.PASSED, ""),
    "f_closes_everything": (Status.RUNTIME_ERROR, "closed its conversation"),
    "g_kills_its_parent": (Status.RUNTIME_ERROR, "SIGKILL"),
    "h_ignores_signals": (Status.TIMEOUT, "the first call did not finish within 2 s"),
    "i_speaks_for_itself": (Status.RUNTIME_ERROR, ""),
    "j_sends_garbage": (Status.RUNTIME_ERROR, "broke the protocol"),
    "k_has_no_text": (Status.RUNTIME_ERROR, "Odd"),
    "l_exits_politely": (Status.RUNTIME_ERROR, "SystemExit: 0"),
    "m_exits_at_import": (Status.RUNTIME_ERROR, "exit code 3 during the build"),
    "n_writes_nothing": (Status.INCORRECT_NUMERICAL, "by NaN or infinity"),
    "o_changes_its_input": (Status.PASSED, ""),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunHandle:
    root = tmp_path_factory.mktemp("hostile")
    healthy = {f"{name}_then_healthy": GOOD for name in HOSTILE}
    dataset = write_dataset(root / "dataset", {**HOSTILE, **healthy})
    with pytest.MonkeyPatch.context() as patch:
        (root / "locks").mkdir()
        for name in ("STATE", "CACHE", "DATA", "LOCKS"):
            patch.setenv(f"FITUI_{name}", str(root / name.lower()))
        return run_to_end(dataset)


def cell_of(handle: RunHandle, solution: str) -> Cell:
    return next(cell for cell in handle.progress.cells.values() if cell.solution == solution)


def log_of(handle: RunHandle, solution: str) -> str:
    return (handle.folder.path / cell_of(handle, solution).log).read_text()


def test_the_run_itself_finishes(finished: RunHandle) -> None:
    assert finished.state == "finished", finished.progress.message


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_solution_ends_in_its_own_status(finished: RunHandle, name: str) -> None:
    cell = cell_of(finished, name)
    status, reason = EXPECTED[name]
    assert (cell.phase, cell.status) == (Kind.DONE, status), cell
    assert reason in cell.message


@pytest.mark.parametrize("name", HOSTILE)
def test_the_evaluation_after_it_is_unharmed(finished: RunHandle, name: str) -> None:
    assert cell_of(finished, f"{name}_then_healthy").status is Status.PASSED


def test_a_timeout_says_where_it_hung(finished: RunHandle) -> None:
    assert re.search(r'main\.py", line \d in run', log_of(finished, "a_hangs"))


def test_a_crash_says_where_it_crashed(finished: RunHandle) -> None:
    log = log_of(finished, "c_segfaults")
    assert "Segmentation fault" in log
    assert 'main.py", line 3 in run' in log


def test_endless_output_keeps_its_beginning_and_its_end(finished: RunHandle) -> None:
    log = log_of(finished, "d_prints_a_lot")
    assert "start of it" in log
    assert log.rstrip().endswith("end of it")
    assert "bytes left out" in log
    assert len(log) < 100_000


def test_no_daemon_survives(finished: RunHandle) -> None:
    for line in log_of(finished, "e_leaves_a_daemon").splitlines():
        if line.startswith("daemon"):
            with pytest.raises(ProcessLookupError):
                os.kill(int(line.split()[1]), signal.SIGCONT)


def test_every_verdict_is_one_line_of_the_trace_file(finished: RunHandle) -> None:
    root = Path(finished.request.dataset[-1])
    lines = (root / "traces/tester/toy/double.jsonl").read_text().splitlines()
    evaluations = [json.loads(line)["evaluation"] for line in lines]
    ids = [item["environment"]["libs"]["fitui.evaluation"] for item in evaluations]
    assert sorted(ids) == sorted(finished.progress.cells)


def test_scratch_folders_are_gone(finished: RunHandle) -> None:
    scratch = finished.folder.path.parents[1] / "scratch"
    assert not list(scratch.glob("*/*/solution-*"))
    assert not list(scratch.glob("*/*/reference-*"))
